//! What a gateway says of its health, and of the last bundle it was sent.

use serde::{Deserialize, Serialize};

use crate::audit::Head;
use crate::bundle::Version;
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
    /// The end of its audit log: a log that ends before it was cut. Absent where none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
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
    /// The profile in force, by its number; 0 is the one it was enrolled with.
    pub profile: u64,
    /// The bundle this is about; none before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleOutcome>,
    /// What it would take next and what it has proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}

/// Where a gateway stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The last profile that proved itself: what it goes back to.
    pub good: Version,
    /// Every bundle up to this one is refused.
    pub floor: Version,
    /// Version of the root document that it trusts.
    pub root: u64,
    /// Whether it should have heard of something newer by now.
    pub stale: bool,
    /// The end of its audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
}

/// One bundle's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleOutcome {
    /// SHA-256 of the message as it was received: of the whole parcel.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// Its version, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What was done.
    pub outcome: Outcome,
    /// Why, in words; empty when nothing is wrong.
    pub reason: String,
    /// Why, for programs; only when it was refused or rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Reason>,
    /// The roll-out and wave that the bundle named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
}

/// What a gateway did with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A parcel with nothing to try is in force: a new root document alone.
    Applied,
    /// It changed nothing.
    Refused,
    /// It is kept durably and waits for its time; the old profile holds.
    Staged,
    /// Its profile holds and is watched.
    OnTrial,
    /// Its profile holds and has proven itself.
    Confirmed,
    /// Its profile did not prove itself: the last good one holds again.
    RolledBack,
}

impl Outcome {
    /// Whether nothing more will be said of this bundle.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Staged | Self::OnTrial)
    }
}

/// Why a bundle was refused or rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Refused: larger than any bundle, or than any root document.
    TooLarge,
    /// Refused: not a parcel, bundle or root document of a known schema.
    Malformed,
    /// Refused: signed by a key that is not, or no longer, an operator's.
    UnknownKey,
    /// Refused: a signature does not hold.
    BadSignature,
    /// Refused: fewer operators signed than have to.
    TooFewSignatures,
    /// Refused: made under another root document than the one held.
    OtherRoot,
    /// Refused: the root document has expired.
    RootExpired,
    /// Refused: for another gateway.
    OtherGateway,
    /// Refused: not newer than what was taken before.
    NotNewer,
    /// Refused: expired.
    Expired,
    /// Refused: the profile inside has faults.
    Profile,
    /// Refused: it could not be kept.
    Storage,
    /// Rolled back: a device that gave readings before gives none.
    DeviceSilent,
    /// Rolled back: the broker acknowledges nothing any more.
    BrokerSilent,
    /// Rolled back: the agent started too often without the profile having proven itself.
    CrashLoop,
    /// Rolled back: a newer bundle came before it had proven itself.
    Superseded,
    /// Rolled back: what was kept can no longer be read.
    Unreadable,
}
