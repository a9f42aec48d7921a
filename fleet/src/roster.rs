//! What the operator knows of the fleet: one embedded SQLite file, `fleet.db`.
//!
//! Owns gateways, their groups and tags, every certificate issued, claims, versions of profiles and
//! rollouts. Promises that what was said to be done is on the disk before it is reported, that a gateway is
//! enrolled once and a claim used once, and that no version is given twice, also when two people work at
//! the same time. Holds no private key.

pub(crate) mod certificates;
mod claims;
pub(crate) mod gateways;
mod schema;
pub(crate) mod versions;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use certificates::Certificate;
pub use claims::{Claim, Use};
pub use gateways::Entry;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use wardlink_wire::id::GatewayId;

use crate::exit::{Exit, Verdict};

/// The open file.
#[derive(Debug)]
pub struct Roster {
    pub(crate) connection: Connection,
}

impl Roster {
    /// Opens the file of a fleet directory, making it if it is missing.
    ///
    /// # Errors
    /// When it cannot be opened or was made by another version.
    pub fn open(path: &Path) -> Result<Self, RosterError> {
        let failed = |error| RosterError::Open {
            path: path.to_owned(),
            error,
        };
        let made = !path.exists();
        if made {
            // SQLite would make it readable by others; it holds the secrets of claims.
            match wardlink_link::file::write_private(path, b"") {
                Ok(()) => {}
                Err(_) if path.exists() => {}
                Err(error) => return Err(RosterError::File(error)),
            }
        }
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(failed)?;
        connection
            .pragma_update(None, "foreign_keys", true)
            .map_err(failed)?;
        schema::prepare(&mut connection)?;
        Ok(Self { connection })
    }

    /// Does several things or none of them, alone.
    pub(crate) fn together<T, E: From<RosterError>>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(RosterError::from)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(RosterError::from)?;
        Ok(done)
    }
}

/// Why the fleet's file is of no use, or says no.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// It does not open.
    #[error("{}: {error}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the library said.
        error: rusqlite::Error,
    },
    /// It cannot be made.
    #[error(transparent)]
    File(#[from] wardlink_link::file::FileError),
    /// Made by another version of this program.
    #[error("fleet.db has version {0}, this program knows only version {known}", known = schema::VERSION)]
    Version(i64),
    /// The database refused.
    #[error("fleet.db: {0}")]
    Database(#[from] rusqlite::Error),
    /// Something in it is not what this program writes.
    #[error("fleet.db: {0}")]
    Damaged(&'static str),
    /// Enrolled before.
    #[error(
        "gateway {0} is enrolled already: give a new name, or revoke it first (`wardlink revoke {0}`)"
    )]
    Known(GatewayId),
    /// Not enrolled.
    #[error("gateway {0} is not enrolled here: `wardlink gateways list` names those that are")]
    Unknown(GatewayId),
    /// No claim of this name.
    #[error("there is no claim {0}")]
    NoClaim(String),
}

impl Verdict for RosterError {
    fn exit(&self) -> Exit {
        match self {
            Self::Version(_) | Self::Unknown(_) | Self::NoClaim(_) => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}

/// How long another command may hold the file.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
