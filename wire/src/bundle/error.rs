//! Why a bundle is refused, in words and as the [`Reason`] that goes over the wire.

use crate::codec::DecodeError;
use crate::id::GatewayId;
use crate::root::RootError;
use crate::signature::VerifyError;
use crate::state::Reason;

use super::{LONGEST_TRIAL, SCHEMA, Trial};

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than any profile.
    #[error("bundle of {found} bytes, at most {allowed} are taken")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The most that is taken.
        allowed: usize,
    },
    /// Not what the topic carries.
    #[error("not a parcel: {0}")]
    Parcel(DecodeError),
    /// The signatures.
    #[error("bundle: {0}")]
    Signed(#[from] RootError),
    /// The content.
    #[error("bundle: {0}")]
    Decode(#[from] DecodeError),
    /// Written by another tool.
    #[error("bundle has schema {0}, only schema {SCHEMA} is known")]
    Schema(u16),
    /// No trial, or one without end.
    #[error(
        "bundle asks for a trial of {} s to {} s: the second is from 1 to {LONGEST_TRIAL} and no less than the first",
        .0.soak,
        .0.deadline
    )]
    Trial(Trial),
    /// A name that is a text of its own.
    #[error("bundle names a roll-out with more than 64 bytes")]
    Rollout,
    /// For somebody else.
    #[error("bundle is for gateway {0}")]
    OtherGateway(GatewayId),
    /// Signed by who may no longer, or not yet, sign.
    #[error("bundle was made under root {made}, but root {held} is held")]
    OtherRoot {
        /// The root it was made under.
        made: u64,
        /// The root that is held.
        held: u64,
    },
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
    /// Nobody may sign any more.
    #[error("the root document expired at {0} (UTC seconds): send its successor first")]
    RootExpired(i64),
}

impl BundleError {
    /// The reason, as programs read it.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } | Self::Signed(RootError::TooLarge(_)) => Reason::TooLarge,
            Self::Signed(error) => of_root(error),
            Self::Parcel(_)
            | Self::Decode(_)
            | Self::Schema(_)
            | Self::Trial(_)
            | Self::Rollout => Reason::Malformed,
            Self::OtherGateway(_) => Reason::OtherGateway,
            Self::OtherRoot { .. } => Reason::OtherRoot,
            Self::NotNewer { .. } => Reason::NotNewer,
            Self::Expired(_) => Reason::Expired,
            Self::RootExpired(_) => Reason::RootExpired,
        }
    }
}

const fn of_root(error: &RootError) -> Reason {
    match error {
        RootError::Verify(VerifyError::UnknownKey) => Reason::UnknownKey,
        RootError::Verify(VerifyError::Signature | VerifyError::Twice) => Reason::BadSignature,
        RootError::TooFew { .. } => Reason::TooFewSignatures,
        RootError::NotNext { .. } => Reason::OtherRoot,
        RootError::TooLarge(_) => Reason::TooLarge,
        RootError::Verify(VerifyError::Envelope | VerifyError::NotJoint)
        | RootError::Decode(_)
        | RootError::Schema(_)
        | RootError::Threshold { .. }
        | RootError::KeyTwice(_)
        | RootError::TooManyKeys(_) => Reason::Malformed,
    }
}
