//! What drivers of slow quantities share: one number a poll, or one stated absence.

use alloc::string::ToString;

use crate::reading::{Absence, Body, Decimal, Quality, Reading, StreamKind, StreamSpec};

/// A stream of single numbers.
pub(super) fn stream(name: &str, code: u32, unit: &str) -> StreamSpec {
    StreamSpec {
        name: name.to_string(),
        code,
        unit: unit.to_string(),
        kind: StreamKind::Numeric,
        sampling: None,
    }
}

/// One number.
pub(super) fn value(stream: usize, value: Decimal, quality: Quality) -> Reading {
    let body = Body::Numeric {
        value,
        index: None,
        raw: None,
    };
    Reading {
        quality,
        ..Reading::good(stream, body)
    }
}

/// `count` numbers are not there; `raw` is what the device sent in place of the last.
pub(super) fn absent(stream: usize, reason: Absence, count: u64, raw: Option<i32>) -> Reading {
    let body = Body::Absent {
        reason,
        first: None,
        count,
        raw,
    };
    Reading::good(stream, body)
}

/// Marks a value outside of what the data sheet promises.
pub(super) fn range(code: i32, lowest: i32, highest: i32) -> Quality {
    Quality {
        over_range: code > highest,
        under_range: code < lowest,
        ..Quality::default()
    }
}

/// ISO/IEEE 11073-10101: body temperature.
pub(super) const MDC_TEMP_BODY: u32 = 150_364;
