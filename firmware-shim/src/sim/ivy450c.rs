//! An Ivy 450C monitor at byte level: a packet of waves and lines a second.

use std::time::Duration;

use super::World;
use super::pace::steps;
use super::serial::{Schedule, Words, simulated};
use crate::device::Device;
use crate::drivers::ivy450c::Ivy450c;

/// An Ivy 450C on a simulated serial line. All its waves are the pulse wave; the last transducer is missing.
#[must_use]
pub fn ivy450c(world: &World) -> Box<dyn Device> {
    simulated(world, Ivy450c::default(), |world, ending| {
        Ok(Schedule::open(world, ending, 1)?.saying(packet))
    })
}

fn packet(words: &mut Words<'_>) -> Vec<u8> {
    let mut bytes = b"\xfe\xffANSAR-B ".to_vec();
    for samples in [200, 50, 50, 50] {
        for sample in 0..samples {
            let earlier = Duration::from_secs(1) * (samples - 1 - sample) / samples;
            let pulse = words.pulse_before(earlier);
            let sample = pulse.map(|pulse| steps(20.0 + 180.0 * pulse, 0, 250));
            bytes.push(sample.map_or(NO_TRANSDUCER, |sample| u8::try_from(sample).unwrap_or(0)));
        }
    }
    bytes.extend([NO_TRANSDUCER; 50]);
    let on = words.pulse().is_some();
    let said = |number: u32| {
        if on {
            number.to_string()
        } else {
            "---".to_owned()
        }
    };
    let (rate, spo2) = (said(words.patient.heart_rate), said(words.patient.spo2));
    let text = format!(
        "HR=1;{rate};ECG-II-DIAG;\rRR=1;15;APNEA: 20 SEC;\rETCO2=1;;;\rSPO2=1;{spo2};PR={rate} ;\r\
         NIBP=4;121;75;92;{};;\rP1=3;111;73;88;;\rP2=3;;;;NO TRANSDUCER;\rT1=1;;;\rT2=1;;;\r",
        words.patient.heart_rate
    );
    bytes.extend(text.into_bytes());
    bytes
}

const NO_TRANSDUCER: u8 = 0xfb;
