//! A signed profile on its way to one gateway, and the parcel it travels in.
//!
//! Owns the order of checks: size, signatures, shape, root, target, version, time. A [`Bundle`] exists only
//! after enough operators' signatures held; [`Bundle::admit`] decides whether this gateway takes it. A
//! bundle is for one gateway: groups are the operator's own notion (docs/decisions/0006).

mod error;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::codec::{self, EncodeError, Limit};
use crate::id::GatewayId;
use crate::receipt::SignError;
use crate::root::{RootError, Trust};
use crate::signature::joint::{self, Signer};
use crate::signature::{Purpose, VerifyingKey};
pub use error::BundleError;

/// The schema of manifests and parcels. Schema 1 had one signature and no trial; no gateway takes it.
pub const SCHEMA: u16 = 2;

/// What operators sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u16,
    /// For whom.
    pub gateway: GatewayId,
    /// Strictly rising per gateway and root; a gateway never goes back.
    pub version: Version,
    /// When it was made, UTC, seconds since 1970-01-01.
    pub issued: i64,
    /// Until then it is kept and not applied, UTC, seconds since 1970-01-01.
    pub not_before: i64,
    /// From when on it is refused, UTC, seconds since 1970-01-01. One that was taken in time stays.
    pub expires: i64,
    /// From when on a gateway that has heard of nothing newer says so, UTC, seconds since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<i64>,
    /// How it has to prove itself.
    pub trial: Trial,
    /// What the operator's side calls the roll-out and wave; up to 64 bytes, said again in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The profile, as the text the operator wrote.
    pub profile: String,
}

/// Which of two bundles is the newer one: first by the root it was made under, then by its number.
///
/// So who once stole keys and used up all numbers has won nothing after the root was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Version {
    /// Version of the root document.
    pub root: u64,
    /// The number under that root.
    pub number: u64,
}

/// How a profile has to prove itself once it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// It is confirmed no earlier than this, seconds after it was applied.
    pub soak: u32,
    /// It is rolled back if it is not healthy by then, seconds after it was applied.
    pub deadline: u32,
}

impl Manifest {
    /// Signs it. More operators may sign later, one by one: [`joint::countersign`].
    ///
    /// # Errors
    /// When it cannot be encoded or a key refuses.
    pub fn sign(&self, keys: &[&dyn Signer]) -> Result<Vec<u8>, SignError> {
        Ok(joint::sign(Purpose::Bundle, codec::encode(self)?, keys)?)
    }

    /// Reads a bundle without believing it: for showing to an operator who is asked to sign.
    ///
    /// # Errors
    /// When it is no bundle.
    pub fn unverified(bytes: &[u8]) -> Result<Self, BundleError> {
        check_size(bytes, LIMIT)?;
        Self::read(&joint::unverified_payload(bytes).map_err(RootError::from)?)
    }

    fn read(payload: &[u8]) -> Result<Self, BundleError> {
        let manifest: Self = codec::decode(payload, LIMIT)?;
        if manifest.schema != SCHEMA {
            return Err(BundleError::Schema(manifest.schema));
        }
        let Trial { soak, deadline } = manifest.trial;
        if deadline == 0 || soak > deadline || deadline > LONGEST_TRIAL {
            return Err(BundleError::Trial(manifest.trial));
        }
        if manifest.rollout.as_ref().is_some_and(|id| id.len() > 64) {
            return Err(BundleError::Rollout);
        }
        Ok(manifest)
    }
}

/// A manifest that enough operators signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: Manifest,
    signers: Vec<VerifyingKey>,
}

impl Bundle {
    /// Reads a bundle that enough of the trusted operators signed.
    ///
    /// # Errors
    /// When it is too large, not signed by enough of them, by others too, or is no manifest.
    pub fn verify(bytes: &[u8], trust: &Trust) -> Result<Self, BundleError> {
        check_size(bytes, LIMIT)?;
        let (payload, signers) = trust.verify(bytes, Purpose::Bundle)?;
        let manifest = Manifest::read(&payload)?;
        Ok(Self { manifest, signers })
    }

    /// Whether `gateway`, which has taken everything up to `floor`, may take it at `now` (UTC seconds).
    ///
    /// # Errors
    /// When it was made under another root than the trusted one, is for another gateway, not newer, or
    /// expired, or the root is expired.
    pub fn admit(
        &self,
        gateway: &GatewayId,
        trust: &Trust,
        floor: Version,
        now: i64,
    ) -> Result<(), BundleError> {
        let manifest = &self.manifest;
        if manifest.gateway != *gateway {
            return Err(BundleError::OtherGateway(manifest.gateway.clone()));
        }
        if manifest.version.root != trust.version() {
            return Err(BundleError::OtherRoot {
                made: manifest.version.root,
                held: trust.version(),
            });
        }
        if manifest.version <= floor {
            return Err(BundleError::NotNewer {
                version: manifest.version.number,
                floor: floor.number,
            });
        }
        if manifest.expires <= now {
            return Err(BundleError::Expired(manifest.expires));
        }
        if let Some(expires) = trust.expires().filter(|expires| *expires <= now) {
            return Err(BundleError::RootExpired(expires));
        }
        Ok(())
    }

    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The fingerprints of the keys that signed, for people.
    #[must_use]
    pub fn signers(&self) -> String {
        let prints: Vec<_> = self.signers.iter().map(VerifyingKey::fingerprint).collect();
        prints.join(", ")
    }
}

/// What the `config` topic of a gateway carries, retained: so that a gateway that was away for long finds
/// all it needs in one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// [`SCHEMA`].
    pub schema: u16,
    /// Root documents, oldest first, from the one after that of the gateway's enrolment; those that it has
    /// are passed over.
    pub roots: Vec<ByteBuf>,
    /// The bundle; none where only the root changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<ByteBuf>,
}

impl Parcel {
    /// A parcel of one bundle.
    #[must_use]
    pub fn of(bundle: Vec<u8>) -> Self {
        Self {
            schema: SCHEMA,
            roots: Vec::new(),
            bundle: Some(ByteBuf::from(bundle)),
        }
    }

    /// Puts root documents before it.
    #[must_use]
    pub fn with_roots(mut self, roots: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.roots.extend(roots.into_iter().map(ByteBuf::from));
        self
    }

    /// The message.
    ///
    /// # Errors
    /// When it cannot be encoded, which this type never causes.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// Reads a message; nothing in it is believed yet.
    ///
    /// # Errors
    /// When it is too large or no parcel.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        check_size(bytes, PARCEL)?;
        let parcel: Self = codec::decode(bytes, PARCEL).map_err(BundleError::Parcel)?;
        if parcel.schema != SCHEMA {
            return Err(BundleError::Schema(parcel.schema));
        }
        Ok(parcel)
    }
}

const fn check_size(bytes: &[u8], limit: Limit) -> Result<(), BundleError> {
    if bytes.len() > limit.bytes {
        return Err(BundleError::TooLarge {
            found: bytes.len(),
            allowed: limit.bytes,
        });
    }
    Ok(())
}

/// One day.
pub const LONGEST_TRIAL: u32 = 86_400;
/// 64 KiB: a profile of some hundred devices.
const LIMIT: Limit = Limit {
    bytes: 64 << 10,
    depth: 4,
};
/// 192 KiB: a bundle and the roots of many years.
const PARCEL: Limit = Limit {
    bytes: 192 << 10,
    depth: 4,
};
