//! Health devices on Bluetooth at byte level: each sends the values of one characteristic, as the GATT
//! Specification Supplement lays them out.
//!
//! There is no radio here: a value is there when the schedule says so. A device that is unplugged, or acknowledges
//! nothing, breaks the link, as the supervision of a real link does; what it measures meanwhile is not kept.

use std::time::Duration;

use super::World;
use super::bus::Simulated;
use super::pace::steps;
use super::serial::{Schedule, Words};
use super::source::Ending;
use super::wires::Broken;
use crate::device::{Device, Fault, FaultKind};
use crate::drivers::Port;
use crate::drivers::ble::{Characteristic, Notifications, Receiver};

/// A device that notifies one characteristic: once a second if it measures all the time, else every ten seconds.
#[must_use]
pub fn bluetooth(world: &World, characteristic: Characteristic) -> Box<dyn Device> {
    let ending = Ending::default();
    let air = Air {
        world: world.clone(),
        ending: ending.clone(),
        characteristic,
    };
    let device = Receiver::new(air, characteristic);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

/// What lies between the host and the device.
struct Air {
    world: World,
    ending: Ending,
    characteristic: Characteristic,
}

/// A connected device.
struct Peripheral {
    schedule: Schedule,
    characteristic: Characteristic,
}

impl Port for Air {
    type Bus = Peripheral;

    fn name(&self) -> String {
        "sim".to_owned()
    }

    fn open(&mut self) -> Result<Peripheral, Fault> {
        let cycle = if self.characteristic.is_continuous() {
            SECOND
        } else {
            BETWEEN_MEASUREMENTS
        };
        let mut schedule = Schedule::every(&self.world, &self.ending, cycle)?;
        let broken = |broken| fault(broken, "does not answer, is it on and near?");
        schedule.wires().answers().map_err(broken)?;
        Ok(Peripheral {
            schedule,
            characteristic: self.characteristic,
        })
    }
}

impl Notifications for Peripheral {
    fn take(&mut self, value: &mut Vec<u8>) -> Result<bool, Fault> {
        let broken = |broken| fault(broken, "has disconnected");
        self.schedule.wires().answers().map_err(broken)?;
        let Some(mut words) = self.schedule.next() else {
            return Ok(false);
        };
        value.clear();
        match self.characteristic {
            Characteristic::PlxSpotCheck => spot_check(&mut words, value),
            Characteristic::PlxContinuous => continuous(&mut words, value),
            Characteristic::Temperature => temperature(&mut words, value),
            Characteristic::BloodPressure => pressure(&mut words, value),
            Characteristic::HeartRate => heart_rate(&mut words, value),
            Characteristic::Weight => weight(&mut words, value),
            Characteristic::Glucose => glucose(&mut words, value),
        }
        Ok(true)
    }
}

fn fault(broken: Broken, why: &str) -> Fault {
    match broken {
        Broken::NoAcknowledge => Fault::new(FaultKind::Unopened, format!("sim: the device {why}")),
        Broken::Stuck => Fault::new(FaultKind::Bus, "sim: the Bluetooth adapter is stuck"),
    }
}

fn spot_check(words: &mut Words<'_>, value: &mut Vec<u8>) {
    // With time and the device's status.
    value.push(1 << 0 | 1 << 2);
    let on = saturation(words, value);
    time(words, value);
    value.extend(sensor(on));
}

fn continuous(words: &mut Words<'_>, value: &mut Vec<u8>) {
    // With the device's status and the perfusion index.
    value.push(1 << 3 | 1 << 4);
    let on = saturation(words, value);
    value.extend(sensor(on));
    sfloat(on.then_some((25, -1)), value);
}

/// SpO2 and pulse rate. Whether the sensor is on.
fn saturation(words: &mut Words<'_>, value: &mut Vec<u8>) -> bool {
    let on = words.pulse().is_some();
    for number in [words.patient.spo2, words.patient.heart_rate] {
        sfloat(on.then_some((number, 0)), value);
    }
    on
}

/// The device and sensor status of an oximeter: nothing to remark, or the sensor is disconnected.
const fn sensor(on: bool) -> [u8; 3] {
    if on { [0; 3] } else { [0, 1 << 3, 0] }
}

fn temperature(words: &mut Words<'_>, value: &mut Vec<u8>) {
    // In degrees Celsius, with time, from the mouth.
    value.push(1 << 1 | 1 << 2);
    // FLOAT: 24 bits of mantissa, then the power of ten.
    let [low, middle, high, _] = match words.pulse() {
        Some(_) => words.millicelsius().to_le_bytes(),
        None => NOT_A_NUMBER_24,
    };
    let exponent: i8 = if words.pulse().is_some() { -3 } else { 0 };
    value.extend([low, middle, high, exponent.cast_unsigned()]);
    time(words, value);
    value.push(MOUTH);
}

fn pressure(words: &mut Words<'_>, value: &mut Vec<u8>) {
    // In millimetres of mercury, with time and pulse rate.
    value.push(1 << 1 | 1 << 2);
    let on = words.pulse().is_some();
    for number in [SYSTOLIC, DIASTOLIC, MEAN] {
        sfloat(on.then_some((number, 0)), value);
    }
    time(words, value);
    sfloat(on.then_some((words.patient.heart_rate, 0)), value);
}

fn heart_rate(words: &mut Words<'_>, value: &mut Vec<u8>) {
    let rate = u16::try_from(words.patient.heart_rate).unwrap_or(u16::MAX);
    let contact = u8::from(words.pulse().is_some()) << 1;
    // Contact is looked for; one interval between beats, in 1024ths of a second.
    let flags = contact | 1 << 2 | 1 << 4;
    match u8::try_from(rate) {
        Ok(rate) => value.extend([flags, rate]),
        Err(_) => {
            value.push(flags | 1);
            value.extend(rate.to_le_bytes());
        }
    }
    let interval = 60 * 1024 / u32::from(rate.max(1));
    let interval = u16::try_from(interval).unwrap_or(u16::MAX);
    value.extend(interval.to_le_bytes());
}

fn weight(words: &mut Words<'_>, value: &mut Vec<u8>) {
    // In kilograms, with time.
    value.push(1 << 1);
    let steps = if words.pulse().is_some() {
        FIVE_GRAMS
    } else {
        u16::MAX
    };
    value.extend(steps.to_le_bytes());
    time(words, value);
}

fn glucose(words: &mut Words<'_>, value: &mut Vec<u8>) {
    let on = words.pulse().is_some();
    value.push(if on { 1 << 1 } else { 0 });
    let number = u16::try_from(words.number).unwrap_or(u16::MAX);
    value.extend(number.to_le_bytes());
    time(words, value);
    if on {
        // Kilograms a litre: 95 mg/dl are 95e-5 kg/l. Capillary whole blood of a finger.
        sfloat(Some((95, -5)), value);
        value.push(1 << 4 | 1);
    }
}

/// 2026-01-01, and the time since the device was switched on at midnight.
fn time(words: &Words<'_>, value: &mut Vec<u8>) {
    value.extend(2026_u16.to_le_bytes());
    value.extend([1, 1]);
    value.extend(words.time_of_day());
}

/// SFLOAT: 12 bits of mantissa, 4 bits of exponent, both two's complement.
fn sfloat(number: Option<(u32, i8)>, value: &mut Vec<u8>) {
    let raw = number.map_or(NOT_A_NUMBER, |(mantissa, exponent)| {
        let mantissa = steps(f64::from(mantissa), 0, HIGHEST_MANTISSA);
        let mantissa = u16::try_from(mantissa).unwrap_or(NOT_A_NUMBER);
        mantissa | u16::from(exponent.cast_unsigned()) << 12
    });
    value.extend(raw.to_le_bytes());
}

const SECOND: Duration = Duration::from_secs(1);
const BETWEEN_MEASUREMENTS: Duration = Duration::from_secs(10);
const NOT_A_NUMBER: u16 = 0x07ff;
const NOT_A_NUMBER_24: [u8; 4] = [0xff, 0xff, 0x7f, 0];
const HIGHEST_MANTISSA: i32 = 0x7fd;
const MOUTH: u8 = 6;
const SYSTOLIC: u32 = 121;
const DIASTOLIC: u32 = 78;
const MEAN: u32 = 92;
/// 72.5 kg.
const FIVE_GRAMS: u16 = 14_500;

#[cfg(test)]
mod tests;
