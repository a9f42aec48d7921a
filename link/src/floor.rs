//! The day this program was built: no clock that shows less is right.
//!
//! A gateway without a battery-backed clock starts in 1970, and then every certificate is "not valid yet".
//! Certificates are therefore judged at the later of clock and floor, so that such a gateway delivers at
//! once, and one whose clock is turned back does not believe a certificate that had ended by then. A broker's
//! certificate that was issued after the build moves the floor to its own beginning, while the clock is unset.
//! Whoever asks is told that the clock is unset, and says so.

/// Midnight before the program was built, UTC, seconds since 1970-01-01.
pub const FLOOR: i64 = match i64::from_str_radix(env!("WARDLINK_BUILT"), 10) {
    Ok(seconds) => seconds,
    Err(_) => 0,
};

/// Whether a clock shows a time that has been: it was never set.
#[must_use]
pub const fn is_unset(utc_seconds: i64) -> bool {
    utc_seconds < FLOOR
}

/// The time at which certificates are judged.
#[must_use]
pub const fn judged_at(utc_seconds: i64) -> i64 {
    if is_unset(utc_seconds) {
        FLOOR
    } else {
        utc_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_below_the_day_of_the_build_is_unset_and_any_other_is_believed() {
        assert!(is_unset(0));
        assert_eq!(judged_at(0), FLOOR);
        assert!(!is_unset(FLOOR));
        assert_eq!(judged_at(FLOOR + 7), FLOOR + 7);
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(
            (1..=now).contains(&u64::try_from(FLOOR).unwrap()),
            "built in the future, or at no time: {FLOOR}"
        );
    }
}
