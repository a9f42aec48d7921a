//! The gateway's log of decisions about its configuration: append-only, chained, bounded.
//!
//! Owns two files of the state folder: the current part and the one before it. Promises that an entry is
//! durable when [`AuditLog::append`] returns, that a new part goes on with the chain of the old one, and that
//! a log which no longer verifies is set aside and said to be, never silently begun anew. Format and
//! verifier: `wardlink_wire::audit`.

use std::io;

use wardlink_wire::audit::{self, AuditError, Head};
use wardlink_wire::codec::EncodeError;

use crate::update::disk::{Disk, replace};

/// The open log.
#[derive(Debug)]
pub struct AuditLog {
    author: String,
    head: Head,
    /// Bytes of the current part.
    size: usize,
    /// Whether a part was cut off within an entry, or may have been.
    torn: bool,
}

impl AuditLog {
    /// Opens the log, or begins one.
    ///
    /// An entry that a power cut left unfinished is cut off. A log that does not verify is renamed and a new
    /// one begins with what was found.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(disk: &mut dyn Disk, author: &str, utc_ns: i64) -> Result<Self, LogError> {
        let before = disk.read(BEFORE)?.unwrap_or_default();
        let current = disk.read(CURRENT)?.unwrap_or_default();
        let mut log = Self {
            author: author.to_owned(),
            head: Head::default(),
            size: 0,
            torn: false,
        };
        match audit::verify([before.as_slice(), &current]) {
            Ok(chain) => {
                log.head = chain.head;
                log.size = current.len().saturating_sub(chain.torn);
                if chain.torn > 0 {
                    let whole = current.get(..log.size).unwrap_or_default();
                    replace(disk, CURRENT, whole)?;
                }
            }
            Err(error) => log.begin_anew(disk, utc_ns, &error)?,
        }
        Ok(log)
    }

    fn begin_anew(
        &mut self,
        disk: &mut dyn Disk,
        utc_ns: i64,
        error: &AuditError,
    ) -> Result<(), LogError> {
        for name in [CURRENT, BEFORE] {
            if disk.read(name)?.is_some() {
                disk.rename(name, &format!("{name}.damaged"))?;
            }
        }
        disk.sync_names()?;
        self.append(disk, utc_ns, "damaged", &error.to_string())
    }

    /// Adds an entry, durably.
    ///
    /// # Errors
    /// When the disk refuses; then the entry is not in the log.
    pub fn append(
        &mut self,
        disk: &mut dyn Disk,
        utc_ns: i64,
        action: &str,
        detail: &str,
    ) -> Result<(), LogError> {
        let (frame, head) = self.head.extend(utc_ns, &self.author, action, detail)?;
        if self.torn {
            // What an append that failed left behind would make everything after it unreadable.
            let current = disk.read(CURRENT)?.unwrap_or_default();
            replace(disk, CURRENT, current.get(..self.size).unwrap_or_default())?;
            self.torn = false;
        }
        if self.size > 0 && self.size + frame.len() > PART {
            disk.rename(CURRENT, BEFORE)?;
            disk.sync_names()?;
            self.size = 0;
        }
        self.torn = true;
        disk.append(CURRENT, &frame)?;
        disk.sync(CURRENT)?;
        if self.size == 0 {
            disk.sync_names()?;
        }
        self.torn = false;
        self.size += frame.len();
        self.head = head;
        Ok(())
    }

    /// Its end.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }
}

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk.
    #[error("audit log: {0}")]
    Io(#[from] io::Error),
    /// The entry.
    #[error("audit log: {0}")]
    Encode(#[from] EncodeError),
}

/// The part that grows.
pub const CURRENT: &str = "audit.log";
/// The part before it.
pub const BEFORE: &str = "audit.log.1";
/// 256 KiB: over a thousand decisions.
const PART: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::update::disk::Folder;

    #[test]
    fn a_log_stays_bounded_and_its_chain_whole_through_rotation() {
        let folder = tempdir().unwrap();
        let mut disk = Folder::at(folder.path().to_owned());
        let mut log = AuditLog::open(&mut disk, "gw-1", 1).unwrap();
        let long = "x".repeat(2000);
        for number in 0..400_i64 {
            log.append(&mut disk, number, "refused", &long).unwrap();
            if number % 100 == 0 {
                log = AuditLog::open(&mut disk, "gw-1", number).unwrap();
            }
        }
        let parts = [BEFORE, CURRENT].map(|name| disk.read(name).unwrap().unwrap());
        assert!(parts.iter().all(|part| part.len() <= PART));
        let chain = audit::verify(parts.iter().map(Vec::as_slice)).unwrap();
        assert_eq!((chain.head.entries, &chain.head), (400, log.head()));
        assert!(chain.entries.len() < 400, "nothing was rotated away");
    }

    #[test]
    fn a_changed_log_is_set_aside_and_said_to_be() {
        let folder = tempdir().unwrap();
        let mut disk = Folder::at(folder.path().to_owned());
        let mut log = AuditLog::open(&mut disk, "gw-1", 1).unwrap();
        for _ in 0..3 {
            log.append(&mut disk, 1, "refused", "expired").unwrap();
        }
        let mut bytes = disk.read(CURRENT).unwrap().unwrap();
        let at = bytes
            .windows(7)
            .position(|word| word == b"expired")
            .unwrap();
        bytes[at] = b'E';
        disk.write(CURRENT, &bytes).unwrap();
        let log = AuditLog::open(&mut disk, "gw-1", 2).unwrap();
        let current = disk.read(CURRENT).unwrap().unwrap();
        let chain = audit::verify([current.as_slice()]).unwrap();
        assert_eq!(chain.entries[0].action, "damaged");
        assert_eq!(log.head().entries, 1);
        assert_eq!(disk.read("audit.log.damaged").unwrap().unwrap(), bytes);
    }
}
