//! A Masimo oximeter at byte level: a line of ASCII 1 a second.

use super::World;
use super::serial::{Schedule, Words, simulated};
use crate::device::Device;
use crate::drivers::masimo::Masimo;

/// A Masimo oximeter on a simulated serial line.
#[must_use]
pub fn masimo(world: &World) -> Box<dyn Device> {
    simulated(world, Masimo::default(), |world, ending| {
        Ok(Schedule::open(world, ending, 1)?.saying(line))
    })
}

fn line(words: &mut Words<'_>) -> Vec<u8> {
    let [hour, minute, second] = words.time_of_day();
    let time = format!("01/01/26 {hour:02}:{minute:02}:{second:02} SN=0000000001");
    // Where a recording has no sample the sensor is off.
    let text = if words.pulse().is_some() {
        let patient = words.patient;
        format!(
            "{time} SPO2={:03}% BPM={:03} PI=02.50% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000000\r\n",
            patient.spo2, patient.heart_rate
        )
    } else {
        format!("{time} SPO2=---% BPM=--- PI=--.--% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000020\r\n")
    };
    text.into_bytes()
}
