//! The hardware abstraction layer: medical devices behind one trait.
//!
//! Owns drivers and decoders on embedded-hal 1.0, the Linux buses they run on, and simulated devices that
//! stand on the same buses. Promises that a missing value is data with a reason, that a sample's place
//! comes from the converter and never from the time of reading, and that a call returns within its bus's
//! deadline. Knows no tokio, no serialisation, no MQTT and no configuration format: it is given values.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`device`] | the trait every device keeps, and its faults |
//! | [`reading`] | what a device gives |
//! | `drivers` | one file per chip or serial protocol |
//! | `linux` | I2C, SPI, GPIO and serial of a Linux machine (feature `linux`) |
//! | `recording` | recordings of any of the formats WFDB, EDF, EDF+, CSV (feature `sim`) |
//! | `wfdb` | recordings in PhysioNet's WFDB format (feature `sim`) |
//! | `sim` | simulated buses, chips and serial devices (feature `sim`) |

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod device;
pub mod drivers;
#[cfg(feature = "linux")]
pub mod linux;
pub mod reading;
#[cfg(feature = "sim")]
pub mod recording;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod wfdb;
