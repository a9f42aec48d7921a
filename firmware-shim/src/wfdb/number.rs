//! Numbers as headers write them, taken digit for digit and never through a binary float.

use crate::reading::Decimal;

/// Reads a decimal number in any form `scanf` takes: `360`, `360.`, `.5`, `3.6e2`. Digits after the 18th
/// are dropped: no double that wrote them knew them.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let (digits, power) = match text.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa = 0_i64;
    let mut exponent = power;
    for (place, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = i64::from(digit.to_digit(10)?);
        let in_fraction = place >= whole.len();
        if mantissa < LARGEST / 10 {
            mantissa = mantissa * 10 + digit;
            exponent = exponent.checked_sub(i32::from(in_fraction))?;
        } else {
            exponent = exponent.checked_add(i32::from(!in_fraction))?;
        }
    }
    // The bounds keep every later product within 128 bits.
    let exponent = i8::try_from(exponent)
        .ok()
        .filter(|exponent| (-36..=18).contains(exponent))?;
    Some(Decimal::new(
        if negative { -mantissa } else { mantissa },
        exponent,
    ))
}

/// A rate above zero as a ratio in lowest terms. A fraction that was rounded to be written, as 1/60 in
/// `0.0166666666667`, is recognised when it is far simpler than its digits; anything else is taken at its
/// word.
pub(crate) fn ratio(rate: Decimal) -> Option<(u64, u64)> {
    let mantissa = u128::try_from(rate.mantissa).ok().filter(|m| *m > 0)?;
    let power = 10_u128.checked_pow(u32::from(rate.exponent.unsigned_abs()))?;
    let (numerator, denominator) = if rate.exponent >= 0 {
        (mantissa.checked_mul(power)?, 1)
    } else {
        rounded_fraction(mantissa, power).unwrap_or((mantissa, power))
    };
    let common = greatest_common_divisor(numerator, denominator);
    Some((
        u64::try_from(numerator / common).ok()?,
        u64::try_from(denominator / common).ok()?,
    ))
}

/// `numerator / denominator` times `factor`, in lowest terms.
pub(crate) fn times((numerator, denominator): (u64, u64), factor: u64) -> Option<(u64, u64)> {
    let product = u128::from(numerator) * u128::from(factor);
    let common = greatest_common_divisor(product, u128::from(denominator));
    Some((
        u64::try_from(product / common).ok()?,
        u64::try_from(u128::from(denominator) / common).ok()?,
    ))
}

/// The first convergent of the continued fraction of `numerator / denominator` that is less than one unit
/// of the last digit (1 / `denominator`) away, or than a double can tell, and so simple that chance hardly
/// explains it: fractions up to denominator q lie about 1/q^2 apart, and the digits must be a hundred times
/// finer than that.
fn rounded_fraction(numerator: u128, denominator: u128) -> Option<(u128, u128)> {
    let tolerance = (numerator >> DOUBLE_BITS).max(1);
    let (mut above, mut below) = (numerator, denominator);
    let (mut previous, mut current) = ((0, 1), (1, 0));
    while below != 0 {
        let whole = above / below;
        (above, below) = (below, above % below);
        let next = (
            whole * current.0 + previous.0,
            whole * current.1 + previous.1,
        );
        (previous, current) = (current, next);
        let (top, bottom) = current;
        if bottom
            .checked_mul(bottom)
            .is_none_or(|square| square > denominator / 100)
        {
            return None;
        }
        let distance = (numerator * bottom).abs_diff(top.checked_mul(denominator)?);
        if top > 0 && distance < bottom * tolerance {
            return Some(current);
        }
    }
    None
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Mantissas stay below this: 18 digits.
const LARGEST: i64 = 1_000_000_000_000_000_000;

/// A double keeps this many bits after its first.
const DOUBLE_BITS: u32 = 52;

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Option<(u64, u64)> {
        ratio(decimal(text)?)
    }

    #[test]
    fn a_rate_is_taken_at_its_word() {
        for (text, expected) in [
            ("360", (360, 1)),
            ("360.", (360, 1)),
            ("360.0", (360, 1)),
            ("3.6e2", (360, 1)),
            ("62.5", (125, 2)),
            ("0.1", (1, 10)),
            (".25", (1, 4)),
            ("62.4725", (24_989, 400)),
            ("125.33", (12_533, 100)),
            ("99.9999", (999_999, 10_000)),
            ("1e-3", (1, 1_000)),
        ] {
            assert_eq!(rate(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_fraction_rounded_to_be_written_is_recognised() {
        for text in [
            "0.0166666666667",
            "0.016667",
            "0.016666666666666666",
            "1.66666666667e-2",
        ] {
            assert_eq!(rate(text), Some((1, 60)), "{text}");
        }
        assert_eq!(rate("128.2051282051282"), Some((5_000, 39)));
        // As programs write doubles that are not quite what they stand for.
        assert_eq!(rate("33.333333333333336"), Some((100, 3)));
        assert_eq!(rate("249.99999999999997"), Some((250, 1)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "1x", "1e", "e5", "1e400", "--1", "1.2.3", "ü"] {
            assert_eq!(decimal(text), None, "{text}");
        }
        assert_eq!(rate("0"), None);
        assert_eq!(rate("-250"), None);
    }

    #[test]
    fn digits_are_kept_and_an_excess_is_dropped() {
        assert_eq!(decimal("10.0"), Some(Decimal::new(100, -1)));
        assert_eq!(decimal("-2281"), Some(Decimal::new(-2_281, 0)));
        assert_eq!(
            decimal("1234567890123456789012"),
            Some(Decimal::new(123_456_789_012_345_678, 4))
        );
    }
}
