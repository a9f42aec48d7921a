//! Little-endian fields, and the numbers of IEEE 11073-20601: SFLOAT and FLOAT.

use alloc::string::String;
use core::fmt::Write as _;

use crate::drivers::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading};

/// What is left of a value.
#[derive(Debug)]
pub(super) struct Bytes<'a>(&'a [u8]);

/// A number, or why there is none; `raw` is what stood in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Value(Decimal),
    None {
        reason: Absence,
        over: bool,
        under: bool,
        raw: i32,
    },
}

impl<'a> Bytes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_le_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.take()
            .map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
    }

    /// As much of `u16` as is left.
    pub(super) fn rest_of_u16(&mut self) -> Option<()> {
        while !self.is_empty() {
            self.u16()?;
        }
        Some(())
    }

    /// A date and time; the year 0 is one that the device does not know.
    pub(super) fn time(&mut self) -> Option<String> {
        let year = self.u16()?;
        let [month, day, hour, minute, second] = self.take()?;
        let mut text = String::with_capacity("2026-01-01 00:00:00".len());
        let date = format_args!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        text.write_fmt(date).ok()?;
        Some(text)
    }

    /// 12 bits of mantissa, 4 bits of exponent, both two's complement.
    pub(super) fn sfloat(&mut self) -> Option<Number> {
        let raw = self.u16()?;
        let mantissa = i64::from(raw.cast_signed() << 4 >> 4);
        let exponent = (raw.cast_signed() >> 12) as i8;
        Some(Number::of(
            mantissa,
            exponent,
            [0x7ff, -0x800, 0x7fe, -0x7fe, -0x7ff],
            i32::from(raw),
        ))
    }

    /// 24 bits of mantissa, 8 bits of exponent, both two's complement.
    pub(super) fn float(&mut self) -> Option<Number> {
        let raw = self.take().map(u32::from_le_bytes)?.cast_signed();
        let mantissa = i64::from(raw << 8 >> 8);
        let exponent = (raw >> 24) as i8;
        Some(Number::of(
            mantissa,
            exponent,
            [0x7f_ffff, -0x80_0000, 0x7f_fffe, -0x7f_fffe, -0x7f_ffff],
            raw,
        ))
    }
}

impl Number {
    /// The special mantissas are: not a number, not at this resolution, +infinity, -infinity, reserved.
    fn of(mantissa: i64, exponent: i8, special: [i64; 5], raw: i32) -> Self {
        let [_, _, over, under, _] = special;
        if exponent != 0 || !special.contains(&mantissa) {
            return Self::Value(Decimal::new(mantissa, exponent));
        }
        Self::None {
            reason: Absence::NotAvailable,
            over: mantissa == over,
            under: mantissa == under,
            raw,
        }
    }

    /// With its power of ten moved: an exact change to a unit that is a power of ten apart.
    pub(super) const fn times_ten_to(self, power: i8) -> Self {
        match self {
            Self::Value(value) => Self::Value(Decimal::new(
                value.mantissa,
                value.exponent.saturating_add(power),
            )),
            Self::None { .. } => self,
        }
    }

    /// As a reading of a stream; `missing` is a reason for which the device takes its number back.
    pub(super) fn reading(
        self,
        stream: usize,
        missing: Option<Absence>,
        quality: Quality,
    ) -> Reading {
        match (self, missing) {
            (Self::Value(value), None) => numeric::value(stream, value, quality),
            (Self::Value(_), Some(reason)) => Reading {
                quality: Quality {
                    demo: quality.demo,
                    ..Quality::default()
                },
                ..numeric::absent(stream, reason, 1, None)
            },
            (
                Self::None {
                    reason,
                    over,
                    under,
                    raw,
                },
                missing,
            ) => Reading {
                quality: Quality {
                    over_range: over,
                    under_range: under,
                    demo: quality.demo,
                    ..Quality::default()
                },
                ..numeric::absent(stream, missing.unwrap_or(reason), 1, Some(raw))
            },
        }
    }
}
