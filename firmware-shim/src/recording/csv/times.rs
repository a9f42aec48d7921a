//! When the rows of a table were taken.

use crate::reading::Decimal;
use crate::recording::calibration::aligned;
use crate::wfdb::number;

/// The rate of a table, and the places of its rows.
#[derive(Debug)]
pub(super) struct Times {
    /// Samples a second: numerator and denominator.
    pub(super) rate: (u64, u64),
    /// How many samples, with those between the rows.
    pub(super) samples: u64,
    /// The place of each row; nothing when it is its number.
    pub(super) places: Option<Vec<u64>>,
}

impl Times {
    /// Rows without times.
    pub(super) fn rows(samples: u64, rate: (u64, u64)) -> Self {
        Self {
            rate,
            samples,
            places: None,
        }
    }

    /// Rows with times. If the rate is told, each row has the nearest place, and a place may have no row;
    /// else the first and the last time give the rate, and each row must be less than a quarter of
    /// a step off its place: one row left out puts others at least that far off.
    pub(super) fn read(
        column: &[Option<Decimal>],
        unit: &str,
        told: Option<(u64, u64)>,
    ) -> Result<Self, String> {
        let per_second = SECONDS.iter().find(|(name, _)| *name == unit);
        let Some((_, per_second)) = per_second else {
            return Err(format!("a time in {unit}: s, ms or us are read"));
        };
        let finest = column.iter().flatten().map(|time| time.exponent).min();
        let finest = finest.unwrap_or(0).min(0);
        let times = column.iter().zip(1_u64..).map(|(time, row)| {
            let ticks = time.and_then(|time| aligned(time, finest));
            ticks.ok_or_else(|| format!("row {row} has no time, or one of too many digits"))
        });
        let times: Vec<i64> = times.collect::<Result<_, _>>()?;
        let per_second = 10_u64
            .checked_pow(finest.unsigned_abs().into())
            .and_then(|ticks| ticks.checked_mul(*per_second))
            .ok_or("times of too many digits")?;
        let first = times.first().copied().unwrap_or(0);
        let since = |time: i64| u128::try_from(i128::from(time) - i128::from(first)).ok();
        let rate = match told {
            Some(rate) => Some(rate),
            None => times
                .last()
                .and_then(|last| u64::try_from(since(*last)?).ok())
                .filter(|span| *span > 0)
                .and_then(|span| number::times((per_second, span), times.len() as u64 - 1)),
        };
        let rate = rate.ok_or("the times of its rows do not give a rate")?;
        let mut places = Vec::with_capacity(times.len());
        for (time, row) in times.iter().zip(0_u64..) {
            let place = since(*time)
                .and_then(|since| nearest(since, per_second, rate))
                .ok_or_else(|| format!("row {} lies before the first row or too late", row + 1))?;
            if told.is_none() && !is_near(since(*time), row, per_second, rate) {
                return Err(format!(
                    "row {} is not where even steps would have it; if rows are left out, say `# rate = N` \
                     before the names",
                    row + 1
                ));
            }
            if places.last().is_some_and(|last| *last >= place) {
                return Err(format!(
                    "row {} comes at the time of the row before it",
                    row + 1
                ));
            }
            places.push(place);
        }
        let samples = places.last().map_or(0, |last| last + 1);
        let gapless = samples == places.len() as u64;
        Ok(Self {
            rate,
            samples,
            places: (!gapless).then_some(places),
        })
    }
}

fn nearest(since: u128, per_second: u64, (numerator, denominator): (u64, u64)) -> Option<u64> {
    let step = u128::from(per_second).checked_mul(denominator.into())?;
    let steps = since.checked_mul(numerator.into())?;
    u64::try_from(steps.checked_add(step / 2)? / step).ok()
}

/// Whether a time is less than a quarter of a step off a row's place.
fn is_near(
    since: Option<u128>,
    row: u64,
    per_second: u64,
    (numerator, denominator): (u64, u64),
) -> bool {
    let near = || {
        let step = u128::from(per_second).checked_mul(denominator.into())?;
        let steps = since?.checked_mul(numerator.into())?;
        let distance = steps.abs_diff(step.checked_mul(row.into())?);
        Some(distance.checked_mul(4)? < step)
    };
    near().unwrap_or(false)
}

/// Units of a time, and how many make a second.
const SECONDS: [(&str, u64); 3] = [("s", 1), ("ms", 1_000), ("us", 1_000_000)];
