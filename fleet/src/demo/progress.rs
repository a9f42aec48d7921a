//! How the run goes, from one look to the next: rates, backlog, the age of the newest value.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use wardlink_wire::lane::Lane;

use super::agent::{AgentStatus, DeviceStatus};
use super::archive::Delivered;

/// What is kept between looks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    history: VecDeque<(Duration, BTreeMap<Lane, u64>)>,
    agent: AgentStatus,
    delivered: Delivered,
    largest_backlog: u64,
}

/// What a look found, ready to be shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snapshot {
    /// Since the agent's first record.
    pub(super) elapsed: Duration,
    /// The planned length of the run.
    pub(super) planned: Option<Duration>,
    /// The agent's word for its link.
    pub(super) link: String,
    /// The broker is cut off, for so much longer.
    pub(super) outage_left: Option<Duration>,
    /// Receipts the agent believed.
    pub(super) receipts: u64,
    /// Records not acknowledged.
    pub(super) backlog: u64,
    /// Age of the newest value at the monitor.
    pub(super) newest_age: Option<Duration>,
    /// The lanes in use.
    pub(super) lanes: Vec<LaneLine>,
    /// Devices that give no readings, and what else is wrong.
    pub(super) trouble: Vec<String>,
}

/// One lane of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LaneLine {
    /// Which.
    pub(super) lane: Lane,
    /// Records a second, over the last few seconds.
    pub(super) rate: f64,
    /// Committed by the agent.
    pub(super) recorded: u64,
    /// In the monitor's archive.
    pub(super) delivered: u64,
    /// Not acknowledged.
    pub(super) backlog: u64,
}

impl Progress {
    /// Takes in what the agent said, `elapsed` into the run.
    pub(super) fn agent_said(&mut self, elapsed: Duration, status: AgentStatus) {
        let counts = Lane::ALL.into_iter().filter_map(|lane| {
            let status = status.lane(lane.as_str())?;
            Some((lane, status.recorded))
        });
        self.history.push_back((elapsed, counts.collect()));
        while let Some((second, _)) = self.history.get(1)
            && elapsed.saturating_sub(*second) >= WINDOW
        {
            self.history.pop_front();
        }
        self.largest_backlog = self.largest_backlog.max(status.backlog);
        self.agent = status;
    }

    /// Takes in what the archive has.
    pub(super) fn archive_has(&mut self, delivered: Delivered) {
        self.delivered = delivered;
    }

    /// The largest backlog seen.
    pub(super) const fn largest_backlog(&self) -> u64 {
        self.largest_backlog
    }

    /// What there is to show. `now_ns` is UTC in nanoseconds.
    pub(super) fn snapshot(&self, elapsed: Duration, now_ns: i64) -> Snapshot {
        let trouble = self.agent.devices.iter().filter_map(DeviceStatus::trouble);
        Snapshot {
            elapsed,
            link: self.agent.link.clone(),
            receipts: self.agent.receipts,
            backlog: self.agent.backlog,
            newest_age: self.delivered.newest_utc_ns.map(|newest| {
                let age = now_ns.saturating_sub(newest);
                Duration::from_nanos(u64::try_from(age).unwrap_or(0))
            }),
            lanes: Lane::ALL
                .into_iter()
                .filter_map(|lane| self.line(lane))
                .collect(),
            trouble: trouble.chain(self.agent.faults.iter().cloned()).collect(),
            ..Snapshot::default()
        }
    }

    fn line(&self, lane: Lane) -> Option<LaneLine> {
        let status = self.agent.lane(lane.as_str())?;
        let delivered = self.delivered.records(lane);
        if status.recorded == 0 && delivered == 0 {
            return None;
        }
        Some(LaneLine {
            lane,
            rate: self.rate(lane),
            recorded: status.recorded,
            delivered,
            backlog: status.backlog,
        })
    }

    fn rate(&self, lane: Lane) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.history.front(), self.history.back())
        else {
            return 0.0;
        };
        let count = |counts: &BTreeMap<Lane, u64>| counts.get(&lane).copied().unwrap_or(0);
        let more = u32::try_from(count(after).saturating_sub(count(before))).unwrap_or(u32::MAX);
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if seconds > 0.0 {
            f64::from(more) / seconds
        } else {
            0.0
        }
    }
}

/// Rates are over this time: longer than the slowest lane takes to close a batch.
const WINDOW: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::agent::LaneStatus;

    fn said(recorded: u64, backlog: u64) -> AgentStatus {
        AgentStatus {
            backlog,
            link: "connected".to_owned(),
            lanes: vec![LaneStatus {
                lane: "wave".to_owned(),
                recorded,
                backlog,
                acknowledged: 0,
            }],
            ..AgentStatus::default()
        }
    }

    #[test]
    fn a_rate_is_over_the_last_seconds_and_not_over_the_whole_run() {
        let mut progress = Progress::default();
        for second in 0..60_u64 {
            let recorded = if second < 50 {
                second * 100
            } else {
                4900 + (second - 49) * 10
            };
            progress.agent_said(Duration::from_secs(second), said(recorded, 0));
        }
        let snapshot = progress.snapshot(Duration::from_secs(59), 0);
        let [line] = snapshot.lanes.as_slice() else {
            panic!("one lane expected: {snapshot:?}");
        };
        assert!((line.rate - 10.0).abs() < 0.01, "{line:?}");
    }

    #[test]
    fn the_largest_backlog_is_remembered_after_it_drained() {
        let mut progress = Progress::default();
        for (second, backlog) in [(0, 1), (1, 900), (2, 3)] {
            progress.agent_said(Duration::from_secs(second), said(1000, backlog));
        }
        assert_eq!(progress.largest_backlog(), 900);
        assert_eq!(progress.snapshot(Duration::ZERO, 0).backlog, 3);
    }

    #[test]
    fn the_age_of_the_newest_value_is_never_negative() {
        let mut progress = Progress::default();
        progress.archive_has(Delivered {
            newest_utc_ns: Some(2_000_000_000),
            ..Delivered::default()
        });
        let age = |now| progress.snapshot(Duration::ZERO, now).newest_age.unwrap();
        assert_eq!(age(3_500_000_000), Duration::from_millis(1500));
        assert_eq!(age(1_000_000_000), Duration::ZERO);
    }
}
