//! A batch sealed for the monitor: what one MQTT message carries.
//!
//! Owns [`PayloadKey`] and the message around a sealed batch. The broker sees gateway, epoch, lane and
//! sequence, which it needs nothing of, and no reading. The seal is a COSE_Encrypt0 (RFC 9052) whose
//! external data is everything outside it, so a message cannot be moved to another gateway, lane or
//! place. Only the gateway and the monitor hold the key: what opens was sealed by one of them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use coset::{CborSerializable, CoseEncrypt0, CoseEncrypt0Builder, HeaderBuilder, iana};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::batch::{Batch, BatchError};
use crate::codec::{self, DecodeError, EncodeError, Limit};
use crate::id::{Epoch, GatewayId};
use crate::lane::Lane;
use crate::sequence::{Sequence, SequenceRange};

/// A sealed batch and the facts that route it.
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
    /// The nonce is random: 96 bits under a key of one gateway and one epoch stay far below the
    /// 2^32 seals of NIST SP 800-38D section 8.3 for any life of a gateway, also when an old copy of a
    /// store is put back and sequences are seen again.
    ///
    /// # Errors
    /// When the system has no randomness or the head cannot be encoded.
    pub fn seal(head: Head, batch: &[u8], key: &PayloadKey) -> Result<Self, SealError> {
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        let aad = codec::encode(&head)?;
        let cipher = key.for_epoch(&head.epoch)?;
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::A256GCM)
            .build();
        let envelope = CoseEncrypt0Builder::new()
            .protected(protected)
            .unprotected(HeaderBuilder::new().iv(nonce.to_vec()).build())
            .try_create_ciphertext(batch, &aad, |plain, aad| {
                let mut data = plain.to_vec();
                cipher
                    .seal_in_place_append_tag(
                        Nonce::assume_unique_for_key(nonce),
                        Aad::from(aad),
                        &mut data,
                    )
                    .map(|()| data)
                    .map_err(|_| SealError::Cipher)
            })?
            .build();
        let sealed = envelope.to_vec().map_err(|_| SealError::Cipher)?;
        Ok(Self { head, sealed })
    }

    /// What is said openly. Nothing of it is proven before [`Message::open`].
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Opens the seal and checks that the batch inside is the one that the head announces.
    ///
    /// # Errors
    /// When the seal does not hold under this key, or head and batch differ.
    pub fn open(&self, key: &PayloadKey) -> Result<(Batch, Vec<u8>), OpenError> {
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
        let bytes = envelope.decrypt_ciphertext(
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
        )?;
        let batch = Batch::decode(&bytes)?;
        let announced = (
            batch.schema,
            &batch.gateway,
            batch.epoch,
            batch.lane,
            batch.range(),
        );
        let head = &self.head;
        if announced
            != (
                head.schema,
                &head.gateway,
                head.epoch,
                head.lane,
                Some(head.range),
            )
        {
            return Err(OpenError::Head);
        }
        Ok((batch, bytes))
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

/// The key that one gateway and the monitor share.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PayloadKey([u8; KEY]);

/// The monitor's key, from which every gateway's key is derived.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PayloadMasterKey([u8; KEY]);

impl PayloadMasterKey {
    /// Takes the 32 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// A gateway's key: HKDF-SHA256 (RFC 5869) over the gateway's name.
    ///
    /// # Errors
    /// When the derivation fails, which these lengths never cause.
    pub fn for_gateway(&self, gateway: &GatewayId) -> Result<PayloadKey, SealError> {
        derive(
            &self.0,
            &[b"wardlink payload 1", gateway.as_str().as_bytes()],
        )
        .map(PayloadKey)
    }
}

impl PayloadKey {
    /// Takes the 32 bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, for the file that enrolment writes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; KEY] {
        &self.0
    }

    fn for_epoch(&self, epoch: &Epoch) -> Result<LessSafeKey, SealError> {
        let mut bytes = derive(&self.0, &[b"wardlink batch 1", epoch.as_bytes()])?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::Cipher);
        bytes.zeroize();
        key.map(LessSafeKey::new)
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(***)")
    }
}

impl fmt::Debug for PayloadMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadMasterKey(***)")
    }
}

fn derive(secret: &[u8; KEY], info: &[&[u8]]) -> Result<[u8; KEY], SealError> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY
        }
    }
    let mut key = [0; KEY];
    Salt::new(HKDF_SHA256, &[])
        .extract(secret)
        .expand(info, Length)
        .and_then(|material| material.fill(&mut key))
        .map_err(|_| SealError::Cipher)?;
    Ok(key)
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
    #[error("the batch inside is not the one announced")]
    Head,
    /// Sealed content that is no batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Length of the shared keys, bytes.
pub const KEY: usize = 32;
const NONCE: usize = 12;
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

    /// The first place.
    #[must_use]
    pub const fn first(&self) -> Sequence {
        self.range.first()
    }
}
