//! Simulated devices on simulated buses.
//!
//! Owns register-level chip models behind the embedded-hal traits, serial devices at byte level on a real
//! pty, the simulated patient and the player of recordings. Promises that the drivers are the same ones
//! that run on hardware, and that the same seed gives the same values. Refuses to know the time by itself:
//! a [`World`] is given its clock.

mod ads1292r;
mod bus;
mod clock;
mod cms50d;
mod frontend;
mod hl7;
mod ivy450c;
mod line;
mod masimo;
mod max30102;
mod nonin;
mod pace;
mod patient;
mod serial;
mod source;
#[cfg(test)]
mod testing;
mod tmp117;

use std::path::PathBuf;

pub use ads1292r::ads1292r;
pub use clock::SimClock;
pub use cms50d::cms50d;
pub use frontend::frontend;
pub use hl7::hl7;
pub use ivy450c::ivy450c;
pub use masimo::masimo;
pub use max30102::max30102;
pub use nonin::nonin;
pub use tmp117::tmp117;

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
