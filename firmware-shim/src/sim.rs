//! Simulated devices on simulated buses.
//!
//! Owns register-level chip models behind the embedded-hal traits, serial devices at byte level on a real
//! pty, the simulated patient and the player of recordings. Promises that the drivers are the same ones
//! that run on hardware, and that the same seed gives the same values. Refuses to know the time by itself:
//! a [`World`] is given its clock.

mod ads1115;
mod ads1292r;
mod bluetooth;
mod board;
mod bus;
mod clock;
mod cms50d;
mod frontend;
mod hl7;
mod ivy450c;
mod line;
mod masimo;
mod max30102;
mod max30205;
mod mlx90614;
mod nonin;
mod pace;
mod patient;
mod random;
mod scenario;
mod serial;
mod source;
#[cfg(test)]
mod testing;
mod tmp10x;
mod tmp117;
mod wires;

use std::path::PathBuf;
use std::sync::Arc;

pub use ads1115::ads1115;
pub use ads1292r::ads1292r;
pub use bluetooth::bluetooth;
pub use board::board;
pub use clock::SimClock;
pub use cms50d::cms50d;
pub use frontend::frontend;
pub use hl7::hl7;
pub use ivy450c::ivy450c;
pub use masimo::masimo;
pub use max30102::max30102;
pub use max30205::max30205;
pub use mlx90614::mlx90614;
pub use nonin::nonin;
pub use scenario::{Episode, Off, Scenario, SimFault, Timed};
pub use tmp10x::tmp10x;
pub use tmp117::tmp117;
pub use wires::SimBus;

/// What a simulated device lives in.
#[derive(Debug, Clone)]
pub struct World {
    /// Its time.
    pub clock: SimClock,
    /// Start of its random numbers.
    pub seed: u64,
    /// The patient it is attached to.
    pub patient: Patient,
    /// Takes the signal from a recording (header file, signal description) in place of the patient.
    pub signal: Option<(PathBuf, Option<String>)>,
    /// Samples a second of the recording, where it does not say it itself.
    pub rate: Option<u32>,
    /// What goes wrong in it, and when.
    pub scenario: Arc<Scenario>,
    /// The bus that the device hangs on.
    pub bus: SimBus,
}

impl World {
    /// A world in which nothing goes wrong, with a bus of its own and a healthy patient.
    #[must_use]
    pub fn new(clock: SimClock, seed: u64) -> Self {
        Self {
            clock,
            seed,
            patient: Patient::default(),
            signal: None,
            rate: None,
            scenario: Arc::default(),
            bus: SimBus::default(),
        }
    }
}

/// The simulated patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patient {
    /// Beats per minute.
    pub heart_rate: u32,
    /// Oxygen saturation, percent.
    pub spo2: u32,
    /// Body temperature, thousandths of a degree Celsius.
    pub temperature_millicelsius: i32,
}

impl Default for Patient {
    fn default() -> Self {
        Self {
            heart_rate: 72,
            spo2: 97,
            temperature_millicelsius: 36_600,
        }
    }
}
