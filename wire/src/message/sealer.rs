//! Sealing: consecutive batches become the bytes of one message, in one buffer that is written once.
//!
//! The nonce is random: 96 bits under a key of one gateway and one epoch stay far below the 2^32 seals of
//! NIST SP 800-38D section 8.3 for any life of a gateway, also when an old copy of a store is put back and
//! sequences are seen again. A gateway that drains a backlog spends its time here, so the few bytes around
//! the seal are written by hand; [`Message::open`](super::Message::open) reads them with a library of its own.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::rand;

use super::{Head, PayloadKey, SealError};
use crate::SCHEMA;
use crate::codec;
use crate::id::{Epoch, GatewayId};
use crate::lane::Lane;
use crate::sequence::SequenceRange;

/// Seals the batches of one gateway and one epoch.
#[derive(Debug)]
pub struct Sealer {
    gateway: GatewayId,
    epoch: Epoch,
    cipher: LessSafeKey,
}

impl Sealer {
    /// Derives the key of the epoch, once.
    ///
    /// # Errors
    /// When the derivation fails, which these lengths never cause.
    pub fn new(gateway: GatewayId, epoch: Epoch, key: &PayloadKey) -> Result<Self, SealError> {
        let cipher = key.for_epoch(&epoch)?;
        Ok(Self {
            gateway,
            epoch,
            cipher,
        })
    }

    /// The bytes of one MQTT message. `batches` are encoded, in order and without holes between their places,
    /// which together are `range`.
    ///
    /// # Errors
    /// When the system has no randomness or the head cannot be encoded.
    pub fn seal(
        &self,
        lane: Lane,
        range: SequenceRange,
        batches: &[&[u8]],
    ) -> Result<Vec<u8>, SealError> {
        let head = codec::encode(&Head {
            schema: SCHEMA,
            gateway: self.gateway.clone(),
            epoch: self.epoch,
            lane,
            range,
        })?;
        let length = envelope_length(batches);
        let mut message = Vec::with_capacity(2 + head.len() + 1 + codec::MOST_HEAD + length);
        message.extend_from_slice(&[MAP_OF_2, 0]);
        message.extend_from_slice(&head);
        message.push(1);
        codec::bytes_head(&mut message, length);
        write_envelope(&mut message, &self.cipher, &head, batches)?;
        Ok(message)
    }
}

/// The sealed batches on their own. `head` is encoded.
pub(super) fn envelope(
    cipher: &LessSafeKey,
    head: &[u8],
    batches: &[&[u8]],
) -> Result<Vec<u8>, SealError> {
    let mut envelope = Vec::with_capacity(envelope_length(batches));
    write_envelope(&mut envelope, cipher, head, batches)?;
    Ok(envelope)
}

/// COSE_Encrypt0 (RFC 9052 section 5.2): protected header, iv, ciphertext with its tag.
fn write_envelope(
    into: &mut Vec<u8>,
    cipher: &LessSafeKey,
    head: &[u8],
    batches: &[&[u8]],
) -> Result<(), SealError> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| SealError::Randomness)?;
    into.push(ARRAY_OF_3);
    into.extend_from_slice(&PROTECTED);
    into.extend_from_slice(&IV);
    into.extend_from_slice(&nonce);
    codec::bytes_head(into, ciphertext_length(batches));
    let start = into.len();
    for batch in batches {
        into.extend_from_slice(batch);
    }
    let plain = into.get_mut(start..).unwrap_or_default();
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound(head)),
            plain,
        )
        .map_err(|_| SealError::Cipher)?;
    into.extend_from_slice(tag.as_ref());
    Ok(())
}

/// What the seal binds: Enc_structure (RFC 9052 section 5.3).
fn bound(head: &[u8]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(1 + CONTEXT.len() + PROTECTED.len() + 9 + head.len());
    bound.push(ARRAY_OF_3);
    bound.extend_from_slice(CONTEXT);
    bound.extend_from_slice(&PROTECTED);
    codec::bytes_head(&mut bound, head.len());
    bound.extend_from_slice(head);
    bound
}

fn envelope_length(batches: &[&[u8]]) -> usize {
    let ciphertext = ciphertext_length(batches);
    let mut head = Vec::with_capacity(codec::MOST_HEAD);
    codec::bytes_head(&mut head, ciphertext);
    1 + PROTECTED.len() + IV.len() + NONCE_LEN + head.len() + ciphertext
}

fn ciphertext_length(batches: &[&[u8]]) -> usize {
    let plain: usize = batches.iter().map(|batch| batch.len()).sum();
    plain + AES_256_GCM.tag_len()
}

const ARRAY_OF_3: u8 = 0x83;
const MAP_OF_2: u8 = 0xa2;
/// `bytes .cbor { 1 => 3 }`: alg, A256GCM.
const PROTECTED: [u8; 4] = [0x43, 0xa1, 0x01, 0x03];
/// `{ 5 => bytes .size 12 }`, without the bytes.
const IV: [u8; 3] = [0xa1, 0x05, 0x4c];
/// The text "Encrypt0".
const CONTEXT: &[u8] = b"\x68Encrypt0";
