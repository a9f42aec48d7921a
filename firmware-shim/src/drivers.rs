//! One file per chip or serial protocol, on embedded-hal 1.0 traits and nothing of any machine.
//!
//! A driver owns its bus, identifies the part before it measures, and turns what the part says into
//! readings. It promises that a value which was lost, overwritten or refused leaves an absence with its
//! reason, and that a sample's index counts the converter's work, never the times of reading. It knows no
//! clock and no standard library (`alloc` only). Registers are named constants from the data sheet cited
//! in each file.
//!
//! After a fault the bus is let go; `start` opens it anew through its [`Port`]. The sample index goes on
//! where it stopped. How many conversions were not made meanwhile nobody knows, so the absence that stands
//! there has a count of 0: an unknown number.

pub mod ads1292r;
mod blocks;
mod i2c;
pub mod max30102;
pub mod nonin;
mod numeric;
mod port;
pub mod tmp117;

pub use port::{Port, Ready};
