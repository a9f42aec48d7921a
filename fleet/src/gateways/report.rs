//! What is known of one gateway, from the fleet's file and from what it said: one shape for people and programs.
//!
//! Owns the words of `--json`, which scripts rely on. Times are RFC 3339, ages and days whole numbers. Absent
//! is what nobody said: a gateway that is offline says nothing of its lanes, because its last will has none.

use std::collections::BTreeMap;

use serde::Serialize;
use wardlink_wire::state::{ConfigState, Health, LaneHealth};
use wardlink_wire::time::ClockState;

use super::heard::Said;
use crate::archive::{HeldGap, HeldHead};
use crate::clock::{text_of_ns, text_of_seconds};
use crate::roster::Entry;

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its name.
    pub gateway: String,
    /// Whether it is there.
    pub state: Standing,
    /// Its groups, in order.
    pub groups: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was enrolled.
    pub enrolled: String,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// When its certificate ends: the one it says it uses, or else the newest that was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<String>,
    /// Whole days until then; negative once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<i64>,
    /// The version of its profile that was last seen to work by a roll-out.
    pub good_profile: u64,
    /// Version of its agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The version of the profile in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<u64>,
    /// What it says of its health; absent when it is offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReport>,
    /// What became of the last bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleReport>,
    /// The newest gaps that the monitor holds; absent unless its archive was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Vec<GapReport>>,
    /// What the monitor knows of its audit log; absent unless its archive was named and the gateway spoke of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditReport>,
}

/// A gateway's audit log, as the monitor knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries it has.
    pub entries: u64,
    /// How often it contradicted what was known: it was cut, put back, rewritten or begun anew.
    pub contradictions: u64,
    /// When the last contradiction was noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noticed: Option<String>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<String>,
}

impl From<HeldHead> for AuditReport {
    fn from(held: HeldHead) -> Self {
        let (noticed, contradiction) = held.last.unzip();
        Self {
            entries: held.entries,
            contradictions: held.contradictions,
            noticed: noticed.map(text_of_ns),
            contradiction,
        }
    }
}

/// Whether a gateway is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Connected, by its own word.
    Online,
    /// Not connected, by the broker's word.
    Offline,
    /// Nothing was heard of it.
    Unknown,
    /// No member of the fleet any more.
    Revoked,
}

impl Standing {
    /// In one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
        }
    }
}

/// What a gateway says of its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// When it said so, by its own clock.
    pub said: String,
    /// What is known of that clock.
    pub clock: &'static str,
    /// How far off it may be, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_error_ms: Option<u32>,
    /// Its lanes.
    pub lanes: Vec<LaneReport>,
    /// Devices that give no readings.
    pub devices_lost: Vec<String>,
    /// What is wrong, in words.
    pub faults: Vec<String>,
}

/// How one lane does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneReport {
    /// Which.
    pub lane: &'static str,
    /// Records committed in this epoch.
    pub recorded: u64,
    /// Records that the monitor has not acknowledged.
    pub backlog: u64,
    /// When the oldest of them was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// How old it was when this was said, seconds by the gateway's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_s: Option<u64>,
}

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleReport {
    /// When, by the gateway's clock.
    pub at: String,
    /// Its version, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What was done.
    pub outcome: wardlink_wire::state::Outcome,
    /// Why; empty when nothing is wrong.
    pub reason: String,
    /// The roll-out it belonged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
}

/// One gap that the monitor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapReport {
    /// When the monitor heard of it.
    pub received: String,
    /// The lane it is about.
    pub lane: &'static str,
    /// The first place that never arrives; absent where no place was given away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The last such place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Why, in a word.
    pub cause: String,
}

impl Report {
    /// What is known of a gateway at a time (UTC, seconds since 1970-01-01).
    #[must_use]
    pub(crate) fn new(entry: &Entry, said: Option<&Said>, now: i64) -> Self {
        let state = said.and_then(|said| said.state.as_ref());
        let health = state
            .filter(|state| state.online)
            .and_then(|state| state.health.as_ref());
        let standing = match state {
            _ if entry.revoked.is_some() => Standing::Revoked,
            None => Standing::Unknown,
            Some(state) if state.online => Standing::Online,
            Some(_) => Standing::Offline,
        };
        let birth = said.and_then(|said| said.birth.as_ref());
        let config = said.and_then(|said| said.config.as_ref());
        let ends = health
            .map(|health| health.certificate_ends)
            .or(entry.certificate_ends);
        Self {
            gateway: entry.gateway.to_string(),
            state: standing,
            groups: entry.groups.clone(),
            tags: entry.tags.iter().cloned().collect(),
            enrolled: text_of_seconds(entry.enrolled),
            revoked: entry.revoked.map(text_of_seconds),
            certificate_ends: ends.map(text_of_seconds),
            certificate_days: ends.map(|ends| ends.saturating_sub(now).div_euclid(DAY)),
            good_profile: entry.good_version,
            agent: birth.map(|birth| birth.agent.clone()),
            profile: config
                .map(|config| config.profile)
                .or(birth.map(|birth| birth.profile)),
            health: health.map(HealthReport::of),
            bundle: config.and_then(BundleReport::of),
            gaps: None,
            audit: None,
        }
    }

    /// Records that the monitor has not acknowledged, in all lanes.
    #[must_use]
    pub fn backlog(&self) -> Option<u64> {
        let lanes = &self.health.as_ref()?.lanes;
        Some(
            lanes
                .iter()
                .fold(0, |sum, lane| sum.saturating_add(lane.backlog)),
        )
    }

    /// The age of the oldest of them, seconds.
    #[must_use]
    pub fn oldest_age_s(&self) -> Option<u64> {
        let lanes = &self.health.as_ref()?.lanes;
        lanes.iter().filter_map(|lane| lane.oldest_age_s).max()
    }
}

impl HealthReport {
    fn of(health: &Health) -> Self {
        let lane = |lane: &LaneHealth| LaneReport {
            lane: lane.lane.as_str(),
            recorded: lane.next.0,
            backlog: lane.backlog,
            oldest: lane.oldest_ns.map(text_of_ns),
            oldest_age_s: lane.oldest_ns.map(|oldest| {
                let age = health.utc_ns.saturating_sub(oldest) / 1_000_000_000;
                u64::try_from(age).unwrap_or(0)
            }),
        };
        Self {
            said: text_of_ns(health.utc_ns),
            clock: match health.clock.state {
                ClockState::Synchronised => "synchronised",
                ClockState::Unsynchronised => "unsynchronised",
                ClockState::Unset => "unset",
            },
            clock_error_ms: health.clock.error_ms,
            lanes: health.lanes.iter().map(lane).collect(),
            devices_lost: health.devices_lost.clone(),
            faults: health.faults.clone(),
        }
    }
}

impl BundleReport {
    fn of(config: &ConfigState) -> Option<Self> {
        config.bundle.as_ref().map(|bundle| Self {
            at: text_of_ns(config.utc_ns),
            version: bundle.version,
            outcome: bundle.outcome,
            reason: bundle.reason.clone(),
            rollout: bundle.rollout.clone(),
        })
    }
}

impl From<HeldGap> for GapReport {
    fn from(gap: HeldGap) -> Self {
        Self {
            received: text_of_ns(gap.received_ns),
            lane: gap.about.as_str(),
            first: gap.range.map(|range| range.first().0),
            last: gap.range.map(|range| range.last().0),
            cause: gap.cause,
        }
    }
}

const DAY: i64 = 86_400;
