//! Scenario files for simulated devices: read here, played by the shim.

mod plays;

use std::path::Path;
use std::time::Duration;

use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::reading::{Reading, StreamSpec};
use wardlink_firmware_shim::sim::{Episode, Off, Scenario, SimFault, Timed};
use wardlink_link::file;
use wardlink_wire::profile::{
    self, Kind, Scripted, ScriptedEpisode, ScriptedFault, ScriptedLead, Simulation,
};

/// Reads the scenario of a device, if it has one.
///
/// # Errors
/// When its file cannot be read, or with everything in it that is wrong or that such a device cannot play.
pub(super) fn of(kind: Kind, simulation: &Simulation) -> Result<Option<Scenario>, Fault> {
    let Some(path) = simulation.scenario.as_deref() else {
        return Ok(None);
    };
    read(path, kind, simulation.signal.is_some()).map(Some)
}

fn read(path: &Path, kind: Kind, recorded: bool) -> Result<Scenario, Fault> {
    let refuse = |why: String| {
        let text = format!("scenario {}: {why}", path.display());
        Fault::new(FaultKind::Unopened, text)
    };
    let bytes = file::read(path).map_err(|error| refuse(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("not UTF-8 text".to_owned()))?;
    let scenario = profile::Scenario::parse(&text).map_err(|faults| refuse(faults.to_string()))?;
    let refusals = plays::refusals(&scenario, kind, recorded);
    if !refusals.is_empty() {
        return Err(refuse(refusals.join("; ")));
    }
    Ok(Scenario {
        faults: scenario
            .faults
            .iter()
            .map(|one| timed(one, fault))
            .collect(),
        episodes: scenario
            .episodes
            .iter()
            .map(|one| timed(one, episode))
            .collect(),
        drift_ppm: scenario.clock_drift_ppm,
    })
}

fn timed<T: Copy, U>(one: &Scripted<T>, what: fn(T) -> U) -> Timed<U> {
    Timed {
        at: one.at,
        lasting: one.lasting,
        what: what(one.what),
    }
}

const fn fault(fault: ScriptedFault) -> SimFault {
    match fault {
        ScriptedFault::NoAcknowledge => SimFault::NoAcknowledge,
        ScriptedFault::StuckBus(hold) => SimFault::StuckBus { hold },
        ScriptedFault::BitFlips(one_in) => SimFault::BitFlips { one_in },
        ScriptedFault::Slow(by) => SimFault::Slow { by },
        ScriptedFault::Unplugged => SimFault::Unplugged,
        ScriptedFault::FifoOverflow => SimFault::Overflow,
        ScriptedFault::LeadOff(ScriptedLead::I) => SimFault::Off(Off::LeadI),
        ScriptedFault::LeadOff(ScriptedLead::II) => SimFault::Off(Off::LeadII),
        ScriptedFault::SensorOff => SimFault::Off(Off::Sensor),
        ScriptedFault::Garbage(bytes) => SimFault::Garbage { bytes },
    }
}

const fn episode(episode: ScriptedEpisode) -> Episode {
    match episode {
        ScriptedEpisode::PrematureBeats(one_in) => Episode::PrematureBeats { one_in },
        ScriptedEpisode::AtrialFibrillation => Episode::AtrialFibrillation,
        ScriptedEpisode::Pause => Episode::Pause,
        ScriptedEpisode::Motion => Episode::Motion,
    }
}

/// A device whose scenario cannot be played: every start says why.
pub(super) struct Refusing {
    pub(super) device: Box<dyn Device>,
    pub(super) why: Fault,
}

impl Device for Refusing {
    fn streams(&self) -> &[StreamSpec] {
        self.device.streams()
    }

    fn period(&self) -> Duration {
        self.device.period()
    }

    fn start(&mut self) -> Result<(), Fault> {
        Err(self.why.clone())
    }

    fn poll(&mut self, _readings: &mut Vec<Reading>) -> Result<(), Fault> {
        Err(self.why.clone())
    }

    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

#[cfg(test)]
mod tests;
