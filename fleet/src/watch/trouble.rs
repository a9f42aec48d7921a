//! How bad it stands with a gateway: the order of the table.

use wardlink_wire::state::Outcome;

use crate::gateways::report::{Report, Standing};

/// The worst that is wrong with a gateway; what comes first is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// It is away, or its certificate has ended: nothing arrives.
    Away,
    /// It says that something is wrong, or a device gives no readings.
    Faults,
    /// Its certificate ends soon: renewal does not work.
    Expiring,
    /// What it measured does not arrive.
    Behind,
    /// Its last bundle was refused or rolled back.
    Bundle,
    /// Nothing was heard of it, ever.
    Unknown,
    /// Nothing is wrong.
    Well,
}

impl Trouble {
    /// What is worst.
    pub(crate) fn of(report: &Report) -> Self {
        let days = report.certificate_days.unwrap_or(i64::MAX);
        let faults = report
            .health
            .as_ref()
            .is_some_and(|health| !health.faults.is_empty() || !health.devices_lost.is_empty());
        let bundle = report
            .bundle
            .as_ref()
            .is_some_and(|bundle| matches!(bundle.outcome, Outcome::Refused | Outcome::RolledBack));
        match report.state {
            Standing::Offline => Self::Away,
            _ if days < 0 => Self::Away,
            _ if faults => Self::Faults,
            _ if days < SOON => Self::Expiring,
            _ if report.oldest_age_s() >= Some(LATE) => Self::Behind,
            _ if bundle => Self::Bundle,
            Standing::Unknown => Self::Unknown,
            Standing::Online | Standing::Revoked => Self::Well,
        }
    }
}

/// Worst first; among equals the one that is furthest behind, then by name.
pub(crate) fn sort(reports: &mut [Report]) {
    reports.sort_by_cached_key(|report| {
        let age = std::cmp::Reverse(report.oldest_age_s());
        (Trouble::of(report), age, report.gateway.clone())
    });
}

/// Days. Gateways renew with a third of the life left: a year's certificate has four months then.
const SOON: i64 = 14;
/// Seconds. Records go out within seconds while the uplink holds.
const LATE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateways::report::{HealthReport, LaneReport};

    fn report(name: &str, state: Standing, age: Option<u64>, faults: &[&str], days: i64) -> Report {
        Report {
            gateway: name.to_owned(),
            state,
            groups: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            enrolled: String::new(),
            revoked: None,
            certificate_ends: None,
            certificate_days: Some(days),
            good_profile: 0,
            agent: None,
            profile: None,
            health: Some(HealthReport {
                said: String::new(),
                clock: "synchronised",
                clock_error_ms: None,
                lanes: vec![LaneReport {
                    lane: "vital",
                    recorded: 0,
                    backlog: 0,
                    oldest: None,
                    oldest_age_s: age,
                }],
                devices_lost: Vec::new(),
                faults: faults.iter().map(ToString::to_string).collect(),
            }),
            bundle: None,
            gaps: None,
            audit: None,
        }
    }

    #[test]
    fn the_worst_comes_first_and_among_equals_who_is_furthest_behind() {
        let mut reports = [
            report("a-well", Standing::Online, None, &[], 100),
            report("b-new", Standing::Unknown, None, &[], 100),
            report("c-late", Standing::Online, Some(61), &[], 100),
            report("d-later", Standing::Online, Some(600), &[], 100),
            report("e-expiring", Standing::Online, None, &[], 13),
            report("f-faulty", Standing::Online, None, &["disk"], 100),
            report("g-ended", Standing::Unknown, None, &[], -1),
            report("h-away", Standing::Offline, Some(5), &[], 100),
        ];
        sort(&mut reports);
        let order: Vec<&str> = reports
            .iter()
            .map(|report| report.gateway.as_str())
            .collect();
        assert_eq!(
            order,
            [
                "h-away",
                "g-ended",
                "f-faulty",
                "e-expiring",
                "d-later",
                "c-late",
                "b-new",
                "a-well"
            ]
        );
    }
}
