//! What the updater has to know after a power cut, in one file that is replaced as a whole.
//!
//! Owns `update.cbor` and the files of the bundles that it names. Promises that a bundle's file is durable
//! before the record that names it, and that a record or bundle which is not what was written is not
//! believed: each carries, or is called by, its SHA-256.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wardlink_wire::bundle::Version;
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::state::BundleOutcome;

use super::UpdateError;
use super::disk::{Disk, replace};
use super::machine::{Phase, Slot};

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Where the gateway stands.
    pub phase: Phase,
    /// Every bundle up to this one is refused.
    pub floor: Version,
    /// The newest time that enough operators signed, UTC seconds: it cannot be earlier.
    pub seen: i64,
    /// The root documents after the pinned one, oldest first.
    pub roots: Vec<ByteBuf>,
    /// What was last said of a bundle that was taken.
    pub last: Option<BundleOutcome>,
}

impl Record {
    /// Reads the record; none where there is none. One damaged copy does no harm.
    ///
    /// # Errors
    /// When it cannot be read or no copy is what was written.
    pub fn read(disk: &dyn Disk) -> Result<Option<Self>, UpdateError> {
        let mut lost = false;
        for name in [NAME, COPY] {
            let bytes = disk.read(name).map_err(UpdateError::Read)?;
            match bytes.map(|bytes| unframe(&bytes)) {
                Some(Some(record)) => return Ok(Some(record)),
                Some(None) => lost = true,
                None => {}
            }
        }
        if lost {
            Err(UpdateError::Damaged)
        } else {
            Ok(None)
        }
    }

    /// Writes the record: after a power cut the old or the new one holds.
    ///
    /// # Errors
    /// When the disk refuses the first copy; without the second one it goes on.
    pub fn write(&self, disk: &mut dyn Disk) -> Result<(), UpdateError> {
        let content = codec::encode(self).map_err(UpdateError::Encode)?;
        let bytes = [sha256(&content).as_slice(), &content].concat();
        replace(disk, NAME, &bytes).map_err(UpdateError::Write)?;
        if let Err(error) = replace(disk, COPY, &bytes) {
            tracing::warn!(%error, "{COPY}");
        }
        Ok(())
    }

    /// Removes the files of bundles that it does not name. What cannot be removed is removed next time.
    pub fn tidy(&self, disk: &mut dyn Disk) {
        let named = [self.phase.good(), self.phase.pending()];
        let named: Vec<_> = named
            .into_iter()
            .flatten()
            .map(|slot| file(&slot.bundle))
            .collect();
        let obsolete = |name: &String| name.contains(SUFFIX) && !named.contains(name);
        for name in disk
            .names()
            .unwrap_or_default()
            .iter()
            .filter(|name| obsolete(name))
        {
            if let Err(error) = disk.remove(name) {
                tracing::debug!(%error, "{name}");
            }
        }
    }
}

fn unframe(bytes: &[u8]) -> Option<Record> {
    let (digest, content) = bytes.split_at_checked(32)?;
    if sha256(content) != digest {
        return None;
    }
    codec::decode(content, LIMIT).ok()
}

/// Makes a bundle durable, under the name of its digest.
///
/// # Errors
/// When the disk refuses.
pub fn keep(disk: &mut dyn Disk, bundle: &[u8]) -> Result<(), UpdateError> {
    replace(disk, &file(&sha256(bundle)), bundle).map_err(UpdateError::Write)
}

/// The bundle of a slot, as it was taken.
///
/// # Errors
/// When it cannot be read or is not what was written.
pub fn kept(disk: &dyn Disk, slot: &Slot) -> Result<Vec<u8>, UpdateError> {
    let bytes = disk.read(&file(&slot.bundle)).map_err(UpdateError::Read)?;
    bytes
        .filter(|bytes| sha256(bytes) == slot.bundle.as_slice())
        .ok_or(UpdateError::Damaged)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn file(digest: &[u8]) -> String {
    let mut name = String::with_capacity(2 * digest.len() + SUFFIX.len());
    for byte in digest {
        if write!(name, "{byte:02x}").is_err() {
            break;
        }
    }
    name + SUFFIX
}

const NAME: &str = "update.cbor";
/// Written after the first one, read when that one is damaged.
const COPY: &str = "update.copy.cbor";
const SUFFIX: &str = ".bundle";
/// 512 KiB: all root documents of one parcel, and little else.
const LIMIT: Limit = Limit {
    bytes: 512 << 10,
    depth: 8,
};
