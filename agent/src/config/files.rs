//! The files that the local file names: each is read here, and each fault names key and file.

use std::path::{Path, PathBuf};

use wardlink_link::file::{self, FileError};
use wardlink_link::floor;
use wardlink_link::identity::{Files, Identity};
use wardlink_wire::document::{Faults, Section};
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;
use wardlink_wire::signature::VerifyingKey;
use zeroize::Zeroizing;

use crate::store::{Credential, KeyFile, KeyProvider};
use crate::{clock, devices};

/// The text of a configuration file.
pub(super) fn text(path: &Path) -> Result<String, Faults> {
    let mut faults = Faults::default();
    let text = match file::read(path) {
        Ok(bytes) => String::from_utf8(bytes).ok(),
        Err(FileError::Io { error, .. }) => {
            faults.note("", format!("cannot be read: {error}"));
            return Err(faults);
        }
        Err(error) => {
            faults.note("", error.to_string());
            return Err(faults);
        }
    };
    if text.is_none() {
        faults.note("", "not UTF-8 text");
    }
    faults.or(text)
}

/// A required path, relative to the folder of the configuration file.
pub(super) fn path(
    section: &mut Section,
    key: &'static str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<PathBuf> {
    let text = section.text(key, faults);
    let text = section.require(key, text, faults)?;
    Some(folder.join(text))
}

/// Public keys, each in a file.
pub(super) fn verifying_keys(
    section: &mut Section,
    key: &'static str,
    folder: &Path,
    faults: &mut Faults,
) -> Vec<VerifyingKey> {
    let mut keys = Vec::new();
    for name in section.texts(key, faults) {
        match file::read_verifying_key(&folder.join(name)) {
            Ok(found) => keys.push(found),
            Err(error) => note(section.path(key), &error, faults),
        }
    }
    keys
}

/// The root document that a gateway was enrolled with.
pub(super) fn root(place: String, path: &Path, faults: &mut Faults) -> Option<Trust> {
    let read = match file::read(path) {
        Ok(bytes) => Trust::first(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    read.map_err(|problem| faults.note(place, problem)).ok()
}

/// A symmetric key in a required private file.
pub(super) fn symmetric_key(
    section: &mut Section,
    key: &'static str,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Zeroizing<[u8; 32]>> {
    let file = path(section, key, folder, faults)?;
    match file::read_key(&file) {
        Ok(found) => Some(found),
        Err(error) => {
            note(section.path(key), &error, faults);
            None
        }
    }
}

/// Where the store key comes from: a systemd credential if there is one, else the file that is named. It is
/// looked at, so that a fault is reported with all others.
pub(super) fn store_key(
    section: &mut Section,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Box<dyn KeyProvider>> {
    let provider: Box<dyn KeyProvider> = match Credential::find(CREDENTIAL) {
        Some(credential) => {
            let unused = section.text("key", faults);
            tracing::debug!(?credential, ?unused, "store key from a systemd credential");
            Box::new(credential)
        }
        None => Box::new(KeyFile::at(path(section, "key", folder, faults)?)),
    };
    match provider.keys() {
        Ok(_) => Some(provider),
        Err(error) => {
            faults.note(section.path("key"), error.to_string());
            None
        }
    }
}

/// A profile file; its faults are reported under its own name. A recording or scenario that cannot be played is
/// no fault of it: the other devices are read; but a check of the configuration warns of it.
pub(super) fn profile(path: &Path, faults: &mut Faults) -> Option<Profile> {
    let read = text(path).and_then(|text| Profile::parse(&text));
    match read {
        Ok(profile) => {
            for fault in devices::file_faults(&profile.devices) {
                tracing::warn!("{}: {fault}", path.display());
            }
            Some(profile)
        }
        Err(found) => {
            for fault in found.iter() {
                let place = format!("{} {}", path.display(), fault.path);
                match &fault.hint {
                    Some(hint) => faults.note_with_hint(place.trim_end(), &fault.problem, hint),
                    None => faults.note(place.trim_end(), &fault.problem),
                }
            }
            None
        }
    }
}

/// Whether certificate and key can be used and name this gateway. An expired one is no fault: recording
/// goes on, and the link says so; but a check of the configuration warns of it.
pub(super) fn check_identity(gateway: Option<&GatewayId>, files: &Files, faults: &mut Faults) {
    let identity = match Identity::load(files) {
        Ok(identity) => identity,
        Err(error) => {
            let hint = "`wardlink enrol` writes a gateway's certificate, key and configuration";
            faults.note_with_hint("broker", error.to_string(), hint);
            return;
        }
    };
    if let Some(gateway) = gateway.filter(|gateway| gateway.as_str() != identity.common_name()) {
        let problem = format!("{gateway} is not the name in the certificate");
        let hint = format!("the certificate is for {:?}", identity.common_name());
        faults.note_with_hint("gateway.id", problem, hint);
    }
    if identity.not_after() <= floor::judged_at(clock::utc_seconds()) {
        tracing::warn!(
            "{}: expired: records are kept, but no broker takes them until it is renewed",
            files.certificate.display()
        );
    }
}

fn note(path: String, error: &FileError, faults: &mut Faults) {
    faults.note(path, error.to_string());
}

/// The name under which systemd hands the store key over (`LoadCredential=`).
const CREDENTIAL: &str = "wardlink-store-key";
