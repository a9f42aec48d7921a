//! Exact decimals: what the device said, digit for digit.
//!
//! Encoded as a decimal fraction (RFC 8949 section 3.4.4, tag 4). Never a binary float: 36.6 stays 36.6.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::Tagged;

/// `mantissa * 10^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i64,
    exponent: i8,
}

impl Decimal {
    /// The number `mantissa * 10^exponent`, kept with its trailing zeros: they say how exact it is.
    #[must_use]
    pub const fn new(mantissa: i64, exponent: i8) -> Self {
        Self { mantissa, exponent }
    }

    /// All digits, as an integer.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// The power of ten.
    #[must_use]
    pub const fn exponent(self) -> i8 {
        self.exponent
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exponent >= 0 {
            write!(f, "{}", self.mantissa)?;
            return (0..self.exponent).try_for_each(|_| f.write_str("0"));
        }
        let places = usize::from(self.exponent.unsigned_abs());
        let digits = format!(
            "{:0>width$}",
            self.mantissa.unsigned_abs(),
            width = places + 1
        );
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction}")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Tagged::new(Some(DECIMAL_FRACTION), (self.exponent, self.mantissa)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tagged = Tagged::<(i8, i64)>::deserialize(deserializer)?;
        match tagged.tag {
            Some(DECIMAL_FRACTION) => Ok(Self::new(tagged.value.1, tagged.value.0)),
            _ => Err(serde::de::Error::custom("a decimal carries tag 4")),
        }
    }
}

const DECIMAL_FRACTION: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_prints_as_the_device_said_it() {
        for (mantissa, exponent, text) in [
            (366, -1, "36.6"),
            (-5, -3, "-0.005"),
            (98, 0, "98"),
            (12, 2, "1200"),
            (0, -2, "0.00"),
            (3660, -2, "36.60"),
        ] {
            assert_eq!(Decimal::new(mantissa, exponent).to_string(), text);
        }
    }
}
