//! One `[[device]]` table: what is attached, where, and how it is read.

mod driver;
mod simulation;
mod table;

use std::path::PathBuf;

pub use driver::{Driver, Options};
pub use simulation::{RecordingSource, Simulation};
pub use table::{DRIVERS, Key, Kind, Row};

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

impl DeviceSettings {
    /// Reads one table. The caller ends the section.
    pub(super) fn read(section: &mut Section, faults: &mut Faults) -> Option<Self> {
        let id = section.parsed("id", faults);
        let id = section.require("id", id, faults);
        let row = Driver::word(section, faults);
        let bus = bus(section, faults);
        let driver = Driver::read(row?, section, bus.as_ref(), faults);
        Some(Self {
            id: id?,
            bus: bus?,
            driver: driver?,
        })
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

const SIMULATED: &str = "sim";

#[cfg(test)]
mod tests;
