//! One `[[device]]` table: what is attached, where, and how it is read.

mod bluetooth;
mod driver;
mod network;
mod simulation;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use bluetooth::Characteristic;
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
    /// An address of this machine on which devices of the network are awaited.
    Network(SocketAddr),
    /// The address of a device on Bluetooth, in capitals.
    Bluetooth(String),
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
            Self::Simulated(simulation) => match &simulation.shared {
                Some(name) => format!("{SIMULATED}:{name}"),
                None => SIMULATED.to_owned(),
            },
            Self::Path(path) => path.display().to_string(),
            Self::Network(address) => format!("{}{address}", network::PREFIX),
            Self::Bluetooth(address) => format!("{}{address}", bluetooth::PREFIX),
        }
    }
}

fn bus(section: &mut Section, faults: &mut Faults) -> Option<Bus> {
    let text = section.text("bus", faults);
    let text = section.require("bus", text, faults)?;
    if let Some(name) = simulated(&text) {
        let mut simulation = Simulation::default();
        if let Some(mut section) = section.section("simulation", faults) {
            simulation = Simulation::read(&mut section, faults);
            section.finish(faults);
        }
        simulation.shared = name.map(str::to_owned);
        return Some(Bus::Simulated(simulation));
    }
    if text.starts_with(network::PREFIX) {
        return network::address(&text, section, faults).map(Bus::Network);
    }
    if text.starts_with(bluetooth::PREFIX) {
        return bluetooth::address(&text, section, faults).map(Bus::Bluetooth);
    }
    if !text.starts_with('/') {
        let hint = "\"sim\", \"sim:NAME\", \"tcp:127.0.0.1:2575\", \"bluetooth:AA:BB:CC:DD:EE:FF\", or an absolute \
            path such as \"/dev/i2c-1\"";
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

/// `sim`, or `sim:NAME` for a bus that several devices share.
fn simulated(text: &str) -> Option<Option<&str>> {
    let rest = text.strip_prefix(SIMULATED)?;
    let name = rest.strip_prefix(':').filter(|name| !name.is_empty());
    (rest.is_empty() || name.is_some()).then_some(name)
}

const SIMULATED: &str = "sim";

#[cfg(test)]
mod tests;
