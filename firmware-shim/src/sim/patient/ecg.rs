//! The electrocardiogram by the dynamical model of P. E. McSharry, G. D. Clifford, L. Tarassenko and L. A. Smith,
//! "A dynamical model for generating synthetic electrocardiogram signals", IEEE Trans Biomed Eng
//! 50(3):289-294, 2003.
//!
//! A point runs around a circle once a beat; waves at fixed angles push the potential away from a baseline that
//! draws it back. On the circle itself the model's first two equations give the angle exactly, so only the
//! third is integrated, by fourth-order Runge-Kutta in steps of one millisecond. The push carries the angular
//! speed (as in R. Sameni et al., EURASIP J Adv Signal Process 2007:043407), which makes a wave's height its
//! own, at any heart rate. Steps lie at fixed times: what is read does not depend on when it is asked for.

use std::f64::consts::{PI, TAU};
use std::time::Duration;

use super::Lead;
use super::rhythm::{Kind, Rhythm};

/// The potential of both leads, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Ecg {
    rhythm: Rhythm,
    fresh: Rhythm,
    /// Milliseconds done.
    done: u64,
    before: [f64; LEADS],
    now: [f64; LEADS],
}

/// A wave: where on the circle, how wide in radians, how high in leads I and II in millivolts.
type Push = (f64, f64, [f64; LEADS]);

impl Ecg {
    /// The potential of a heart with this rhythm.
    pub(super) fn new(rhythm: Rhythm) -> Self {
        Self {
            fresh: rhythm.clone(),
            rhythm,
            done: 0,
            before: [0.0; LEADS],
            now: [0.0; LEADS],
        }
    }

    /// Millivolts of a lead over its baseline.
    pub(super) fn at(&mut self, time: Duration, lead: Lead) -> f64 {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if milliseconds + 1 < self.done {
            *self = Self::new(self.fresh.clone());
        }
        while self.done <= milliseconds {
            self.step();
        }
        let part = f64::from(time.subsec_nanos() % 1_000_000) / 1e6;
        let [one, two] = self.before.map(|value| value * (1.0 - part));
        let [one_now, two_now] = self.now.map(|value| value * part);
        match lead {
            Lead::I => one + one_now,
            Lead::II => two + two_now,
        }
    }

    fn step(&mut self) {
        let begin = seconds(self.done);
        let z = self.now;
        let k1 = self.slope(begin, z);
        let k2 = self.slope(begin + STEP / 2.0, along(z, k1, STEP / 2.0));
        let k3 = self.slope(begin + STEP / 2.0, along(z, k2, STEP / 2.0));
        let k4 = self.slope(begin + STEP, along(z, k3, STEP));
        self.before = z;
        for (slope, weight) in [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)] {
            self.now = along(self.now, slope, STEP * weight / 6.0);
        }
        self.done += 1;
    }

    /// The model's third equation, for both leads.
    fn slope(&mut self, seconds: f64, z: [f64; LEADS]) -> [f64; LEADS] {
        let [_, beat, _] = self.rhythm.around(seconds);
        let phase = beat.phase(seconds);
        let mut slope = z.map(|z| -z);
        if phase >= 1.0 {
            return slope;
        }
        let speed = TAU / beat.natural;
        let angle = TAU * phase - PI;
        for (centre, width, heights) in waves(beat.kind) {
            // the nearest turn of the circle, so that a wave may reach over the end of a beat
            let distance = (angle - centre + PI).rem_euclid(TAU) - PI;
            let spread = width * width;
            let push = -speed / spread * distance * (-distance * distance / (2.0 * spread)).exp();
            slope = along(slope, *heights, push);
        }
        slope
    }
}

fn along(from: [f64; LEADS], slope: [f64; LEADS], by: f64) -> [f64; LEADS] {
    let ([a, b], [da, db]) = (from, slope);
    [a + da * by, b + db * by]
}

/// Exact: whole milliseconds of any run fit the 53 bits of a float.
fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

const fn waves(kind: Kind) -> &'static [Push] {
    match kind {
        Kind::Sinus => &SINUS,
        Kind::Premature => &PREMATURE,
        Kind::Fibrillating => &FIBRILLATING,
    }
}

const LEADS: usize = 2;
const STEP: f64 = 0.001;

/// P, Q, R, S, T: angles and widths of the paper, heights usual in leads I and II.
const SINUS: [Push; 5] = [
    (-PI / 3.0, 0.25, [0.08, 0.12]),
    (-PI / 12.0, 0.1, [-0.06, -0.12]),
    (0.0, 0.1, [0.65, 1.1]),
    (PI / 12.0, 0.1, [-0.15, -0.25]),
    (PI / 2.0, 0.4, [0.2, 0.3]),
];
/// The atria do not contract as one: no P wave.
const FIBRILLATING: [Push; 4] = [
    (-PI / 12.0, 0.1, [-0.06, -0.12]),
    (0.0, 0.1, [0.65, 1.1]),
    (PI / 12.0, 0.1, [-0.15, -0.25]),
    (PI / 2.0, 0.4, [0.2, 0.3]),
];
/// A broad complex with no P wave before it and a T wave the other way.
const PREMATURE: [Push; 3] = [
    (0.0, 0.28, [1.1, 1.7]),
    (0.55, 0.2, [-0.3, -0.5]),
    (PI / 2.0, 0.45, [-0.3, -0.45]),
];
