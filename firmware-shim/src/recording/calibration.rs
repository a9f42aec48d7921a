//! From steps of the converter to units, in exact decimals.

use crate::reading::Decimal;
/// `value = (raw * slope + offset) / gain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calibration {
    slope: i64,
    offset: i64,
    gain: Decimal,
    /// 1 / gain, when that has an end.
    step: Option<Decimal>,
}

impl Calibration {
    /// As WFDB says it: `value = (raw - baseline) / gain`.
    pub(crate) fn of_gain(gain: Decimal, baseline: i32) -> Self {
        Self::new(1, -i64::from(baseline), gain)
    }

    /// As EDF says it: the values at two samples, and a straight line through them. Nothing when the samples
    /// are the same, or the values have more digits than can be counted with.
    pub(crate) fn through(samples: (i32, i32), values: (Decimal, Decimal)) -> Option<Self> {
        let exponent = values.0.exponent.min(values.1.exponent);
        let (low, high) = (aligned(values.0, exponent)?, aligned(values.1, exponent)?);
        let span = i64::from(samples.1) - i64::from(samples.0);
        let slope = high.checked_sub(low)?;
        let offset = low
            .checked_mul(span)?
            .checked_sub(slope.checked_mul(samples.0.into())?)?;
        let common = [slope, offset, span]
            .map(i64::unsigned_abs)
            .into_iter()
            .fold(0, greatest_common_divisor);
        let common = i64::try_from(common).ok().filter(|_| span != 0)?;
        let gain = Decimal::new(span / common, exponent.checked_neg()?);
        // The furthest sample of 16 bits must find room too.
        let (slope, offset) = (slope / common, offset / common);
        slope.checked_mul(1 << 16)?.checked_add(offset)?;
        Some(Self::new(slope, offset, gain))
    }

    /// As a table says it: `value = raw * 10^exponent`.
    pub(super) fn digits(exponent: i8) -> Self {
        Self::new(1, 0, Decimal::new(1, exponent.saturating_neg()))
    }

    fn new(slope: i64, offset: i64, gain: Decimal) -> Self {
        Self {
            slope,
            offset,
            gain,
            step: exact(1, gain),
        }
    }

    /// Units per step; rounded to 12 digits only when the quotient has no end.
    pub(crate) fn scale(&self) -> Decimal {
        quotient(self.slope, self.gain)
    }

    /// The value at raw 0, rounded as [`scale`](Self::scale) is.
    pub(crate) fn offset(&self) -> Decimal {
        quotient(self.offset, self.gain)
    }

    /// The value of a sample. All values of a signal have the same number of decimals, which say how fine
    /// its steps are, unless the steps themselves have no end.
    pub(crate) fn value(&self, raw: i32) -> Decimal {
        let steps = i64::from(raw)
            .saturating_mul(self.slope)
            .saturating_add(self.offset);
        self.step
            .and_then(|step| {
                let mantissa = steps.checked_mul(step.mantissa)?;
                Some(Decimal::new(mantissa, step.exponent))
            })
            .unwrap_or_else(|| quotient(steps, self.gain))
    }
}

/// The mantissa at a finer exponent.
pub(super) fn aligned(value: Decimal, exponent: i8) -> Option<i64> {
    let places = value.exponent.checked_sub(exponent)?;
    let factor = 10_i64.checked_pow(u32::try_from(places).ok()?);
    if value.mantissa == 0 {
        return Some(0);
    }
    value.mantissa.checked_mul(factor?)
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
        Calibration::of_gain(Decimal::new(mantissa, exponent), baseline)
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

    #[test]
    fn a_line_through_two_values_is_exact() {
        let ecg = Calibration::through(
            (-32_768, 32_767),
            (Decimal::new(-32_768, -1), Decimal::new(32_767, -1)),
        );
        let ecg = ecg.unwrap();
        assert_eq!(ecg.scale(), Decimal::new(1, -1));
        assert_eq!(ecg.offset(), Decimal::new(0, 0));
        assert_eq!(ecg.value(-7), Decimal::new(-7, -1));
        // 30 to 42.5 degrees over 0 to 1000
        let warm = Calibration::through((0, 1000), (Decimal::new(30, 0), Decimal::new(425, -1)));
        let warm = warm.unwrap();
        assert_eq!(warm.scale(), Decimal::new(125, -4));
        assert_eq!(warm.offset(), Decimal::new(300, -1));
        assert_eq!(warm.value(528), Decimal::new(366_000, -4));
        // falling, as EDF allows
        let turned = Calibration::through((0, 4), (Decimal::new(1, 0), Decimal::new(-1, 0)));
        assert_eq!(turned.unwrap().value(3), Decimal::new(-5, -1));
        let flat = Calibration::through((5, 5), (Decimal::new(0, 0), Decimal::new(1, 0)));
        assert_eq!(flat, None);
    }
}
