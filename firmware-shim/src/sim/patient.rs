//! The simulated patient's signals: the same seed and time give the same value.
//!
//! One rhythm drives them all. The ECG is the dynamical model of McSharry et al. 2003; pulse wave and
//! arterial pressure follow each beat, weaker after a short filling; breathing moves the baseline, the pulse
//! and the heart's rate. Episodes of a scenario change rhythm and waves, and movement drowns them.

mod ecg;
mod rhythm;

use std::f64::consts::TAU;
use std::time::Duration;

use self::ecg::Ecg;
use self::rhythm::{BREATHING, Beat, Kind, Rhythm};
use super::random::{mix, unit};
use super::scenario::Episode;
use super::{Patient, World};

/// A patient's signals.
#[derive(Debug, Clone)]
pub(super) struct Physiology {
    world: World,
    rhythm: Rhythm,
    ecg: Ecg,
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
    /// The patient of a world.
    pub(super) fn of(world: &World) -> Self {
        let seed = world.seed;
        let breath_offset = unit(mix(seed ^ 1));
        let scenario = world.scenario.clone();
        let rhythm = Rhythm::new(world.patient.heart_rate, seed, breath_offset, scenario);
        Self {
            world: world.clone(),
            ecg: Ecg::new(rhythm.clone()),
            rhythm,
            breath_offset,
            drift_offset: unit(mix(seed ^ 2)),
        }
    }

    /// Electrical potential of a lead in millivolts.
    pub(super) fn ecg(&mut self, time: Duration, lead: Lead) -> f64 {
        let mut potential = self.ecg.at(time, lead) + 0.03 * self.breath(time);
        potential += 0.005 * self.noise(time, 3);
        let scenario = &self.world.scenario;
        if scenario.has(time, Episode::AtrialFibrillation) {
            potential += 0.05 * (TAU * FIBRILLATION * time.as_secs_f64()).sin();
        }
        if scenario.has(time, Episode::Motion) {
            potential += 0.8 * self.movement(time);
        }
        potential
    }

    /// The pulse wave at the finger: 0 at its foot, about 1 at its peak, with the dicrotic notch.
    pub(super) fn pulse(&mut self, time: Duration) -> f64 {
        let mut wave = self.beating(time) * (1.0 + 0.05 * self.breath(time));
        wave += 0.01 * self.noise(time, 4);
        if self.world.scenario.has(time, Episode::Motion) {
            wave += self.movement(time);
        }
        wave
    }

    /// Arterial pressure in millimetres of mercury.
    pub(super) fn pressure(&mut self, time: Duration) -> f64 {
        78.0 + 42.0 * self.beating(time) + 1.5 * self.breath(time) + 0.2 * self.noise(time, 5)
    }

    /// Body temperature in degrees Celsius: a slow drift of a tenth of a degree.
    pub(super) fn temperature(&self, time: Duration) -> f64 {
        let drift = (TAU * (time.as_secs_f64() / DRIFT_SECONDS + self.drift_offset)).sin();
        f64::from(self.world.patient.temperature_millicelsius) / 1000.0 + 0.1 * drift
    }

    /// What the beats around a time give to the pulse.
    fn beating(&mut self, time: Duration) -> f64 {
        let seconds = time.as_secs_f64();
        let nominal = self.rhythm.nominal();
        let beats = self.rhythm.around(seconds);
        let waves = beats.into_iter().map(|beat| {
            let phase = (seconds - beat.r_wave()) / beat.natural - PULSE_DELAY;
            let wave = bell(phase - 0.2, 0.08) + 0.45 * bell(phase - 0.5, 0.1);
            wave * strength(beat, nominal)
        });
        waves.sum()
    }

    fn breath(&self, time: Duration) -> f64 {
        (TAU * (time.as_secs_f64() * BREATHING + self.breath_offset)).sin()
    }

    /// What an arm that moves adds: slow sines of no common period, about -1 to 1.
    fn movement(&self, time: Duration) -> f64 {
        let parts = MOVEMENTS.iter().zip(10..).map(|(frequency, purpose)| {
            let offset = unit(mix(self.world.seed ^ purpose));
            (TAU * (frequency * time.as_secs_f64() + offset)).sin()
        });
        parts.sum::<f64>() / 2.0
    }

    /// Between -1 and 1, another at every nanosecond and for every purpose.
    fn noise(&self, time: Duration, purpose: u64) -> f64 {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bits = mix(nanoseconds ^ purpose << 60);
        2.0 * unit(mix(self.world.seed.wrapping_add(bits))) - 1.0
    }
}

impl Patient {
    /// Red over infrared pulsation that the textbook calibration reads as the patient's saturation
    /// (`SpO2 = 110 - 25 R`).
    pub(super) fn red_ratio(&self) -> f64 {
        (110.0 - f64::from(self.spo2)) / 25.0
    }
}

/// A heart that had less time to fill gives less; a premature beat finds it half empty.
fn strength(beat: Beat, nominal: f64) -> f64 {
    let filled = (beat.filling / nominal).clamp(0.3, 1.15);
    if beat.kind == Kind::Premature {
        0.6 * filled
    } else if (filled - 1.0).abs() < 0.15 {
        1.0
    } else {
        filled
    }
}

fn bell(distance: f64, width: f64) -> f64 {
    (-distance * distance / (2.0 * width * width)).exp()
}

/// From the R wave to the foot of the pulse at the finger, in beats.
const PULSE_DELAY: f64 = 0.15;
const DRIFT_SECONDS: f64 = 1800.0;
/// Waves of fibrillating atria a second.
const FIBRILLATION: f64 = 6.3;
const MOVEMENTS: [f64; 4] = [0.37, 0.83, 1.39, 2.71];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::{Scenario, Timed};
    use crate::sim::testing::{Hand, world};

    fn body(seed: u64, heart_rate: u32) -> Physiology {
        let mut world = world(&Hand::default());
        world.seed = seed;
        world.patient.heart_rate = heart_rate;
        Physiology::of(&world)
    }

    #[test]
    fn the_same_seed_gives_the_same_values_and_another_seed_others() {
        let values = |seed, step: u64| {
            let mut body = body(seed, 72);
            (0..4000 / step)
                .map(|number| {
                    let time = Duration::from_millis(step * number);
                    let all = [
                        body.ecg(time, Lead::I),
                        body.pulse(time),
                        body.pressure(time),
                        body.temperature(time),
                    ];
                    all.map(f64::to_bits)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(values(7, 40), values(7, 40));
        assert_ne!(values(7, 40), values(8, 40));
        // And however often it is asked.
        let fine = values(7, 8).into_iter().step_by(5);
        assert_eq!(values(7, 40), fine.collect::<Vec<_>>());
    }

    #[test]
    fn waves_are_as_high_at_any_heart_rate() {
        for heart_rate in [40, 72, 180] {
            let mut body = body(3, heart_rate);
            let beat = (5000..10_000).map(|ms| body.ecg(Duration::from_millis(ms), Lead::II));
            let highest = beat.fold(f64::MIN, f64::max);
            assert!((0.9..1.25).contains(&highest), "{heart_rate}: {highest}");
        }
    }

    #[test]
    fn the_pulse_has_a_dicrotic_notch() {
        let mut body = body(1, 60);
        let [_, beat, _] = body.rhythm.around(10.0);
        let begin = Duration::from_secs_f64(beat.r_wave() + 0.1);
        let beat: Vec<_> = (0..900)
            .map(|step| body.pulse(begin + Duration::from_millis(step)))
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

    #[test]
    fn movement_drowns_the_pulse_only_while_it_lasts() {
        let mut world = world(&Hand::default());
        let still = Physiology::of(&world);
        world.scenario = std::sync::Arc::new(Scenario {
            episodes: vec![Timed {
                at: Duration::from_secs(10),
                lasting: Duration::from_secs(5),
                what: Episode::Motion,
            }],
            ..Scenario::default()
        });
        let moving = Physiology::of(&world);
        let differs = |second: u64| {
            let (mut still, mut moving) = (still.clone(), moving.clone());
            (0..100).any(|step| {
                let time = Duration::from_millis(second * 1000 + step * 10);
                (still.pulse(time) - moving.pulse(time)).abs() > 0.3
            })
        };
        assert!([9, 10, 12, 14, 15].map(differs) == [false, true, true, true, false]);
    }
}
