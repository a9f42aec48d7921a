//! The simulated patient's signals, each a function of time: the same seed and time give the same value.
//!
//! The ECG is the sum of five Gaussians over the phase of the beat, with the angles and widths of
//! P. E. McSharry et al., "A dynamical model for generating synthetic electrocardiogram signals", IEEE
//! Trans Biomed Eng 50(3):289-294, 2003, in closed form; amplitudes are those usual in leads I and II.
//! Breathing speeds the heart up and down by 3 % and moves the pulse wave. The mean rate is exact.

use std::f64::consts::{PI, TAU};
use std::time::Duration;

use super::Patient;

/// A patient's signals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Physiology {
    patient: Patient,
    seed: u64,
    /// Where breathing and drift stand at time 0, in turns.
    breath_offset: f64,
    drift_offset: f64,
}

/// A lead of the ECG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    I,
    II,
}

impl Physiology {
    pub(super) fn new(patient: Patient, seed: u64) -> Self {
        Self {
            patient,
            seed,
            breath_offset: unit(mix(seed ^ 1)),
            drift_offset: unit(mix(seed ^ 2)),
        }
    }

    /// Electrical potential of a lead in millivolts.
    pub(super) fn ecg(&self, time: Duration, lead: Lead) -> f64 {
        let angle = TAU * (self.phase(time).rem_euclid(1.0) - 0.5);
        let waves: f64 = WAVES
            .iter()
            .map(|(centre, width, lead_i, lead_ii)| {
                let height = match lead {
                    Lead::I => lead_i,
                    Lead::II => lead_ii,
                };
                // the nearest turn of the circle, so that a wave may reach over the end of a beat
                let distance = (angle - centre + PI).rem_euclid(TAU) - PI;
                height * bell(distance, *width)
            })
            .sum();
        waves + 0.03 * self.breath(time) + 0.005 * self.noise(time, 3)
    }

    /// The pulse wave at the finger: 0 at its foot, about 1 at its peak, with the dicrotic notch.
    pub(super) fn pulse(&self, time: Duration) -> f64 {
        let phase = (self.phase(time) - 0.5 - PULSE_DELAY).rem_euclid(1.0);
        let wave: f64 = [-1.0, 0.0, 1.0]
            .iter()
            .map(|turn| bell(phase - 0.2 + turn, 0.08) + 0.45 * bell(phase - 0.5 + turn, 0.1))
            .sum();
        wave * (1.0 + 0.05 * self.breath(time)) + 0.01 * self.noise(time, 4)
    }

    /// Body temperature in degrees Celsius: a slow drift of a tenth of a degree.
    pub(super) fn temperature(&self, time: Duration) -> f64 {
        let drift = (TAU * (time.as_secs_f64() / DRIFT_SECONDS + self.drift_offset)).sin();
        f64::from(self.patient.temperature_millicelsius) / 1000.0 + 0.1 * drift
    }

    /// Red over infrared pulsation that the textbook calibration reads as the patient's saturation
    /// (`SpO2 = 110 - 25 R`).
    pub(super) fn red_ratio(&self) -> f64 {
        (110.0 - f64::from(self.patient.spo2)) / 25.0
    }

    /// Heart beats since time 0; the R wave stands in the middle of a beat.
    fn phase(&self, time: Duration) -> f64 {
        let frequency = f64::from(self.patient.heart_rate) / 60.0;
        let swing = frequency * 0.03 / (TAU * BREATHS_PER_SECOND);
        frequency * time.as_secs_f64() + swing * self.breath(time)
    }

    fn breath(&self, time: Duration) -> f64 {
        (TAU * (time.as_secs_f64() * BREATHS_PER_SECOND + self.breath_offset)).sin()
    }

    /// Between -1 and 1, another at every nanosecond and for every purpose.
    fn noise(&self, time: Duration, purpose: u64) -> f64 {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        2.0 * unit(mix(self
            .seed
            .wrapping_add(mix(nanoseconds ^ purpose << 60))))
            - 1.0
    }
}

fn bell(distance: f64, width: f64) -> f64 {
    (-distance * distance / (2.0 * width * width)).exp()
}

/// The output step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

/// The upper 32 bits, from 0 to below 1.
fn unit(bits: u64) -> f64 {
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// P, Q, R, S, T: angle and width in radians, height in leads I and II in millivolts.
const WAVES: [(f64, f64, f64, f64); 5] = [
    (-PI / 3.0, 0.25, 0.08, 0.12),
    (-PI / 12.0, 0.1, -0.06, -0.12),
    (0.0, 0.1, 0.65, 1.1),
    (PI / 12.0, 0.1, -0.15, -0.25),
    (PI / 2.0, 0.4, 0.2, 0.3),
];
const BREATHS_PER_SECOND: f64 = 0.25;
/// From the R wave to the foot of the pulse at the finger, in beats.
const PULSE_DELAY: f64 = 0.15;
const DRIFT_SECONDS: f64 = 1800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_values_and_another_seed_others() {
        let patient = Patient {
            heart_rate: 72,
            spo2: 97,
            temperature_millicelsius: 36_600,
        };
        let values = |seed| {
            let body = Physiology::new(patient, seed);
            (0..100)
                .map(|step| {
                    let time = Duration::from_millis(40 * step);
                    let all = [
                        body.ecg(time, Lead::I),
                        body.pulse(time),
                        body.temperature(time),
                    ];
                    all.map(f64::to_bits)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }

    #[test]
    fn the_pulse_has_a_dicrotic_notch() {
        let patient = Patient {
            heart_rate: 60,
            spo2: 97,
            temperature_millicelsius: 36_600,
        };
        let body = Physiology::new(patient, 1);
        let beat: Vec<_> = (1000..2000)
            .map(|step| body.pulse(Duration::from_millis(step)))
            .collect();
        // averaged, for the noise
        let smooth: Vec<f64> = beat
            .windows(40)
            .map(|part| part.iter().sum::<f64>() / 40.0)
            .collect();
        let peaks = (40..smooth.len() - 40)
            .filter(|at| {
                let around = &smooth[at - 40..=at + 40];
                around.iter().all(|value| *value <= smooth[*at])
            })
            .count();
        assert_eq!(peaks, 2);
    }
}
