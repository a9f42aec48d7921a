//! Where a simulated sensor's signal comes from: the simulated patient, or one signal of a recording.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::World;
use super::patient::{Lead, Physiology};
use super::scenario::{Off, Scenario};
use crate::device::{Fault, FaultKind};
use crate::recording::{self, Sample, Signal};

/// A signal over time, as long as the sensor is on the patient.
#[derive(Debug)]
pub(super) struct Source {
    signals: Signals,
    scenario: Arc<Scenario>,
}

#[derive(Debug)]
enum Signals {
    Generator(Box<Physiology>),
    Recording(Box<Recording>),
}

/// One signal of a recording, held from sample to sample.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    record: recording::Recording,
    index: usize,
    signal: Signal,
    ending: Ending,
}

/// From which simulated time on a device gives which fault: shared by a model and its device.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<Mutex<Option<(Duration, Fault)>>>);

impl Ending {
    /// Sets it; of two, the one that comes first stays.
    pub(super) fn set(&self, from: Duration, fault: Fault) {
        let mut ending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ending.as_ref().is_none_or(|(held, _)| from < *held) {
            *ending = Some((from, fault));
        }
    }

    /// The fault, if its time has come.
    pub(super) fn fault(&self, now: Duration) -> Option<Fault> {
        let ending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, fault) = ending.as_ref().filter(|(from, _)| now >= *from)?;
        Some(fault.clone())
    }
}

impl Source {
    /// Opens what the world says.
    ///
    /// # Errors
    /// When the recording cannot be opened, has no such signal, or has it in another unit than one of
    /// `units`; with no units any will do. A recording that cannot be read later on sets `ending`.
    pub(super) fn open(
        world: &World,
        units: &[(&str, f64)],
        ending: &Ending,
    ) -> Result<Self, Fault> {
        let Some((path, name)) = &world.signal else {
            let signals = Signals::Generator(Box::new(Physiology::of(world)));
            return Ok(Self::new(signals, world));
        };
        let refuse = |why: String| Fault::new(FaultKind::Unopened, why);
        let record = recording::Recording::open_at(path, world.rate)
            .map_err(|error| refuse(error.to_string()))?;
        let mut signals = record.signals().iter().enumerate();
        let found =
            signals.find(|(_, signal)| name.as_ref().is_none_or(|name| *name == signal.name));
        let Some((index, signal)) = found else {
            let names: Vec<_> = record
                .signals()
                .iter()
                .map(|signal| signal.name.as_str())
                .collect();
            let (name, names) = (name.as_deref().unwrap_or_default(), names.join(", "));
            return Err(refuse(format!(
                "{}: no signal {name}: choose one of {names}",
                path.display()
            )));
        };
        if !units.is_empty() && factor(units, &signal.unit).is_none() {
            let (name, unit, names) = (&signal.name, &signal.unit, names_of(units));
            return Err(refuse(format!(
                "{}: signal {name} is in {unit}, this device measures {names}",
                path.display()
            )));
        }
        let signal = signal.clone();
        let recording = Recording {
            path: path.clone(),
            record,
            index,
            signal,
            ending: ending.clone(),
        };
        Ok(Self::new(Signals::Recording(Box::new(recording)), world))
    }

    fn new(signals: Signals, world: &World) -> Self {
        Self {
            signals,
            scenario: Arc::clone(&world.scenario),
        }
    }

    /// Opens what the world says, for a device that ends when the clock passes the signal's end.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_to_its_end(
        world: &World,
        units: &[(&str, f64)],
        ending: &Ending,
    ) -> Result<Self, Fault> {
        let source = Self::open(world, units, ending)?;
        if let Some(end) = source.end() {
            ending.set(end, source.over());
        }
        Ok(source)
    }

    /// The fault at the end of the signal.
    pub(super) fn over(&self) -> Fault {
        match &self.signals {
            Signals::Generator(_) => over(Path::new("the simulated patient")),
            Signals::Recording(recording) => over(&recording.path),
        }
    }

    /// When the signal ends, if it does.
    pub(super) fn end(&self) -> Option<Duration> {
        match &self.signals {
            Signals::Generator(_) => None,
            Signals::Recording(recording) => Some(length(&recording.signal)),
        }
    }

    /// A time of the signal: the newest that is not beyond its end.
    pub(super) fn within(&self, time: Duration) -> Duration {
        let last = self
            .end()
            .map(|end| end.saturating_sub(Duration::from_nanos(1)));
        last.map_or(time, |last| time.min(last))
    }

    /// Millivolts of a lead; none where an electrode is off or the recording has no sample. Both leads of a
    /// recording are its one signal.
    pub(super) fn ecg(&mut self, time: Duration, lead: Lead) -> Option<f64> {
        let electrode = match lead {
            Lead::I => Off::LeadI,
            Lead::II => Off::LeadII,
        };
        if self.scenario.off(time, &[electrode, Off::Sensor]) {
            return None;
        }
        match &mut self.signals {
            Signals::Generator(body) => Some(body.ecg(time, lead)),
            Signals::Recording(recording) => recording.in_unit(time, &ECG_UNITS),
        }
    }

    /// The pulse wave, about 0 to 1; a recording's own unit as it is.
    pub(super) fn pulse(&mut self, time: Duration) -> Option<f64> {
        if self.scenario.off(time, &[Off::Sensor]) {
            return None;
        }
        match &mut self.signals {
            Signals::Generator(body) => Some(body.pulse(time)),
            Signals::Recording(recording) => recording.at(time),
        }
    }

    /// Degrees Celsius.
    pub(super) fn temperature(&mut self, time: Duration) -> Option<f64> {
        match &mut self.signals {
            Signals::Generator(body) => Some(body.temperature(time)),
            Signals::Recording(recording) => recording.in_unit(time, &TEMPERATURE_UNITS),
        }
    }

    /// Arterial pressure in millimetres of mercury.
    pub(super) fn pressure(&mut self, time: Duration) -> Option<f64> {
        match &mut self.signals {
            Signals::Generator(body) => Some(body.pressure(time)),
            Signals::Recording(recording) => recording.in_unit(time, &PRESSURE_UNITS),
        }
    }
}

impl Recording {
    fn in_unit(&mut self, time: Duration, units: &[(&str, f64)]) -> Option<f64> {
        let factor = factor(units, &self.signal.unit)?;
        Some(self.at(time)? * factor)
    }

    /// The sample that was last at a time, in the recording's unit.
    fn at(&mut self, time: Duration) -> Option<f64> {
        let place = time.as_nanos() * u128::from(self.signal.rate_numerator)
            / (u128::from(self.signal.rate_denominator.max(1)) * 1_000_000_000);
        let place = u64::try_from(place)
            .ok()
            .filter(|place| *place < self.signal.samples)?;
        let mut sample = [Sample::Missing];
        if let Err(error) = self.record.read(self.index, place, &mut sample) {
            let fault = Fault::new(FaultKind::Garbled, error.to_string());
            self.ending.set(Duration::ZERO, fault);
            return None;
        }
        match sample {
            [Sample::Missing] => None,
            [Sample::Value(raw)] => {
                let value = self.signal.calibration.value(raw);
                Some(exact(value.mantissa) * 10_f64.powi(value.exponent.into()))
            }
        }
    }
}

fn over(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Ended,
        format!("{}: the recording is over", path.display()),
    )
}

fn length(signal: &Signal) -> Duration {
    let nanoseconds =
        u128::from(signal.samples) * u128::from(signal.rate_denominator) * 1_000_000_000
            / u128::from(signal.rate_numerator.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn factor(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
}

fn names_of(units: &[(&str, f64)]) -> String {
    let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
    names.join(" or ")
}

/// A converter's steps have far fewer digits than the 53 bits that a float holds.
#[expect(
    clippy::cast_precision_loss,
    reason = "no sensor tells digits beyond 53 bits"
)]
fn exact(mantissa: i64) -> f64 {
    mantissa as f64
}

/// How recordings write units of potential, and how many millivolts they are.
pub(super) const ECG_UNITS: [(&str, f64); 4] =
    [("mV", 1.0), ("uV", 0.001), ("µV", 0.001), ("V", 1000.0)];
/// How recordings write degrees Celsius.
pub(super) const TEMPERATURE_UNITS: [(&str, f64); 4] =
    [("degC", 1.0), ("C", 1.0), ("Cel", 1.0), ("deg_C", 1.0)];

/// How recordings write pressures, and how many millimetres of mercury they are.
pub(super) const PRESSURE_UNITS: [(&str, f64); 2] = [("mmHg", 1.0), ("kPa", 7.500_617)];

#[cfg(test)]
mod tests;
