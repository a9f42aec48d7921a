//! From steps of the converter to units, in exact decimals.

use crate::reading::Decimal;
use crate::wfdb::Signal;

/// `value = (raw - baseline) / gain`.
pub(super) struct Calibration {
    gain: Decimal,
    baseline: i32,
    /// 1 / gain, when that has an end.
    step: Option<Decimal>,
}

impl Calibration {
    pub(super) fn of(signal: &Signal) -> Self {
        Self {
            gain: signal.gain,
            baseline: signal.baseline,
            step: exact(1, signal.gain),
        }
    }

    /// Units per step; rounded to 12 digits only when the quotient has no end.
    pub(super) fn scale(&self) -> Decimal {
        self.step.unwrap_or_else(|| rounded(1, self.gain))
    }

    /// The value at raw 0, rounded as [`scale`](Self::scale) is.
    pub(super) fn offset(&self) -> Decimal {
        quotient(-i64::from(self.baseline), self.gain)
    }

    /// The value of a sample. All values of a signal have the same number of decimals, which say how fine
    /// its steps are, unless the steps themselves have no end.
    pub(super) fn value(&self, raw: i32) -> Decimal {
        let steps = i64::from(raw) - i64::from(self.baseline);
        self.step
            .and_then(|step| {
                let mantissa = steps.checked_mul(step.mantissa)?;
                Some(Decimal::new(mantissa, step.exponent))
            })
            .unwrap_or_else(|| quotient(steps, self.gain))
    }
}

fn quotient(steps: i64, gain: Decimal) -> Decimal {
    exact(steps, gain).unwrap_or_else(|| rounded(steps, gain))
}

/// `steps / gain` with as few digits as say it exactly; nothing when it has no end or no room.
fn exact(steps: i64, gain: Decimal) -> Option<Decimal> {
    if steps == 0 {
        return Some(Decimal::new(0, 0));
    }
    let common = greatest_common_divisor(steps.unsigned_abs(), gain.mantissa.unsigned_abs());
    let common = i64::try_from(common).ok().filter(|common| *common > 0)?;
    let mut numerator = i128::from(steps / common);
    let mut denominator = i128::from(gain.mantissa / common);
    if denominator < 0 {
        (numerator, denominator) = (-numerator, -denominator);
    }
    let mut exponent = gain.exponent.checked_neg()?;
    while denominator > 1 {
        // Each step makes a factor 10 of the denominator's 2 or 5, or finds neither.
        let (factor, prime) = match (denominator % 2, denominator % 5) {
            (0, 0) => (1, 10),
            (0, _) => (5, 2),
            (_, 0) => (2, 5),
            _ => return None,
        };
        numerator = numerator.checked_mul(factor)?;
        denominator /= prime;
        exponent = exponent.checked_sub(1)?;
    }
    while exponent > 0 {
        numerator = numerator.checked_mul(10)?;
        exponent -= 1;
    }
    Some(Decimal::new(i64::try_from(numerator).ok()?, exponent))
}

/// `steps / gain` to 12 significant digits, half away from zero.
fn rounded(steps: i64, gain: Decimal) -> Decimal {
    let divisor = i128::from(gain.mantissa.unsigned_abs()).max(1);
    let mut dividend = i128::from(steps.unsigned_abs());
    let mut places = 0_i8;
    while dividend > 0 && dividend / divisor < SMALLEST_OF_12_DIGITS {
        dividend *= 10;
        places += 1;
    }
    let mut divisor = divisor;
    while dividend / divisor >= SMALLEST_OF_12_DIGITS * 10 {
        divisor *= 10;
        places -= 1;
    }
    let magnitude = (dividend * 2 / divisor + 1) / 2;
    let magnitude = i64::try_from(magnitude).unwrap_or(i64::MAX);
    let negative = (steps < 0) != (gain.mantissa < 0);
    Decimal::new(
        if negative { -magnitude } else { magnitude },
        gain.exponent.saturating_add(places).saturating_neg(),
    )
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

const SMALLEST_OF_12_DIGITS: i128 = 100_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(mantissa: i64, exponent: i8, baseline: i32) -> Calibration {
        Calibration::of(&Signal {
            name: String::new(),
            unit: String::new(),
            gain: Decimal::new(mantissa, exponent),
            baseline,
            rate_numerator: 1,
            rate_denominator: 1,
            samples: 0,
        })
    }

    #[test]
    fn a_gain_whose_inverse_ends_is_exact() {
        for ((mantissa, exponent), expected) in [
            ((200, 0), (5, -3)),
            ((1, 0), (1, 0)),
            ((100, -1), (1, -1)),
            ((1, -1), (10, 0)),
            ((2, 3), (5, -4)),
            ((-20, 0), (-5, -2)),
            ((1 << 20, 0), (95_367_431_640_625, -20)),
        ] {
            let scale = calibration(mantissa, exponent, 0).scale();
            assert_eq!(
                (scale.mantissa, scale.exponent),
                expected,
                "{mantissa}e{exponent}"
            );
        }
    }

    #[test]
    fn a_gain_whose_inverse_has_no_end_is_rounded_to_twelve_digits() {
        let scale = calibration(2_281, 0, 0).scale();
        assert_eq!(scale, Decimal::new(438_404_208_680, -15));
        let scale = calibration(3, 0, 0).scale();
        assert_eq!(scale, Decimal::new(333_333_333_333, -12));
        let scale = calibration(15, 17, 0).scale();
        assert_eq!(scale, Decimal::new(666_666_666_667, -30));
        let scale = calibration(15, -3, 0).scale();
        assert_eq!(scale, Decimal::new(666_666_666_667, -10));
    }

    #[test]
    fn the_offset_is_the_value_at_zero() {
        assert_eq!(calibration(20, 0, -1_600).offset(), Decimal::new(80, 0));
        assert_eq!(calibration(200, 0, 1_024).offset(), Decimal::new(-512, -2));
        assert_eq!(calibration(200, 0, 0).offset(), Decimal::new(0, 0));
        assert_eq!(
            calibration(3, 0, 1).offset(),
            Decimal::new(-333_333_333_333, -12)
        );
    }

    #[test]
    fn values_keep_the_fineness_of_their_steps() {
        let tenths = calibration(10, 0, 0);
        assert_eq!(tenths.value(1_013), Decimal::new(1_013, -1));
        assert_eq!(tenths.value(800), Decimal::new(800, -1));
        assert_eq!(calibration(3, 0, 0).value(30), Decimal::new(10, 0));
        assert_eq!(
            calibration(3, 0, 0).value(-1),
            Decimal::new(-333_333_333_333, -12)
        );
    }
}
