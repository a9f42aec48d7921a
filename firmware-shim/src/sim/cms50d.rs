//! A Contec CMS50D+ oximeter at byte level.

use super::World;
use super::pace::steps;
use super::serial::{Schedule, Words, simulated};
use crate::device::Device;
use crate::drivers::cms50d::Cms50d;

/// A CMS50D+ on a simulated serial line.
#[must_use]
pub fn cms50d(world: &World) -> Box<dyn Device> {
    simulated(world, Cms50d::default(), |world, ending| {
        Ok(Schedule::open(world, ending, FRAMES_A_SECOND)?.saying(frame))
    })
}

fn frame(words: &mut Words<'_>) -> Vec<u8> {
    // Where a recording has no sample the finger is out.
    let pulse = words.pulse();
    let out = u8::from(pulse.is_none()) << 4;
    let pulse = pulse.unwrap_or(0.0);
    let byte = |value: f64, highest| u8::try_from(steps(value, 0, highest)).unwrap_or(0);
    let rate = u8::try_from(words.patient.heart_rate.min(254)).unwrap_or(254);
    let spo2 = u8::try_from(words.patient.spo2.min(100)).unwrap_or(100);
    [
        1 << 7 | out | STRENGTH,
        byte(10.0 + 90.0 * pulse, 127),
        rate >> 7 << 6 | byte(15.0 * pulse, 15),
        rate & 0x7f,
        spo2,
    ]
    .to_vec()
}

const FRAMES_A_SECOND: u32 = 60;
const STRENGTH: u8 = 8;
