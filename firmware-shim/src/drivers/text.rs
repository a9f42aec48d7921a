//! What text protocols share: lines from bytes, and numbers from text, digit for digit.

use alloc::string::String;
use alloc::vec::Vec;

use crate::reading::Decimal;

/// Cuts a stream of bytes into lines of ASCII. A line that is too long or holds other bytes is skipped whole.
#[derive(Debug)]
pub(crate) struct Lines {
    held: Vec<u8>,
    longest: usize,
    bad: bool,
    astray: u64,
}

impl Lines {
    pub(crate) const fn new(longest: usize) -> Self {
        Self {
            held: Vec::new(),
            longest,
            bad: false,
            astray: 0,
        }
    }

    /// The line that a byte ends, if it does and the line is one. An empty line is none.
    pub(crate) fn push(&mut self, byte: u8) -> Option<String> {
        self.astray = self.astray.saturating_add(1);
        if byte == b'\r' || byte == b'\n' {
            let line = String::from_utf8(self.held.clone()).ok();
            let bad = self.bad;
            self.held.clear();
            self.bad = false;
            return line.filter(|line| !bad && !line.is_empty());
        }
        self.bad |=
            !(byte == b'\t' || (b' '..=b'~').contains(&byte)) || self.held.len() >= self.longest;
        if !self.bad {
            self.held.push(byte);
        }
        None
    }

    /// The last line was one of the protocol.
    pub(crate) const fn understood(&mut self) {
        self.astray = 0;
    }

    /// Bytes since the last line that was understood.
    pub(crate) const fn astray(&self) -> u64 {
        self.astray
    }
}

/// A number as text: an optional sign, digits, optionally a point and digits. Nothing else is one.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa: i64 = 0;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = i64::from(digit.to_digit(10)?);
        mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
    }
    let exponent = i8::try_from(fraction.len()).ok()?.checked_neg()?;
    Some(Decimal::new(
        if negative { -mantissa } else { mantissa },
        exponent,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits_and_anything_else_is_none() {
        assert_eq!(decimal("098"), Some(Decimal::new(98, 0)));
        assert_eq!(decimal("05.52"), Some(Decimal::new(552, -2)));
        assert_eq!(decimal("-0.50"), Some(Decimal::new(-50, -2)));
        assert_eq!(decimal("36."), Some(Decimal::new(36, 0)));
        for none in [
            "",
            "-",
            "--",
            "---",
            ".",
            "--.-",
            "1e3",
            "0x10",
            "1.2.3",
            "NaN",
            "99999999999999999999",
        ] {
            assert_eq!(decimal(none), None, "{none}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_skipped_and_the_next_is_found() {
        let mut lines = Lines::new(8);
        let bytes = b"too long to be one\r\nb\x80d\ngood\r\n";
        let found: Vec<_> = bytes.iter().filter_map(|byte| lines.push(*byte)).collect();
        assert_eq!(found, ["good"]);
    }
}
