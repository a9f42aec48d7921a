//! One `[[device]]` table: what is attached, where, and how it is read.

use std::path::PathBuf;
use std::time::Duration;

use crate::document::{Faults, Section};
use crate::id::DeviceId;

/// One device of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSettings {
    /// Its id.
    pub id: DeviceId,
    /// Where it is attached.
    pub bus: Bus,
    /// What it is.
    pub driver: Driver,
}

/// Where a device is attached.
#[derive(Debug, Clone, PartialEq)]
pub enum Bus {
    /// A simulated bus with a simulated device on it.
    Simulated(Simulation),
    /// A bus or line of this machine: `/dev/i2c-1`, `/dev/spidev0.0`, `/dev/ttyUSB0`.
    Path(PathBuf),
}

/// What the device is, and what only this kind of device has to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Driver {
    /// TMP117 temperature sensor on I2C.
    Tmp117 {
        /// 7-bit address.
        address: u8,
        /// How often it is read.
        period: Duration,
    },
    /// MAX30102 pulse oximeter front end on I2C: raw red and infrared PPG.
    Max30102 {
        /// Samples per second.
        rate: u32,
    },
    /// ADS1292R two-channel ECG front end on SPI.
    Ads1292r {
        /// Samples per second.
        rate: u32,
        /// GPIO chip and line of its data-ready output; not needed when simulated.
        ready: Option<(PathBuf, u32)>,
    },
    /// Nonin OEM pulse oximeter on a serial line, data format 2.
    Nonin,
    /// Multi-channel front end that plays a WFDB record; only simulated.
    Frontend {
        /// The record's header file.
        recording: PathBuf,
    },
}

/// How a simulated device behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Start of its random numbers.
    pub seed: u64,
    /// How many times faster than real time.
    pub speed: f64,
    /// Beats per minute of the simulated patient.
    pub heart_rate: u32,
    /// Oxygen saturation of the simulated patient, percent.
    pub spo2: u32,
    /// Body temperature of the simulated patient, thousandths of a degree Celsius.
    pub temperature_millicelsius: i32,
    /// Takes the signal from a recording in place of the simulated patient.
    pub signal: Option<RecordingSource>,
}

/// One signal of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSource {
    /// The record's header file.
    pub recording: PathBuf,
    /// The signal's description in the header; the first signal if not said.
    pub signal: Option<String>,
}

impl DeviceSettings {
    /// Reads one table. The caller ends the section.
    pub(super) fn read(section: &mut Section, faults: &mut Faults) -> Option<Self> {
        let id = section.parsed("id", faults);
        let id = section.require("id", id, faults);
        let kind = section.choice("driver", &KINDS, faults);
        let kind = section.require("driver", kind, faults);
        let bus = bus(section, faults);
        let driver = driver(kind?, section, bus.as_ref(), faults);
        let (id, bus, driver) = (id?, bus?, driver?);
        if matches!(driver, Driver::Frontend { .. }) && !bus.is_simulated() {
            faults.note_with_hint(
                section.path("bus"),
                "a front end that plays a recording is simulated",
                "bus = \"sim\"",
            );
        }
        Some(Self { id, bus, driver })
    }
}

impl Bus {
    /// Whether the device is simulated.
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// The word or path of the profile.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Simulated(_) => SIMULATED.to_owned(),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

impl Driver {
    /// The driver's word in the profile.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tmp117 { .. } => "tmp117",
            Self::Max30102 { .. } => "max30102",
            Self::Ads1292r { .. } => "ads1292r",
            Self::Nonin => "nonin",
            Self::Frontend { .. } => "frontend",
        }
    }
}

fn bus(section: &mut Section, faults: &mut Faults) -> Option<Bus> {
    let text = section.text("bus", faults);
    let text = section.require("bus", text, faults)?;
    if text == SIMULATED {
        let simulation = section.section("simulation", faults);
        return Some(Bus::Simulated(simulation.map_or_else(
            Simulation::default,
            |mut section| {
                let simulation = Simulation::read(&mut section, faults);
                section.finish(faults);
                simulation
            },
        )));
    }
    if !text.starts_with('/') {
        let hint = "\"sim\", or an absolute path such as \"/dev/i2c-1\"";
        faults.note_with_hint(section.path("bus"), format!("{text:?} is no bus"), hint);
        return None;
    }
    if section.has("simulation") {
        let path = section.path("simulation");
        faults.note_with_hint(
            path,
            "a device on a real bus is not simulated",
            "bus = \"sim\", or remove this table",
        );
        drop(section.section("simulation", &mut Faults::default()));
    }
    Some(Bus::Path(PathBuf::from(text)))
}

fn driver(
    kind: Kind,
    section: &mut Section,
    bus: Option<&Bus>,
    faults: &mut Faults,
) -> Option<Driver> {
    match kind {
        Kind::Tmp117 => {
            let address = section
                .integer("address", 0x48..=0x4b, faults)
                .unwrap_or(0x48);
            let period = section.duration(
                "period",
                Duration::from_millis(16)..=Duration::from_secs(3600),
                faults,
            );
            Some(Driver::Tmp117 {
                address: u8::try_from(address).unwrap_or(0x48),
                period: period.unwrap_or(Duration::from_secs(1)),
            })
        }
        Kind::Max30102 => Some(Driver::Max30102 {
            rate: rate(section, &[50, 100, 200, 400], 100, faults),
        }),
        Kind::Ads1292r => {
            let rate = rate(section, &[125, 250, 500, 1000], 250, faults);
            let ready = ready_line(section, faults);
            if ready.is_none() && bus.is_some_and(|bus| !bus.is_simulated()) {
                let hint = "the GPIO line of DRDY, such as \"/dev/gpiochip0:25\"";
                faults.note_with_hint(section.path("ready"), "this key is missing", hint);
            }
            Some(Driver::Ads1292r { rate, ready })
        }
        Kind::Nonin => Some(Driver::Nonin),
        Kind::Frontend => {
            let recording = section.text("recording", faults);
            let recording = section.require("recording", recording, faults)?;
            Some(Driver::Frontend {
                recording: PathBuf::from(recording),
            })
        }
    }
}

fn rate(section: &mut Section, allowed: &[u32], default: u32, faults: &mut Faults) -> u32 {
    let Some(asked) = section.integer("rate", 1..=100_000, faults) else {
        return default;
    };
    match allowed.iter().find(|rate| i64::from(**rate) == asked) {
        Some(rate) => *rate,
        None => {
            let list: Vec<_> = allowed.iter().map(ToString::to_string).collect();
            let hint = format!("one of {}", list.join(", "));
            faults.note_with_hint(
                section.path("rate"),
                format!("the chip cannot sample at {asked} Hz"),
                hint,
            );
            default
        }
    }
}

fn ready_line(section: &mut Section, faults: &mut Faults) -> Option<(PathBuf, u32)> {
    let text = section.text("ready", faults)?;
    let parts = text.rsplit_once(':');
    let line = parts.and_then(|(chip, line)| Some((PathBuf::from(chip), line.parse().ok()?)));
    if line.is_none() {
        let hint = "chip and line, such as \"/dev/gpiochip0:25\"";
        faults.note_with_hint(
            section.path("ready"),
            format!("{text:?} is no GPIO line"),
            hint,
        );
    }
    line
}

impl Simulation {
    fn read(section: &mut Section, faults: &mut Faults) -> Self {
        let default = Self::default();
        let seed = section.integer("seed", 0..=i64::MAX, faults);
        let speed = section.factor("speed", faults);
        let heart_rate = section.integer("heart_rate", 20..=300, faults);
        let spo2 = section.integer("spo2", 0..=100, faults);
        let temperature = section.integer("temperature_millicelsius", 0..=60_000, faults);
        let signal = section.section("signal", faults).and_then(|mut section| {
            let recording = section.text("recording", faults);
            let recording = section.require("recording", recording, faults);
            let signal = section.text("name", faults);
            section.finish(faults);
            recording.map(|recording| RecordingSource {
                recording: PathBuf::from(recording),
                signal,
            })
        });
        Self {
            seed: seed
                .and_then(|seed| u64::try_from(seed).ok())
                .unwrap_or(default.seed),
            speed: speed.unwrap_or(default.speed),
            heart_rate: heart_rate
                .and_then(|rate| u32::try_from(rate).ok())
                .unwrap_or(default.heart_rate),
            spo2: spo2
                .and_then(|spo2| u32::try_from(spo2).ok())
                .unwrap_or(default.spo2),
            temperature_millicelsius: temperature
                .and_then(|temperature| i32::try_from(temperature).ok())
                .unwrap_or(default.temperature_millicelsius),
            signal,
        }
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            seed: 1,
            speed: 1.0,
            heart_rate: 72,
            spo2: 97,
            temperature_millicelsius: 36_600,
            signal: None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tmp117,
    Max30102,
    Ads1292r,
    Nonin,
    Frontend,
}

const KINDS: [(&str, Kind); 5] = [
    ("tmp117", Kind::Tmp117),
    ("max30102", Kind::Max30102),
    ("ads1292r", Kind::Ads1292r),
    ("nonin", Kind::Nonin),
    ("frontend", Kind::Frontend),
];
const SIMULATED: &str = "sim";

#[cfg(test)]
mod tests {
    use crate::profile::{Driver, Profile};

    fn profile(device: &str) -> Result<Profile, String> {
        let text = format!("schema = 1\n[[device]]\nid = \"d\"\n{device}");
        Profile::parse(&text).map_err(|faults| faults.to_string())
    }

    #[test]
    fn every_driver_is_read_with_its_own_keys() {
        for device in [
            "driver = \"tmp117\"\nbus = \"/dev/i2c-1\"\naddress = 0x4b\nperiod = \"16ms\"",
            "driver = \"max30102\"\nbus = \"/dev/i2c-1\"\nrate = 400",
            "driver = \"ads1292r\"\nbus = \"/dev/spidev0.0\"\nrate = 1000\nready = \"/dev/gpiochip0:25\"",
            "driver = \"nonin\"\nbus = \"/dev/ttyUSB0\"",
            "driver = \"frontend\"\nbus = \"sim\"\nrecording = \"/srv/100.hea\"",
            "driver = \"ads1292r\"\nbus = \"sim\"\n[device.simulation]\nseed = 3\nspeed = 4.0\n\
             [device.simulation.signal]\nrecording = \"/srv/100.hea\"\nname = \"MLII\"",
        ] {
            let read = profile(device).unwrap_or_else(|faults| panic!("{device}: {faults}"));
            assert_eq!(read.devices.len(), 1);
            assert!(device.contains(read.devices[0].driver.name()), "{device}");
        }
    }

    #[test]
    fn what_a_chip_cannot_do_is_a_fault_with_a_hint() {
        for (device, says) in [
            (
                "driver = \"max30102\"\nbus = \"sim\"\nrate = 123",
                "one of 50, 100",
            ),
            (
                "driver = \"tmp117\"\nbus = \"sim\"\naddress = 0x10",
                "address",
            ),
            (
                "driver = \"tmp117\"\nbus = \"sim\"\nperiod = \"1ms\"",
                "period",
            ),
            (
                "driver = \"ads1292r\"\nbus = \"/dev/spidev0.0\"",
                "GPIO line of DRDY",
            ),
            (
                "driver = \"ads1292r\"\nbus = \"sim\"\nready = \"25\"",
                "no GPIO line",
            ),
            (
                "driver = \"frontend\"\nbus = \"/dev/x\"\nrecording = \"a.hea\"",
                "is simulated",
            ),
            ("driver = \"frontend\"\nbus = \"sim\"", "recording"),
            ("driver = \"nonin\"\nbus = \"ttyUSB0\"", "absolute path"),
            ("driver = \"nonin\"\nbus = \"sim\"\nrate = 5", "rate"),
            (
                "driver = \"nonin\"\nbus = \"/dev/x\"\n[device.simulation]\nseed = 1",
                "not simulated",
            ),
        ] {
            let faults = profile(device).unwrap_err();
            assert!(faults.contains(says), "{device}: {faults}");
        }
    }

    #[test]
    fn two_devices_cannot_have_one_id() {
        let nonin = "driver = \"nonin\"\nbus = \"sim\"\n";
        let faults = profile(&format!("{nonin}[[device]]\nid = \"d\"\n{nonin}")).unwrap_err();
        assert!(faults.contains("two devices are called d"), "{faults}");
    }

    #[test]
    fn a_device_whose_address_is_left_out_takes_the_chip_s_first() {
        let read = profile("driver = \"tmp117\"\nbus = \"sim\"").unwrap();
        assert!(matches!(
            read.devices[0].driver,
            Driver::Tmp117 { address: 0x48, .. }
        ));
    }
}
