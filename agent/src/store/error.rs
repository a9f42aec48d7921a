//! What can go wrong with a store, worded for the person who must act.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::Sequence;

use super::engine::EngineKind;
use super::provider::KeyError;

/// Why a store was not opened, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the lock.
    #[error(
        "store {} is in use by another process: stop that agent first",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The key is not the one the store was created with.
    #[error(
        "store key does not fit this store: {} was sealed with another key; give the agent that key, \
         or move the directory away to begin a new store",
        path.display()
    )]
    WrongKey {
        /// The directory.
        path: PathBuf,
    },
    /// The store was created by another gateway.
    #[error(
        "store {} belongs to gateway {found}, this is {expected}: correct the gateway id, or move the \
         directory away to begin a new store",
        path.display()
    )]
    OtherGateway {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: GatewayId,
        /// Who asked.
        expected: GatewayId,
    },
    /// The store was made by another engine.
    #[error(
        "store {} was made by the engine {found}, the configuration says {expected}: set store.engine to \
         {found}, or move the directory away to begin a new store",
        path.display()
    )]
    OtherEngine {
        /// The directory.
        path: PathBuf,
        /// Which made it.
        found: EngineKind,
        /// Which was asked for.
        expected: EngineKind,
    },
    /// Written by an agent of another version.
    #[error(
        "store {} has format {found}, this agent knows format {known}: deliver it with the agent that wrote \
         it, or move the directory away to begin a new store",
        path.display(), known = super::identity::FORMAT
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// Its format version.
        found: u16,
    },
    /// Identity lost, and no segment opens with this key for this gateway.
    #[error(
        "store {} has lost its meta file and no segment opens with this store key for this gateway: \
         correct key and gateway id, or move the directory away to begin a new store",
        path.display()
    )]
    Unrecognised {
        /// The directory.
        path: PathBuf,
    },
    /// There is no room; nothing was stored.
    #[error("store {} is full: {cause}", path.display())]
    Full {
        /// The directory or file.
        path: PathBuf,
        /// What is used up.
        cause: FullCause,
    },
    /// The medium refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Medium {
        /// What was attempted.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A batch that does not follow its predecessor.
    #[error("a batch of lane {lane} begins at {found}, the next place is {expected}")]
    Place {
        /// The lane.
        lane: Lane,
        /// The place that is next.
        expected: Sequence,
        /// The place that was given.
        found: Sequence,
    },
    /// A batch or group beyond what the format or the budget can hold.
    #[error("{bytes} bytes in one commit are more than the store's budget of {budget} can hold")]
    TooLarge {
        /// What was given.
        bytes: u64,
        /// The budget.
        budget: u64,
    },
    /// A budget too small for any store.
    #[error("a store budget of {budget} bytes is too small: give at least {least}")]
    Budget {
        /// What was given.
        budget: u64,
        /// The least that works.
        least: u64,
    },
    /// The store key cannot be had.
    #[error("store key: {0}")]
    Key(#[from] KeyError),
    /// No random bytes, so no new key.
    #[error("the system gives no random bytes, so nothing can be sealed")]
    Randomness,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to {0}")]
    Cipher(&'static str),
}

impl StoreError {
    pub(super) fn medium(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let path = path.to_owned();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full {
                path,
                cause: FullCause::FileSystem,
            },
            _ => Self::Medium {
                doing,
                path,
                source,
            },
        }
    }

    /// Whether the medium says that a file is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Medium { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// What is used up when a store is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullCause {
    /// The bytes the configuration allows, by batches that nothing newer may evict.
    Budget(u64),
    /// The bytes the configuration allows; the oldest batches make room for new ones.
    Evicting(u64),
    /// The file system or its quota.
    FileSystem,
}

impl fmt::Display for FullCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(bytes) => write!(
                f,
                "its budget of {bytes} bytes is taken by batches not acknowledged yet; bring the uplink \
                 back or raise the budget"
            ),
            Self::Evicting(bytes) => write!(
                f,
                "its budget of {bytes} bytes is taken by batches not acknowledged yet, and the oldest make \
                 room for new ones, waves first; bring the uplink back or raise the budget"
            ),
            Self::FileSystem => f.write_str("the file system has no room; free some space on it"),
        }
    }
}
