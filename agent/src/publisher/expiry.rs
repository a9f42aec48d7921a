//! Says in time that the gateway's certificate ends: 30, 7 and 1 days ahead, and when it has ended.

/// Which of the warnings were given.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    of: Option<i64>,
    warned: usize,
}

impl Expiry {
    /// The words to say now, if there are new ones; `ends` and `now` are UTC seconds since 1970-01-01.
    pub(super) fn notice(&mut self, ends: i64, now: i64) -> Option<String> {
        if self.of != Some(ends) {
            *self = Self {
                of: Some(ends),
                warned: 0,
            };
        }
        let left = ends.saturating_sub(now);
        let passed = WARNINGS.iter().take_while(|(before, _)| left <= *before);
        let passed = passed.count();
        if passed <= self.warned {
            return None;
        }
        self.warned = passed;
        let (_, words) = WARNINGS.get(passed.checked_sub(1)?)?;
        Some(format!("the gateway's certificate {words}: renew it"))
    }
}

const DAY: i64 = 86_400;
const WARNINGS: [(i64, &str); 4] = [
    (30 * DAY, "ends within 30 days"),
    (7 * DAY, "ends within 7 days"),
    (DAY, "ends within a day"),
    (0, "is expired; recording goes on, delivery stops"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_given_once_and_again_for_the_next_certificate() {
        let mut expiry = Expiry::default();
        let end = 400 * DAY;
        let mut said = Vec::new();
        for hour in 0..(24 * 401) {
            if let Some(words) = expiry.notice(end, hour * 3600) {
                said.push((hour / 24, words));
            }
        }
        let days: Vec<_> = said.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [370, 393, 399, 400]);
        assert!(said[1].1.contains("within 7 days"), "{said:?}");
        assert_eq!(expiry.notice(end + 365 * DAY, end), None, "renewed");
        let late = expiry.notice(end + 365 * DAY, end + 364 * DAY + 1);
        assert!(
            late.unwrap().contains("within a day"),
            "one warning, the latest"
        );
    }
}
