//! From a profile text to the parcel that a gateway takes.

use std::path::{Path, PathBuf};

use wardlink_link::file;
use wardlink_wire::bundle::{self, Bundle, Manifest, Parcel, Trial, Version};
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::receipt::SignError;
use wardlink_wire::root::Trust;
use wardlink_wire::signature::SigningKey;

use super::RolloutError;
use crate::clock;
use crate::directory::FleetDirectory;
use crate::keyring::Keyring;

/// The operator's key, and what every bundle says.
pub(super) struct Signing {
    key: SigningKey,
    trust: Trust,
    issued: i64,
    expires: i64,
    trial: Trial,
}

impl Signing {
    /// Opens the operator's key; bundles hold from now on for `valid` seconds.
    pub(super) fn open(
        fleet: &FleetDirectory,
        keyring: &Keyring,
        valid: u64,
        trial: Trial,
    ) -> Result<Self, RolloutError> {
        fleet.settings().map(drop)?;
        let key = keyring.signing_key(&fleet.operator().join("operator.key"))?;
        let trust = Trust::pinned(vec![key.verifying_key()], 1, FIRST_ROOT)?;
        let issued = clock::now_seconds();
        let expires = i64::try_from(valid)
            .ok()
            .and_then(|valid| issued.checked_add(valid))
            .ok_or(RolloutError::TooLong)?;
        Ok(Self {
            key,
            trust,
            issued,
            expires,
            trial,
        })
    }

    /// When bundles signed here stop being taken, UTC seconds.
    pub(super) const fn expires(&self) -> i64 {
        self.expires
    }

    /// Refuses what no gateway could take, for its size or its trial. Costs no version.
    pub(super) fn try_out(&self, gateway: &GatewayId, profile: &str) -> Result<(), RolloutError> {
        let manifest = self.manifest(gateway, u64::MAX, profile, Some("x".repeat(LONGEST_ID)));
        Bundle::verify(&manifest.sign(&[&self.key])?, &self.trust)?;
        Ok(())
    }

    /// Signs a profile for a gateway.
    pub(super) fn parcel(
        &self,
        gateway: &GatewayId,
        number: u64,
        profile: &str,
        rollout: Option<String>,
    ) -> Result<Vec<u8>, RolloutError> {
        let manifest = self.manifest(gateway, number, profile, rollout);
        let parcel = Parcel::of(manifest.sign(&[&self.key])?);
        Ok(parcel.encode().map_err(SignError::from)?)
    }

    fn manifest(
        &self,
        gateway: &GatewayId,
        number: u64,
        profile: &str,
        rollout: Option<String>,
    ) -> Manifest {
        Manifest {
            schema: bundle::SCHEMA,
            gateway: gateway.clone(),
            version: Version {
                root: FIRST_ROOT,
                number,
            },
            issued: self.issued,
            not_before: self.issued,
            expires: self.expires,
            stale: None,
            trial: self.trial,
            rollout,
            profile: profile.to_owned(),
        }
    }
}

/// Reads a profile that has no faults, with the gateway's own code.
pub(super) fn read_profile(path: &Path) -> Result<(String, Profile), RolloutError> {
    let bytes = file::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| RolloutError::NoText(PathBuf::from(path)))?;
    match Profile::parse(&text) {
        Ok(profile) => Ok((text, profile)),
        Err(faults) => Err(RolloutError::Profile {
            path: path.to_owned(),
            faults,
        }),
    }
}

/// The version of the root that gateways are enrolled with.
const FIRST_ROOT: u64 = 1;
/// Bytes of a roll-out's name in a bundle.
const LONGEST_ID: usize = 64;
