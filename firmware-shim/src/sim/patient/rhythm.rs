//! When the heart beats: a function of the seed and the number of the beat, so that no order of asking matters.
//!
//! The sinus node's rate varies as in P. E. McSharry et al. (IEEE Trans Biomed Eng 50(3):289-294, 2003): two
//! Gaussian bands, Mayer waves at 0.1 Hz and breathing at 0.25 Hz, of half as much power in the lower; here as
//! sums of sines with random phases. The mean rate is exact. A scenario's episodes move beats, change their
//! kind or leave them out.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use crate::sim::random::{mix, unit};
use crate::sim::scenario::{Episode, Scenario};

/// The rhythm of a heart.
#[derive(Debug, Clone)]
pub(super) struct Rhythm {
    seed: u64,
    scenario: Arc<Scenario>,
    /// Beats a second.
    rate: f64,
    waves: [Wave; WAVES],
    /// The beat of the last question and its neighbours.
    near: Option<[Beat; 3]>,
}

/// One beat; its R wave stands in the middle of its natural length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beat {
    number: i64,
    /// In seconds.
    pub(super) begin: f64,
    /// When the next one begins.
    pub(super) end: f64,
    /// How long its waves take. The heart rests for what is left.
    pub(super) natural: f64,
    /// How long the heart could fill: the length of the beat before.
    pub(super) filling: f64,
    pub(super) kind: Kind,
}

/// What kind of beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From the sinus node.
    Sinus,
    /// From a ventricle, too early.
    Premature,
    /// Through fibrillating atria.
    Fibrillating,
}

/// A sine of the sinus node's variation.
#[derive(Debug, Clone, Copy)]
struct Wave {
    frequency: f64,
    /// Of the rate, relative.
    depth: f64,
    offset: f64,
}

impl Rhythm {
    /// A heart of so many beats a minute, that breathes from this place of a breath on.
    pub(super) fn new(rate: u32, seed: u64, breath_offset: f64, scenario: Arc<Scenario>) -> Self {
        let mut number = 0;
        let mut waves = [Wave {
            frequency: 1.0,
            depth: 0.0,
            offset: 0.0,
        }; WAVES];
        let bands = [(MAYER, LOW_DEPTH), (BREATHING, HIGH_DEPTH)];
        let steps = bands
            .into_iter()
            .flat_map(|band| SPREAD.map(|step| (band, step)));
        for (wave, ((centre, depth), step)) in waves.iter_mut().zip(steps) {
            number += 1;
            let random = unit(mix(seed ^ mix(PHASES + number)));
            *wave = Wave {
                frequency: centre + step * BAND,
                // The share of a Gaussian band; the weights' squares sum up to about one.
                depth: depth * 0.75 * (-step * step / 4.0).exp(),
                offset: if step == 0.0 && centre == BREATHING {
                    breath_offset
                } else {
                    random
                },
            };
        }
        Self {
            seed,
            scenario,
            rate: f64::from(rate) / 60.0,
            waves,
            near: None,
        }
    }

    /// The mean length of a beat in seconds.
    pub(super) fn nominal(&self) -> f64 {
        1.0 / self.rate
    }

    /// The beat at a time, between the one before and the one after.
    pub(super) fn around(&mut self, seconds: f64) -> [Beat; 3] {
        if let Some(near) = self.near
            && let [_, now, _] = near
            && now.begin <= seconds
            && seconds < now.end
        {
            return near;
        }
        let mut number = floor(self.sinus(seconds)) + 1;
        while !self.beats(number) || self.begin(number) > seconds {
            number -= 1;
        }
        loop {
            let next = self.neighbour(number, 1);
            if self.begin(next) > seconds {
                break;
            }
            number = next;
        }
        let near = [
            self.beat(self.neighbour(number, -1)),
            self.beat(number),
            self.beat(self.neighbour(number, 1)),
        ];
        self.near = Some(near);
        near
    }

    fn beat(&self, number: i64) -> Beat {
        let begin = self.begin(number);
        let end = self.begin(self.neighbour(number, 1));
        Beat {
            number,
            begin,
            end,
            natural: (end - begin).min(self.nominal()),
            filling: begin - self.begin(self.neighbour(number, -1)),
            kind: self.kind(number),
        }
    }

    /// The nearest beat in a direction that is not left out.
    fn neighbour(&self, number: i64, step: i64) -> i64 {
        let mut number = number + step;
        while !self.beats(number) {
            number += step;
        }
        number
    }

    fn beats(&self, number: i64) -> bool {
        !self.scenario.has(time(self.place(number)), Episode::Pause)
    }

    fn kind(&self, number: i64) -> Kind {
        let time = time(self.place(number));
        for episode in self.scenario.episodes_at(time) {
            match episode {
                Episode::AtrialFibrillation => return Kind::Fibrillating,
                // Never two in a row: the heart needs the pause after the first.
                Episode::PrematureBeats { one_in }
                    if self.draw(number).is_multiple_of(one_in.max(1).into())
                        && number.rem_euclid(2) == 0 =>
                {
                    return Kind::Premature;
                }
                Episode::PrematureBeats { .. } | Episode::Pause | Episode::Motion => {}
            }
        }
        Kind::Sinus
    }

    fn begin(&self, number: i64) -> f64 {
        let moved = match self.kind(number) {
            Kind::Sinus => 0.0,
            Kind::Premature => -0.35,
            Kind::Fibrillating => 0.7 * (unit(mix(self.draw(number))) - 0.5),
        };
        self.place(number) + moved * self.nominal()
    }

    fn draw(&self, number: i64) -> u64 {
        mix(self.seed ^ mix(BEATS ^ number.cast_unsigned()))
    }

    /// When the sinus node gives a beat: its phase is solved for the time, which never runs backwards.
    fn place(&self, number: i64) -> f64 {
        let wanted = real(number);
        let mut seconds = wanted / self.rate;
        for _ in 0..STEPS {
            seconds -= (self.sinus(seconds) - wanted) / self.rate;
        }
        seconds
    }

    /// Beats of the sinus node since time 0.
    fn sinus(&self, seconds: f64) -> f64 {
        let swing: f64 = self
            .waves
            .iter()
            .map(|wave| {
                let turns = wave.frequency * seconds + wave.offset;
                wave.depth / (TAU * wave.frequency) * (TAU * turns).sin()
            })
            .sum();
        self.rate * (seconds + swing)
    }
}

impl Beat {
    /// Where in its waves a beat is: 0 at its begin, 1 from the end of its waves on.
    pub(super) fn phase(&self, seconds: f64) -> f64 {
        ((seconds - self.begin) / self.natural).clamp(0.0, 1.0)
    }

    /// When its R wave stands.
    pub(super) fn r_wave(&self) -> f64 {
        self.begin + self.natural / 2.0
    }
}

fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "beats of any run are far fewer than an i64 counts"
)]
fn floor(beats: f64) -> i64 {
    beats.floor() as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beats of any run are far fewer than 53 bits count"
)]
const fn real(number: i64) -> f64 {
    number as f64
}

/// Sines of a band, in widths of the band from its centre.
const SPREAD: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];
const WAVES: usize = 2 * SPREAD.len();
const MAYER: f64 = 0.1;
pub(super) const BREATHING: f64 = 0.25;
/// The width of both bands, in Hz.
const BAND: f64 = 0.01;
/// Relative variation of the rate: 3 % together, half as much power in the lower band.
const LOW_DEPTH: f64 = 0.025;
const HIGH_DEPTH: f64 = 0.035;
/// Fixed-point steps; each makes the error 20 times smaller.
const STEPS: usize = 12;
const PHASES: u64 = 0x7068_6173_6500;
const BEATS: u64 = 0x6265_6174;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::Timed;

    fn rhythm(episode: Option<Episode>) -> Rhythm {
        let episodes = episode.into_iter().map(|what| Timed {
            at: Duration::from_secs(60),
            lasting: Duration::from_secs(60),
            what,
        });
        let scenario = Scenario {
            episodes: episodes.collect(),
            ..Scenario::default()
        };
        Rhythm::new(60, 7, 0.25, Arc::new(scenario))
    }

    /// The lengths of the beats that begin in a time.
    fn lengths(rhythm: &mut Rhythm, from: f64, to: f64) -> Vec<(f64, Kind)> {
        let mut beats = Vec::new();
        let mut seconds = from;
        while seconds < to {
            let [_, now, next] = rhythm.around(seconds);
            assert!(now.end > now.begin && (now.end - next.begin).abs() < 1e-9);
            beats.push((now.end - now.begin, now.kind));
            seconds = now.end;
        }
        beats
    }

    #[test]
    fn the_sinus_rhythm_varies_a_little_and_keeps_its_mean() {
        let beats = lengths(&mut rhythm(None), 0.0, 600.0);
        assert!(beats.len().abs_diff(600) <= 1, "{}", beats.len());
        let spread = beats.iter().map(|(length, _)| (length - 1.0).abs());
        let spread = spread.sum::<f64>() / 600.0;
        assert!((0.01..0.06).contains(&spread), "{spread}");
    }

    #[test]
    fn the_same_beats_are_found_in_any_order_of_asking() {
        let mut forwards = rhythm(Some(Episode::AtrialFibrillation));
        let mut backwards = forwards.clone();
        let there: Vec<_> = (0..2000)
            .map(|step| forwards.around(f64::from(step) * 0.1))
            .collect();
        let back = (0..2000)
            .rev()
            .map(|step| backwards.around(f64::from(step) * 0.1));
        assert_eq!(
            there,
            back.collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_premature_beat_comes_early_and_a_pause_follows_it() {
        let mut rhythm = rhythm(Some(Episode::PrematureBeats { one_in: 3 }));
        let beats = lengths(&mut rhythm, 58.0, 122.0);
        let premature = beats.windows(2).filter(|pair| pair[1].1 == Kind::Premature);
        let pairs: Vec<_> = premature.map(|pair| (pair[0].0, pair[1].0)).collect();
        assert!(pairs.len() >= 3, "{pairs:?}");
        for (before, after) in pairs {
            assert!(before < 0.75 && after > 1.25, "{before} {after}");
        }
    }

    #[test]
    fn fibrillation_makes_every_interval_different() {
        let beats = lengths(&mut rhythm(Some(Episode::AtrialFibrillation)), 62.0, 118.0);
        let mean = beats.iter().map(|beat| beat.0).sum::<f64>() / 56.0;
        let spread = beats.iter().map(|beat| (beat.0 - mean).abs()).sum::<f64>() / 56.0;
        assert!(spread > 0.12, "{spread}");
        assert!(beats.iter().all(|beat| beat.1 == Kind::Fibrillating));
    }

    #[test]
    fn a_pause_has_no_beat_and_ends() {
        let mut rhythm = rhythm(None);
        rhythm.scenario = Arc::new(Scenario {
            episodes: vec![Timed {
                at: Duration::from_secs(30),
                lasting: Duration::from_secs(4),
                what: Episode::Pause,
            }],
            ..Scenario::default()
        });
        let beats = lengths(&mut rhythm, 0.0, 60.0);
        let longest = beats.iter().map(|beat| beat.0).fold(0.0, f64::max);
        assert!((4.0..6.1).contains(&longest), "{longest}");
        assert_eq!(beats.iter().filter(|beat| beat.0 > 1.3).count(), 1);
    }
}
