//! What may follow what when a profile changes: one enum, no I/O, no clock.
//!
//! Owns the order staged -> on trial -> confirmed or rolled back. Promises that in every phase exactly one
//! profile is in force, that a profile which has not proven itself is never the one to go back to, and that
//! an event which does not fit a phase changes nothing. A picture of it is in docs/updates.md.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wardlink_wire::bundle::{Manifest, Trial, Version};
use wardlink_wire::id::DeviceId;
use wardlink_wire::state::{Outcome, Reason};

/// Where the gateway stands. This is what is kept on the disk.
///
/// `good` is the last profile that proved itself; none is the one the gateway was enrolled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is pending: `good` is in force. Left by an offer.
    Settled {
        /// What is in force.
        good: Option<Slot>,
    },
    /// `next` is durable and waits for its time; `good` is in force. Left when the time has come, or by
    /// another offer, which takes its place.
    Staged {
        /// What is in force.
        good: Option<Slot>,
        /// What comes next.
        next: Slot,
    },
    /// `next` is in force and watched. Left for good once it is healthy, and back to `good` when it fails,
    /// when the agent starts for the [`STARTS`]th time, or by another offer.
    OnTrial {
        /// What is gone back to.
        good: Option<Slot>,
        /// What is in force.
        next: Slot,
        /// How often the agent started since `next` was applied.
        starts: u32,
        /// The devices that gave readings before `next` was applied.
        reading: Vec<DeviceId>,
    },
}

/// A bundle that was taken, and where to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its version.
    pub version: Version,
    /// SHA-256 of the parcel that brought it.
    pub parcel: ByteBuf,
    /// SHA-256 of the bundle; its file is called by it.
    pub bundle: ByteBuf,
    /// It waits until then, UTC, seconds since 1970-01-01.
    pub not_before: i64,
    /// From when on something newer is missed, UTC, seconds since 1970-01-01.
    pub stale: Option<i64>,
    /// How it has to prove itself.
    pub trial: Trial,
    /// The operator's name for the roll-out.
    pub rollout: Option<String>,
}

impl Slot {
    /// The slot of a manifest.
    #[must_use]
    pub fn new(manifest: &Manifest, parcel: &[u8], bundle: &[u8]) -> Self {
        Self {
            version: manifest.version,
            parcel: ByteBuf::from(parcel),
            bundle: ByteBuf::from(bundle),
            not_before: manifest.not_before,
            stale: manifest.stale,
            trial: manifest.trial,
            rollout: manifest.rollout.clone(),
        }
    }
}

/// What happens to a gateway's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The agent starts.
    Start,
    /// A bundle was admitted, and is durable.
    Offer(Slot),
    /// The time of what is staged has come; these devices give readings.
    Due(Vec<DeviceId>),
    /// What is on trial has proven itself.
    Healthy,
    /// What is on trial has failed, or what is staged cannot be tried.
    Failed(Reason),
}

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub slot: Slot,
    /// What.
    pub outcome: Outcome,
    /// Why, when it was rolled back.
    pub code: Option<Reason>,
}

impl Phase {
    /// The phase after an event, and what became of bundles by it, in order.
    #[must_use]
    pub fn on(self, event: Event) -> (Self, Vec<Verdict>) {
        match (self, event) {
            (Self::Settled { good } | Self::Staged { good, .. }, Event::Offer(next)) => {
                staged(good, next, Vec::new())
            }
            (Self::OnTrial { good, next, .. }, Event::Offer(newer)) => {
                let said = vec![rolled_back(next, Reason::Superseded)];
                staged(good, newer, said)
            }
            (Self::Staged { good, next }, Event::Due(reading)) => {
                let said = vec![verdict(next.clone(), Outcome::OnTrial)];
                let on_trial = Self::OnTrial {
                    good,
                    next,
                    starts: 0,
                    reading,
                };
                (on_trial, said)
            }
            (
                Self::OnTrial {
                    good, next, starts, ..
                },
                Event::Start,
            ) if starts + 1 >= STARTS => settled(good, rolled_back(next, Reason::CrashLoop)),
            (
                Self::OnTrial {
                    good,
                    next,
                    starts,
                    reading,
                },
                Event::Start,
            ) => {
                let again = Self::OnTrial {
                    good,
                    next,
                    starts: starts + 1,
                    reading,
                };
                (again, Vec::new())
            }
            (Self::OnTrial { next, .. }, Event::Healthy) => {
                settled(Some(next.clone()), verdict(next, Outcome::Confirmed))
            }
            (
                Self::Staged { good, next } | Self::OnTrial { good, next, .. },
                Event::Failed(reason),
            ) => settled(good, rolled_back(next, reason)),
            (same, _) => (same, Vec::new()),
        }
    }

    /// What is in force; none is the profile the gateway was enrolled with.
    #[must_use]
    pub const fn in_force(&self) -> Option<&Slot> {
        match self {
            Self::Settled { good } | Self::Staged { good, .. } => good.as_ref(),
            Self::OnTrial { next, .. } => Some(next),
        }
    }

    /// What is gone back to.
    #[must_use]
    pub const fn good(&self) -> Option<&Slot> {
        match self {
            Self::Settled { good } | Self::Staged { good, .. } | Self::OnTrial { good, .. } => {
                good.as_ref()
            }
        }
    }

    /// What has not proven itself yet.
    #[must_use]
    pub const fn pending(&self) -> Option<&Slot> {
        match self {
            Self::Settled { .. } => None,
            Self::Staged { next, .. } | Self::OnTrial { next, .. } => Some(next),
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Settled { .. } => "settled",
            Self::Staged { .. } => "staged",
            Self::OnTrial { .. } => "on-trial",
        }
    }
}

impl Default for Phase {
    fn default() -> Self {
        Self::Settled { good: None }
    }
}

fn staged(good: Option<Slot>, next: Slot, mut said: Vec<Verdict>) -> (Phase, Vec<Verdict>) {
    said.push(verdict(next.clone(), Outcome::Staged));
    (Phase::Staged { good, next }, said)
}

fn settled(good: Option<Slot>, said: Verdict) -> (Phase, Vec<Verdict>) {
    (Phase::Settled { good }, vec![said])
}

const fn verdict(slot: Slot, outcome: Outcome) -> Verdict {
    Verdict {
        slot,
        outcome,
        code: None,
    }
}

const fn rolled_back(slot: Slot, reason: Reason) -> Verdict {
    Verdict {
        slot,
        outcome: Outcome::RolledBack,
        code: Some(reason),
    }
}

/// A profile is rolled back at the third start of the agent within its trial: two crashes could have other
/// causes. An orderly restart counts too: what cannot stay up long enough to prove itself is not proven.
pub const STARTS: u32 = 3;
