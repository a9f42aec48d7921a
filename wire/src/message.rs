//! Batches sealed for the monitor: what one MQTT message carries.
//!
//! Owns the message around its seal: one batch, or several of consecutive places one after the other (a CBOR
//! sequence, RFC 8742). The broker sees gateway, epoch, lane and sequence, which it needs nothing of, and no
//! reading. The seal is a COSE_Encrypt0 (RFC 9052) whose external data is everything outside it, so a
//! message cannot be moved to another gateway, lane or place. Only the gateway and the monitor hold the key:
//! what opens was sealed by one of them.

mod key;
mod sealer;

use aws_lc_rs::aead::{Aad, Nonce};
use coset::{CborSerializable, CoseEncrypt0, iana};
use serde::{Deserialize, Serialize};

use self::sealer::envelope;
use crate::batch::{self, Batch, BatchError};
use crate::codec::{self, DecodeError, EncodeError, Limit};
use crate::id::{Epoch, GatewayId};
use crate::lane::Lane;
use crate::sequence::{Sequence, SequenceRange};

pub use self::key::{KEY, PayloadKey, PayloadMasterKey};
pub use self::sealer::Sealer;

/// Sealed batches and the facts that route it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    head: Head,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// What is said openly, and bound by the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who measured.
    pub gateway: GatewayId,
    /// Which store gave the sequences.
    pub epoch: Epoch,
    /// Which lane.
    pub lane: Lane,
    /// The places of the records inside.
    pub range: SequenceRange,
}

impl Message {
    /// Seals an encoded batch for the monitor.
    ///
    /// # Errors
    /// When the system has no randomness or the head cannot be encoded.
    pub fn seal(head: Head, batch: &[u8], key: &PayloadKey) -> Result<Self, SealError> {
        let cipher = key.for_epoch(&head.epoch)?;
        let sealed = envelope(&cipher, &codec::encode(&head)?, &[batch])?;
        Ok(Self { head, sealed })
    }

    /// What is said openly. Nothing of it is proven before [`Message::open`].
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Opens the seal and checks that the batches inside are the ones that the head announces, one after the
    /// other and without holes. Gives each with its encoded bytes.
    ///
    /// # Errors
    /// When the seal does not hold under this key, or head and batches differ.
    pub fn open(&self, key: &PayloadKey) -> Result<Vec<(Batch, Vec<u8>)>, OpenError> {
        let bytes = self.unseal(key)?;
        let (mut opened, mut rest) = (Vec::new(), bytes.as_slice());
        let mut next = Some(self.head.range.first());
        while !rest.is_empty() {
            let (one, more) = codec::split_first(rest, batch::LIMIT).map_err(BatchError::from)?;
            let batch = Batch::decode(one)?;
            let range = batch.range().ok_or(BatchError::Empty)?;
            if !self.head.announces(&batch) || next != Some(range.first()) {
                return Err(OpenError::Head);
            }
            next = range.last().0.checked_add(1).map(Sequence);
            opened.push((batch, one.to_vec()));
            rest = more;
        }
        let last = opened.last().and_then(|(batch, _)| batch.range());
        if last.map(SequenceRange::last) != Some(self.head.range.last()) {
            return Err(OpenError::Head);
        }
        Ok(opened)
    }

    fn unseal(&self, key: &PayloadKey) -> Result<Vec<u8>, OpenError> {
        let envelope = CoseEncrypt0::from_slice(&self.sealed).map_err(|_| OpenError::Envelope)?;
        let algorithm = coset::Algorithm::Assigned(iana::Algorithm::A256GCM);
        if envelope.protected.header.alg != Some(algorithm)
            || !envelope.protected.header.crit.is_empty()
        {
            return Err(OpenError::Envelope);
        }
        let nonce = Nonce::try_assume_unique_for_key(&envelope.unprotected.iv)
            .map_err(|_| OpenError::Envelope)?;
        let aad = codec::encode(&self.head).map_err(|_| OpenError::Envelope)?;
        let cipher = key
            .for_epoch(&self.head.epoch)
            .map_err(|_| OpenError::Seal)?;
        envelope.decrypt_ciphertext(
            &aad,
            || OpenError::Envelope,
            |sealed, aad| {
                let mut data = sealed.to_vec();
                let plain = cipher
                    .open_in_place(nonce, Aad::from(aad), &mut data)
                    .map_err(|_| OpenError::Seal)?
                    .len();
                data.truncate(plain);
                Ok(data)
            },
        )
    }

    /// The bytes of the MQTT message.
    ///
    /// # Errors
    /// When the encoder refuses, which these types never cause.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// Reads the bytes of an MQTT message; the seal stays closed.
    ///
    /// # Errors
    /// When they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, LIMIT)
    }
}

/// Why a batch was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to seal")]
    Cipher,
    /// The head could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Why a message was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not the envelope this version uses.
    #[error("not a COSE_Encrypt0 with A256GCM")]
    Envelope,
    /// Another key sealed it, or it was changed.
    #[error("the seal does not hold: another key, or changed on the way")]
    Seal,
    /// Sealed content that contradicts the head.
    #[error("what is inside is not what is announced")]
    Head,
    /// Sealed content that is no batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

const LIMIT: Limit = Limit {
    bytes: (8 << 20) + 1024,
    depth: 6,
};

/// A range of one batch, for building heads.
impl Head {
    /// The head of a batch; none for a batch without records.
    #[must_use]
    pub fn of(batch: &Batch) -> Option<Self> {
        Some(Self {
            schema: batch.schema,
            gateway: batch.gateway.clone(),
            epoch: batch.epoch,
            lane: batch.lane,
            range: batch.range()?,
        })
    }

    /// Whether a batch is of this gateway, epoch and lane.
    fn announces(&self, batch: &Batch) -> bool {
        (batch.schema, &batch.gateway, batch.epoch, batch.lane)
            == (self.schema, &self.gateway, self.epoch, self.lane)
    }

    /// The first place.
    #[must_use]
    pub const fn first(&self) -> Sequence {
        self.range.first()
    }
}
