//! A signed profile on its way to gateways.
//!
//! Owns the order of checks: size, signature, shape, target, version, time. A [`Bundle`] exists only
//! after its signature held; [`Bundle::admit`] decides whether this gateway takes it.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, Limit};
use crate::id::GatewayId;
use crate::receipt::SignError;
use crate::signature::{self, Purpose, SigningKey, VerifyError, VerifyingKey};

/// What an operator signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Strictly rising per target; a gateway never goes back.
    pub version: u64,
    /// For whom.
    pub target: Target,
    /// When it was signed, UTC, seconds since 1970-01-01.
    pub issued: i64,
    /// From when on it is refused, UTC, seconds since 1970-01-01.
    pub expires: i64,
    /// The profile, as the text the operator wrote.
    pub profile: String,
}

/// For whom a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// One gateway.
    Gateway(GatewayId),
    /// Every gateway of a group.
    Group(String),
}

impl Manifest {
    /// Signs it.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, SignError> {
        Ok(key.sign(Purpose::Bundle, codec::encode(self)?)?)
    }
}

/// A manifest whose signature held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: Manifest,
    signer: String,
}

impl Bundle {
    /// Reads a bundle that one of the pinned operator keys signed.
    ///
    /// # Errors
    /// When it is too large, not signed by a pinned key, or no manifest.
    pub fn verify(bytes: &[u8], operators: &[VerifyingKey]) -> Result<Self, BundleError> {
        if bytes.len() > LIMIT.bytes {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let (payload, signer) = signature::verify(bytes, Purpose::Bundle, operators)?;
        let manifest: Manifest = codec::decode(&payload, LIMIT)?;
        if manifest.schema != crate::SCHEMA {
            return Err(BundleError::Schema(manifest.schema));
        }
        Ok(Self {
            manifest,
            signer: signer.fingerprint(),
        })
    }

    /// Whether `gateway`, which holds version `floor`, may take it at `now` (UTC seconds).
    ///
    /// # Errors
    /// When it is for another gateway, not newer, or expired.
    pub fn admit(&self, gateway: &GatewayId, floor: u64, now: i64) -> Result<(), BundleError> {
        let manifest = &self.manifest;
        match &manifest.target {
            Target::Gateway(target) if target == gateway => {}
            Target::Gateway(target) => return Err(BundleError::OtherGateway(target.clone())),
            Target::Group(group) => return Err(BundleError::OtherGroup(group.clone())),
        }
        if manifest.version <= floor {
            return Err(BundleError::NotNewer {
                version: manifest.version,
                floor,
            });
        }
        if manifest.expires <= now {
            return Err(BundleError::Expired(manifest.expires));
        }
        Ok(())
    }

    /// What was signed.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The fingerprint of the key that signed.
    #[must_use]
    pub fn signer(&self) -> &str {
        &self.signer
    }
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than any profile.
    #[error("bundle of {0} bytes, at most {most} are taken", most = LIMIT.bytes)]
    TooLarge(usize),
    /// The signature.
    #[error("bundle: {0}")]
    Verify(#[from] VerifyError),
    /// The content.
    #[error("bundle: {0}")]
    Decode(#[from] DecodeError),
    /// Written by a newer tool.
    #[error("bundle has schema {0}, only schema {known} is known", known = crate::SCHEMA)]
    Schema(u16),
    /// For somebody else.
    #[error("bundle is for gateway {0}")]
    OtherGateway(GatewayId),
    /// For a group that this gateway is not in.
    #[error("bundle is for group {0}")]
    OtherGroup(String),
    /// Old, or sent again.
    #[error("bundle has version {version}, but {floor} was applied already")]
    NotNewer {
        /// Its version.
        version: u64,
        /// The version it would have to exceed.
        floor: u64,
    },
    /// Too late.
    #[error("bundle expired at {0} (UTC seconds)")]
    Expired(i64),
}

/// 64 KiB: a profile of some hundred devices.
const LIMIT: Limit = Limit {
    bytes: 64 << 10,
    depth: 4,
};
