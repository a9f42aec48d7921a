//! The open batches: records that wait, each lane no longer than its policy says.

use std::time::Duration;

use tokio::time::Instant;
use wardlink_wire::lane::Lane;
use wardlink_wire::profile::{LanePolicy, Profile};
use wardlink_wire::record::{Body, Gap, GapCause, Record};
use wardlink_wire::stream::Stream;

use crate::record::Placed;

/// At most one open batch a lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(Vec<Open>);

/// One open batch.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) lane: Lane,
    since: Instant,
    placed: Vec<Placed>,
}

impl Lanes {
    pub(super) fn push(&mut self, placed: Placed) {
        match self.0.iter_mut().find(|open| open.lane == placed.lane) {
            Some(open) => open.push(placed),
            None => self.0.push(Open::with(placed)),
        }
    }

    /// When the next batch has to close.
    pub(super) fn due(&self, profile: &Profile) -> Option<Instant> {
        self.0
            .iter()
            .map(|open| open.since + profile.lane(open.lane).age)
            .min()
    }

    /// Takes the batches to commit now: none unless one is due, and with it every other that has waited
    /// half its time, so that one sync serves several lanes.
    pub(super) fn take_due(&mut self, profile: &Profile) -> Vec<Open> {
        let now = Instant::now();
        let is_due = |open: &Open, policy: LanePolicy| {
            now >= open.since + policy.age
                || open.placed.len() >= usize::try_from(policy.records).unwrap_or(usize::MAX)
        };
        if !self
            .0
            .iter()
            .any(|open| is_due(open, profile.lane(open.lane)))
        {
            return Vec::new();
        }
        let (due, waiting) = std::mem::take(&mut self.0).into_iter().partition(|open| {
            let policy = profile.lane(open.lane);
            is_due(open, policy)
                || now >= open.since + policy.age.checked_div(2).unwrap_or(Duration::ZERO)
        });
        self.0 = waiting;
        due
    }

    pub(super) fn take_all(&mut self) -> Vec<Open> {
        std::mem::take(&mut self.0)
    }
}

impl Open {
    pub(super) fn with(placed: Placed) -> Self {
        Self {
            lane: placed.lane,
            since: Instant::now(),
            placed: vec![placed],
        }
    }

    pub(super) fn push(&mut self, placed: Placed) {
        self.placed.push(placed);
    }

    /// Every stream its records name, once.
    pub(super) fn streams(&self) -> Vec<Stream> {
        let mut streams: Vec<Stream> = Vec::new();
        for placed in &self.placed {
            if !streams
                .iter()
                .any(|known| known.number == placed.stream.number)
            {
                streams.push(placed.stream.clone());
            }
        }
        streams
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.placed
            .iter()
            .map(|placed| placed.record.clone())
            .collect()
    }

    pub(super) fn gaps(&self) -> u64 {
        let gaps = self
            .placed
            .iter()
            .filter(|placed| matches!(placed.record.body, Body::Gap(_)));
        u64::try_from(gaps.count()).unwrap_or(u64::MAX)
    }

    /// What is lost when this batch is: its gap records stay what they were, the rest is counted.
    pub(super) fn losses(&self, cause: GapCause) -> Vec<Gap> {
        let mut losses = Vec::new();
        let mut count = 0_u64;
        for placed in &self.placed {
            match &placed.record.body {
                Body::Gap(gap) => losses.push(gap.clone()),
                _ => count += 1,
            }
        }
        if count > 0 {
            losses.push(super::gap(self.lane, None, count, cause));
        }
        losses
    }
}
