//! Who the operators are, and how many of them have to sign: the root of a gateway's trust in bundles.
//!
//! Owns the root document and its succession, as The Update Framework has it (TUF specification 1.0.33,
//! section 5.3): version n + 1 counts only when as many operators as version n asks for have signed it, and
//! as many as it asks for itself. Promises that nobody below the threshold can add a key, keep a removed one
//! or go back. Refuses to know the time: whether a root has expired is asked with a time.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, Limit};
use crate::receipt::SignError;
use crate::signature::joint::{self, Signer};
use crate::signature::{Purpose, VerifyError, VerifyingKey};

/// What a root document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// One more than its predecessor's.
    pub version: u64,
    /// How many operators have to sign a bundle.
    pub threshold: u16,
    /// The operators' keys.
    pub operators: Vec<VerifyingKey>,
    /// When it was made, UTC, seconds since 1970-01-01.
    pub issued: i64,
    /// From when on no bundle counts under it, UTC, seconds since 1970-01-01.
    pub expires: i64,
}

impl Root {
    /// Signs it. The first of its kind needs as many of its own operators as it asks for; a successor needs
    /// its predecessor's too. More may sign later, one by one: [`joint::countersign`].
    ///
    /// # Errors
    /// When it cannot be encoded or a key refuses.
    pub fn sign(&self, keys: &[&dyn Signer]) -> Result<Vec<u8>, SignError> {
        Ok(joint::sign(Purpose::Root, codec::encode(self)?, keys)?)
    }

    /// Reads a root document without believing it: for showing to an operator who is asked to sign.
    ///
    /// # Errors
    /// When it is no root document.
    pub fn unverified(bytes: &[u8]) -> Result<Self, RootError> {
        check_size(bytes)?;
        Self::read(&joint::unverified_payload(bytes)?)
    }

    fn read(payload: &[u8]) -> Result<Self, RootError> {
        let root: Self = codec::decode(payload, LIMIT)?;
        if root.schema != crate::SCHEMA {
            return Err(RootError::Schema(root.schema));
        }
        check_keys(&root.operators, root.threshold)?;
        Ok(root)
    }
}

/// The operators that a gateway believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    version: u64,
    threshold: u16,
    operators: Vec<VerifyingKey>,
    /// None where the keys were pinned in the gateway's own configuration.
    validity: Option<(i64, i64)>,
}

impl Trust {
    /// The operators that a gateway was enrolled with, as version `version` of the root; they do not expire.
    ///
    /// # Errors
    /// When the threshold cannot be reached, or a key is given twice.
    pub fn pinned(
        operators: Vec<VerifyingKey>,
        threshold: u16,
        version: u64,
    ) -> Result<Self, RootError> {
        check_keys(&operators, threshold)?;
        Ok(Self {
            version,
            threshold,
            operators,
            validity: None,
        })
    }

    /// Takes a root document that came over a trusted way, such as enrolment: its own operators signed it.
    ///
    /// # Errors
    /// When it is no root document or too few of its own operators signed it.
    pub fn first(bytes: &[u8]) -> Result<Self, RootError> {
        let root = Root::unverified(bytes)?;
        let (_, signers) = joint::verify(bytes, Purpose::Root, &root.operators)?;
        enough(&signers, &root.operators, root.threshold)?;
        Ok(Self::of(root))
    }

    /// Takes the successor of this root.
    ///
    /// # Errors
    /// When it is none: not the next version, or signed by too few of the old or of the new operators.
    pub fn follow(&self, bytes: &[u8]) -> Result<Self, RootError> {
        let root = Root::unverified(bytes)?;
        let next = self.version.checked_add(1);
        if next != Some(root.version) {
            return Err(RootError::NotNext {
                version: root.version,
                held: self.version,
            });
        }
        let mut trusted = self.operators.clone();
        let known = |key: &&VerifyingKey| !self.operators.contains(key);
        trusted.extend(root.operators.iter().filter(known).cloned());
        let (_, signers) = joint::verify(bytes, Purpose::Root, &trusted)?;
        enough(&signers, &self.operators, self.threshold)?;
        enough(&signers, &root.operators, root.threshold)?;
        Ok(Self::of(root))
    }

    /// Follows a chain of root documents, oldest first; those that are held already are passed over.
    ///
    /// # Errors
    /// As [`Trust::follow`]. What came before the wrong one does not count either.
    pub fn follow_all<'r>(
        &self,
        chain: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<Self, RootError> {
        let mut trust = self.clone();
        for bytes in chain {
            if Root::unverified(bytes)?.version > trust.version {
                trust = trust.follow(bytes)?;
            }
        }
        Ok(trust)
    }

    fn of(root: Root) -> Self {
        Self {
            version: root.version,
            threshold: root.threshold,
            operators: root.operators,
            validity: Some((root.issued, root.expires)),
        }
    }

    /// The payload of an envelope that enough operators signed for one purpose, and who they are.
    ///
    /// # Errors
    /// When a signature does not hold or is by somebody else, or there are too few.
    pub fn verify(
        &self,
        envelope: &[u8],
        purpose: Purpose,
    ) -> Result<(Vec<u8>, Vec<VerifyingKey>), RootError> {
        let (payload, signers) = joint::verify(envelope, purpose, &self.operators)?;
        enough(&signers, &self.operators, self.threshold)?;
        Ok((payload, signers))
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many operators have to sign.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The operators' keys.
    #[must_use]
    pub fn operators(&self) -> &[VerifyingKey] {
        &self.operators
    }

    /// When it was made, UTC seconds; none where it was pinned.
    #[must_use]
    pub fn issued(&self) -> Option<i64> {
        self.validity.map(|(issued, _)| issued)
    }

    /// From when on no bundle counts under it, UTC seconds; none where it was pinned.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.validity.map(|(_, expires)| expires)
    }
}

fn check_size(bytes: &[u8]) -> Result<(), RootError> {
    if bytes.len() > LIMIT.bytes {
        return Err(RootError::TooLarge(bytes.len()));
    }
    Ok(())
}

fn check_keys(operators: &[VerifyingKey], threshold: u16) -> Result<(), RootError> {
    let twice = |at: usize, key: &VerifyingKey| {
        operators
            .iter()
            .take(at)
            .any(|other| other.key_id() == key.key_id())
    };
    if let Some((_, key)) = operators
        .iter()
        .enumerate()
        .find(|(at, key)| twice(*at, key))
    {
        return Err(RootError::KeyTwice(key.fingerprint()));
    }
    // Old and new operators may all sign one document.
    if operators.len() > joint::MOST / 2 {
        return Err(RootError::TooManyKeys(operators.len()));
    }
    if threshold == 0 || usize::from(threshold) > operators.len() {
        return Err(RootError::Threshold {
            threshold,
            operators: operators.len(),
        });
    }
    Ok(())
}

fn enough(
    signers: &[VerifyingKey],
    operators: &[VerifyingKey],
    threshold: u16,
) -> Result<(), RootError> {
    let found = signers.iter().filter(|key| operators.contains(key)).count();
    if found < usize::from(threshold) {
        return Err(RootError::TooFew { found, threshold });
    }
    Ok(())
}

/// Why a root document, or what is signed under one, is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Larger than any root document.
    #[error("root document of {0} bytes, at most {most} are taken", most = LIMIT.bytes)]
    TooLarge(usize),
    /// The signatures.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Too few operators.
    #[error("signed by {found} of the operators, {threshold} are needed")]
    TooFew {
        /// How many signed.
        found: usize,
        /// How many it takes.
        threshold: u16,
    },
    /// The content.
    #[error("root document: {0}")]
    Decode(#[from] DecodeError),
    /// Written by a newer tool.
    #[error("root document has schema {0}, only schema {known} is known", known = crate::SCHEMA)]
    Schema(u16),
    /// Out of order.
    #[error("root document has version {version}, but {held} is held: only the next one counts")]
    NotNext {
        /// Its version.
        version: u64,
        /// The one that is held.
        held: u64,
    },
    /// Nobody could ever sign, or everybody could.
    #[error("{threshold} of {operators} operators can never sign")]
    Threshold {
        /// How many have to.
        threshold: u16,
        /// How many there are.
        operators: usize,
    },
    /// One key twice would count twice.
    #[error("operator key {0} is named twice")]
    KeyTwice(String),
    /// More than can sign.
    #[error("{0} operators, at most {most} are taken", most = joint::MOST / 2)]
    TooManyKeys(usize),
}

/// 8 KiB: sixteen keys and the signatures of two generations are under 4 KiB.
pub(crate) const LIMIT: Limit = Limit {
    bytes: 8 << 10,
    depth: 4,
};
