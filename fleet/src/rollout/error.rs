//! Why a profile was not checked, signed or pushed.

use std::io;
use std::path::PathBuf;

use wardlink_link::file::FileError;
use wardlink_link::session::SessionError;
use wardlink_wire::bundle::BundleError;
use wardlink_wire::document::Faults;
use wardlink_wire::receipt::SignError;
use wardlink_wire::root::RootError;
use wardlink_wire::signature::KeyError;

use super::exchange::ExchangeError;
use crate::audit::AuditLogError;
use crate::directory::DirectoryError;
use crate::exit::{Exit, Verdict};
use crate::keyring::KeyringError;
use crate::roster::RosterError;

/// Why a profile was not checked, signed or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Faults in the profile.
    #[error("{}: the profile has faults\n{faults}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
    /// Not UTF-8.
    #[error("{}: a profile is a text in UTF-8", .0.display())]
    NoText(PathBuf),
    /// Neither profile nor bundle.
    #[error("name a profile, or a bundle with --bundle")]
    NothingToPush,
    /// Nobody.
    #[error("name whom it is for: --gateway, or --group with members that are not revoked")]
    Nobody,
    /// One is under way.
    #[error("rollout {0} has not ended: go on with `wardlink profile push --resume`")]
    UnderWay(i64),
    /// None is.
    #[error("there is no rollout to go on with or to look at")]
    NoRollout,
    /// Nothing to go back to.
    #[error("rollout {0} did not end well: there is nothing to roll back")]
    NothingToRollBack(i64),
    /// Beyond the calendar.
    #[error("--valid reaches past the end of time")]
    TooLong,
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operator's keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The operators.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The signature.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
    /// The signature of another operator.
    #[error("cannot sign: {0}")]
    Key(#[from] KeyError),
    /// What no gateway would take.
    #[error("no gateway would take it: {0}")]
    Bundle(#[from] BundleError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The broker.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The connection, in the middle of a rollout.
    #[error("broker: {0}")]
    Session(#[from] SessionError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for RolloutError {
    fn exit(&self) -> Exit {
        match self {
            Self::Roster(error) => error.exit(),
            Self::Profile { .. }
            | Self::NoText(_)
            | Self::NothingToPush
            | Self::Nobody
            | Self::UnderWay(_)
            | Self::NoRollout
            | Self::NothingToRollBack(_)
            | Self::TooLong
            | Self::Directory(_)
            | Self::File(_)
            | Self::Keyring(_)
            | Self::Root(_)
            | Self::Bundle(_) => Exit::BadInput,
            Self::Audit(_)
            | Self::Sign(_)
            | Self::Key(_)
            | Self::Exchange(_)
            | Self::Session(_)
            | Self::Report(_) => Exit::Failed,
        }
    }
}
