//! What a gateway says of its health, and of the last bundle it was sent.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, GatewayId};
use crate::lane::Lane;
use crate::sequence::Sequence;
use crate::time::Clock;

/// The retained health of a gateway; the last will of its connection is an offline one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who.
    pub gateway: GatewayId,
    /// Whether it is connected; `false` is said by the broker on its behalf.
    pub online: bool,
    /// More, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// The health of a running agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// When this was written, UTC, nanoseconds since 1970-01-01.
    pub utc_ns: i64,
    /// What is known of that clock.
    pub clock: Clock,
    /// Its store.
    pub epoch: Epoch,
    /// Per lane.
    pub lanes: Vec<LaneHealth>,
    /// Devices that give no readings now.
    pub devices_lost: Vec<String>,
    /// What is wrong, in words; empty when nothing is.
    pub faults: Vec<String>,
    /// When the client certificate ends, UTC, seconds since 1970-01-01.
    pub certificate_ends: i64,
}

/// How one lane does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHealth {
    /// Which lane.
    pub lane: Lane,
    /// The next place: as many records were committed in this epoch.
    pub next: Sequence,
    /// Records in the store that are not acknowledged.
    pub backlog: u64,
    /// When the oldest of them was measured, UTC, nanoseconds since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_ns: Option<i64>,
}

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigState {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who.
    pub gateway: GatewayId,
    /// When, UTC, nanoseconds since 1970-01-01.
    pub utc_ns: i64,
    /// The profile in force.
    pub profile: u64,
    /// The bundle this is about; none before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleOutcome>,
}

/// One bundle's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleOutcome {
    /// SHA-256 of the bundle as it was received.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// Its version, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What was done.
    pub outcome: Outcome,
    /// Why, in words; empty when applied.
    pub reason: String,
}

/// What a gateway did with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// It changed nothing.
    Refused,
}
