//! Why the archive did not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use wardlink_wire::batch::BatchError;
use wardlink_wire::codec::EncodeError;

use crate::exit::{Exit, Verdict};

/// Why the archive did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing there.
    #[error("{} holds no archive: name the directory that `wardlink monitor --data` was given", .0.display())]
    Missing(PathBuf),
    /// Another monitor.
    #[error("another monitor writes into {}: stop it, or choose another directory", .0.display())]
    Busy(PathBuf),
    /// Another version, or no archive at all.
    #[error("the archive has version {found}, this program knows version {known}; an older one is brought up to date when its monitor starts", known = super::schema::VERSION)]
    Version {
        /// What the file says.
        found: i64,
    },
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database refused.
    #[error("archive: {0}")]
    Database(#[from] rusqlite::Error),
    /// A place or a number beyond what the database can hold (2^63 - 1).
    #[error("a place of the batch lies beyond 2^63 - 1")]
    Beyond,
    /// A record that cannot be encoded again.
    #[error("archive: {0}")]
    Encode(#[from] EncodeError),
    /// A kept batch that does not decode: the file was damaged or changed.
    #[error("archive: batch {id} is damaged: {error}")]
    Batch {
        /// Its row.
        id: i64,
        /// What is wrong.
        error: BatchError,
    },
    /// Rows that contradict each other: the file was damaged or changed.
    #[error("archive: the file is damaged: {0}")]
    Damaged(&'static str),
}

impl ArchiveError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    /// Whether it is the batch that cannot be stored, rather than the archive that cannot store.
    #[must_use]
    pub fn is_about_content(&self) -> bool {
        match self {
            Self::Beyond | Self::Encode(_) => true,
            Self::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::ConstraintViolation
                        | ErrorCode::TypeMismatch
                        | ErrorCode::TooBig
                        | ErrorCode::ParameterOutOfRange
                )
            ),
            _ => false,
        }
    }
}

impl Verdict for ArchiveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing(_) | Self::Version { .. } => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}
