//! The time, for what is signed, issued and received here: the only caller of `now()` for UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// UTC now, nanoseconds since 1970-01-01; 0 on a machine whose clock stands before that.
#[must_use]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// UTC now, seconds since 1970-01-01.
#[must_use]
pub fn now_seconds() -> i64 {
    now_ns() / 1_000_000_000
}

/// A UTC time in nanoseconds as text: RFC 3339 with all nine digits, which sorts as it reads.
#[must_use]
pub fn text_of_ns(utc_ns: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(utc_ns))
        .ok()
        .and_then(|time| time.format(NANOSECONDS).ok())
        .unwrap_or_else(|| format!("{utc_ns}ns"))
}

/// A UTC time in seconds as text: RFC 3339.
#[must_use]
pub fn text_of_seconds(utc: i64) -> String {
    OffsetDateTime::from_unix_timestamp(utc)
        .ok()
        .and_then(|time| time.format(SECONDS).ok())
        .unwrap_or_else(|| format!("{utc}s"))
}

const NANOSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");
const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_every_digit() {
        assert_eq!(
            text_of_ns(1_700_000_000_000_000_001),
            "2023-11-14T22:13:20.000000001Z"
        );
        assert_eq!(text_of_ns(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(text_of_seconds(0), "1970-01-01T00:00:00Z");
    }
}
