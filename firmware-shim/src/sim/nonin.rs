//! Nonin oximeters at byte level: data formats 2, 7, 8 and 13 on a real pseudo terminal.

use super::World;
use super::pace::steps;
use super::serial::{Saying, Schedule, Words, simulated};
use super::source::Ending;
use crate::device::{Device, Fault};
use crate::drivers::nonin::{FRAMES, Format8, Format13, Layout, Packets};

/// A Nonin oximeter on a simulated serial line, sending data format 2, 7, 8 or 13; 2 for any other number.
#[must_use]
pub fn nonin(world: &World, format: u8) -> Box<dyn Device> {
    match format {
        7 => packets(world, Layout::Format7),
        8 => {
            let make = |world: &World, ending: &Ending| once_a_second(world, ending, format8);
            simulated(world, Format8::default(), make)
        }
        13 => {
            let make = |world: &World, ending: &Ending| once_a_second(world, ending, format13);
            simulated(world, Format13::default(), make)
        }
        _ => packets(world, Layout::Format2),
    }
}

fn packets(world: &World, layout: Layout) -> Box<dyn Device> {
    simulated(world, Packets::new(layout), move |world, ending| {
        let schedule = Schedule::open(world, ending, FRAMES_A_SECOND)?;
        Ok(schedule.saying(move |words| frame(layout, words)))
    })
}

fn once_a_second(world: &World, ending: &Ending, say: Say) -> Result<Saying<Say>, Fault> {
    Ok(Schedule::open(world, ending, 1)?.saying(say))
}

/// One frame of a packet.
fn frame(layout: Layout, words: &mut Words<'_>) -> Vec<u8> {
    let place = words.number % FRAMES as u64;
    let [.., high, low] = words
        .patient
        .heart_rate
        .min(HIGHEST_HEART_RATE)
        .to_be_bytes();
    let other = match place {
        0 => high << 1 | low >> 7,
        1 => low & 0x7f,
        2 => spo2(words),
        3 => FIRMWARE,
        _ => 0,
    };
    // Where a recording has no sample the sensor is off.
    let pulse = words.pulse();
    let disconnected = if pulse.is_none() {
        SENSOR_DISCONNECTED
    } else {
        0
    };
    let status = ALWAYS | disconnected | u8::from(place == 0);
    let pulse = FOOT + HEIGHT * pulse.unwrap_or(0.0);
    let [first, second, third] = match layout {
        Layout::Format2 => {
            let pleth = u8::try_from(steps(pulse, 0, 254)).unwrap_or(0);
            [1, status, pleth]
        }
        Layout::Format7 => {
            let pleth = u16::try_from(steps(pulse * 256.0, 0, 65_534)).unwrap_or(0);
            let [high, low] = pleth.to_be_bytes();
            [status, high, low]
        }
    };
    let frame = [first, second, third, other];
    let sum = frame.into_iter().fold(0, u8::wrapping_add);
    [first, second, third, other, sum].to_vec()
}

fn format8(words: &mut Words<'_>) -> Vec<u8> {
    let off = words.pulse().is_none();
    let [.., high, low] = words
        .patient
        .heart_rate
        .min(HIGHEST_HEART_RATE)
        .to_be_bytes();
    let status = ALWAYS | u8::from(off) << 6 | high << 1 | low >> 7;
    [status, low & 0x7f, spo2(words), 0].to_vec()
}

fn format13(words: &mut Words<'_>) -> Vec<u8> {
    let off = words.pulse().is_none();
    let [.., high, low] = words
        .patient
        .heart_rate
        .min(HIGHEST_HEART_RATE)
        .to_be_bytes();
    let [hour, minute, second] = words.time_of_day();
    let data = [
        20,
        26,
        1,
        1,
        hour,
        minute,
        second,
        0,
        u8::from(off),
        0,
        high,
        low,
        0,
        spo2(words),
    ];
    let sum = data.into_iter().fold(0, u8::wrapping_add);
    let mut bytes = vec![0, 2, 0, 13, 0, 14];
    bytes.extend(data);
    bytes.extend([sum, 3]);
    bytes
}

fn spo2(words: &Words<'_>) -> u8 {
    u8::try_from(words.patient.spo2.min(100)).unwrap_or(100)
}

type Say = fn(&mut Words<'_>) -> Vec<u8>;

const FRAMES_A_SECOND: u32 = 75;
const HIGHEST_HEART_RATE: u32 = 321;
const FIRMWARE: u8 = 0x30;
const ALWAYS: u8 = 1 << 7;
const SENSOR_DISCONNECTED: u8 = 1 << 6;
/// The pleth at the foot of a pulse, and the height of a pulse.
const FOOT: f64 = 20.0;
const HEIGHT: f64 = 180.0;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::reading::{Body, Decimal, Reading};
    use crate::sim::pace::Pace;
    use crate::sim::patient::Physiology;
    use crate::sim::testing::{Hand, samples, world};

    #[test]
    fn the_driver_reads_saturation_pulse_rate_and_wave_from_the_terminal() {
        let hand = Hand::default();
        let mut world = world(&hand);
        world.patient.heart_rate = 256;
        let mut device = nonin(&world, 2);
        device.start().unwrap();
        hand.advance(Duration::from_secs(10));
        // The last of 30 packets is confirmed by the next.
        let readings = poll_until(device.as_mut(), |readings| values(readings, 0).len() >= 29);
        assert_eq!(values(&readings, 0), vec![Decimal::new(97, 0); 29]);
        assert_eq!(values(&readings, 1), vec![Decimal::new(256, 0); 29]);
        let pleth = samples(&readings, 2);
        assert_eq!(pleth.len(), 29 * 25);
        let mut body = Physiology::of(&world);
        let pace = Pace::at_rate(Duration::ZERO, 75);
        for (number, value) in (0..).zip(pleth) {
            let pulse = body.pulse(pace.time(number) - Duration::from_nanos(1));
            assert_eq!(
                value,
                steps(20.0 + 180.0 * pulse, 0, 254),
                "sample {number}"
            );
        }
    }

    #[test]
    fn a_restart_opens_the_same_line_again() {
        let hand = Hand::default();
        let mut device = nonin(&world(&hand), 2);
        for _ in 0..3 {
            device.start().unwrap();
            hand.advance(Duration::from_secs(2));
            let readings = poll_until(device.as_mut(), |readings| values(readings, 0).len() >= 4);
            assert!(
                values(&readings, 0)
                    .iter()
                    .all(|spo2| *spo2 == Decimal::new(97, 0))
            );
        }
    }

    #[test]
    fn the_writer_has_ended_when_the_device_is_dropped() {
        let hand = Hand::default();
        let mut device = nonin(&world(&hand), 2);
        device.start().unwrap();
        // More than the terminal holds, and nobody reads.
        hand.advance(Duration::from_secs(600));
        assert!(hand.holders() > 1);
        drop(device);
        assert_eq!(hand.holders(), 1);
    }

    /// Polls until enough has come, then gives out the rest; fails after half a minute.
    fn poll_until(device: &mut dyn Device, enough: impl Fn(&[Reading]) -> bool) -> Vec<Reading> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut readings = Vec::new();
        while !enough(&readings) {
            assert!(Instant::now() < deadline, "too few readings: {readings:?}");
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        readings
    }

    fn values(readings: &[Reading], stream: usize) -> Vec<Decimal> {
        let of_stream = readings.iter().filter(|reading| reading.stream == stream);
        of_stream
            .map(|reading| match reading.body {
                Body::Numeric { value, .. } => value,
                Body::Samples { .. } | Body::Absent { .. } | Body::Alarm { .. } => {
                    panic!("{reading:?}")
                }
            })
            .collect()
    }
}
