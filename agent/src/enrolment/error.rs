//! Why a gateway did not become a member, or its certificate was not renewed.

use std::io;
use std::path::PathBuf;

use wardlink_link::file::FileError;
use wardlink_link::identity::IdentityError;
use wardlink_link::sealing::SealingError;
use wardlink_link::session::SessionError;
use wardlink_wire::codec::{DecodeError, EncodeError};
use wardlink_wire::document::Faults;

/// Why a gateway did not become a member, or its certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// A member's directory.
    #[error("{} is an enrolled gateway's directory: choose another one", .0.display())]
    Enrolled(PathBuf),
    /// No request to grant.
    #[error("{}: no request was made here: `wardlink-agent enrol request` makes it", .0.display())]
    NoRequest(PathBuf),
    /// Keys of another kind.
    #[error("{}: not what this program writes there", .0.display())]
    Damaged(PathBuf),
    /// A claim that is none.
    #[error("{}: not a claim file: {problem}", path.display())]
    Claim {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A claim that cannot be used any more.
    #[error("the claim for {0} has expired: ask the operator for another one")]
    ClaimOver(String),
    /// An answer to somebody else.
    #[error("this is the answer to another request")]
    OtherRequest,
    /// The operator says no.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer yet.
    #[error("nobody has answered: is `wardlink enrol serve` running?")]
    NoAnswer,
    /// A grant without what it has to hold.
    #[error("the grant {0}")]
    Grant(&'static str),
    /// The seal.
    #[error("the grant {0}")]
    Seal(#[from] SealingError),
    /// The bytes.
    #[error("answer: {0}")]
    Decode(#[from] DecodeError),
    /// The bytes.
    #[error("request: {0}")]
    Encode(#[from] EncodeError),
    /// The library would not make a key or a request.
    #[error("the key or its request could not be made: {0}")]
    Key(String),
    /// The configuration that came with the grant.
    #[error("the configuration that came with the grant has faults: {0}")]
    Configuration(Faults),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate and its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The connection.
    #[error("broker: {0}")]
    Session(#[from] SessionError),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl EnrolmentError {
    /// Whether it may be otherwise in a while, without anybody doing anything here.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NoAnswer | Self::Session(_))
    }
}
