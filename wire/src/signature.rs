//! Ed25519 signatures in COSE_Sign1 envelopes (RFC 9052 section 4.2, RFC 9053 section 2.2); by several keys
//! in [`joint`] ones.
//!
//! Owns [`SigningKey`] and [`VerifyingKey`] and their PEM forms (PKCS#8, SPKI: RFC 8410). One algorithm,
//! no negotiation; an unknown critical header is refused. What a signature is for is part of what is
//! signed, so a receipt can never pass for a bundle.

pub mod joint;

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use serde::{Deserialize, Serialize};

/// A private key that signs.
pub struct SigningKey(Ed25519KeyPair);

/// A public key that verifies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct VerifyingKey([u8; 32]);

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate()
            .map(Self)
            .map_err(|_| KeyError::Generate)
    }

    /// The key as a PKCS#8 document (DER).
    ///
    /// # Errors
    /// When the cryptographic library refuses.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self
            .0
            .to_pkcs8v1()
            .map_err(|_| KeyError::Generate)?
            .as_ref()
            .to_vec())
    }

    /// Reads a PKCS#8 document (DER).
    ///
    /// # Errors
    /// When it is no Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map(Self)
            .map_err(|_| KeyError::Private)
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs a payload for one purpose.
    ///
    /// # Errors
    /// When the envelope cannot be encoded.
    pub fn sign(&self, purpose: Purpose, payload: Vec<u8>) -> Result<Vec<u8>, KeyError> {
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .key_id(self.verifying_key().key_id())
            .build();
        CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .create_signature(purpose.context(), |data| {
                self.0.sign(data).as_ref().to_vec()
            })
            .build()
            .to_vec()
            .map_err(|_| KeyError::Envelope)
    }
}

impl VerifyingKey {
    /// The key as a SubjectPublicKeyInfo (DER).
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }

    /// Reads a SubjectPublicKeyInfo (DER).
    ///
    /// # Errors
    /// When it is no Ed25519 key.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        der.strip_prefix(SPKI_PREFIX.as_slice())
            .and_then(|key| key.try_into().ok())
            .map(Self)
            .ok_or(KeyError::Public)
    }

    /// The first 8 bytes of the key: which of several keys signed.
    #[must_use]
    pub fn key_id(&self) -> Vec<u8> {
        self.0.iter().take(8).copied().collect()
    }

    /// The key id in hexadecimal, for people.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key_id()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl TryFrom<serde_bytes::ByteBuf> for VerifyingKey {
    type Error = KeyError;

    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, KeyError> {
        <[u8; 32]>::try_from(bytes.into_vec())
            .map(Self)
            .map_err(|_| KeyError::Public)
    }
}

impl From<VerifyingKey> for serde_bytes::ByteBuf {
    fn from(key: VerifyingKey) -> Self {
        Self::from(key.0.to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.fingerprint())
    }
}

/// What a signature is for; signed along as external data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A profile for gateways.
    Bundle,
    /// Who the operators are, and how many of them it takes.
    Root,
    /// A monitor's statement of what it has.
    Receipt,
}

impl Purpose {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Bundle => b"wardlink bundle 2",
            Self::Root => b"wardlink root 1",
            Self::Receipt => b"wardlink receipt 1",
        }
    }
}

/// Checks an envelope against the trusted keys and hands out its payload and the key that signed.
///
/// # Errors
/// When it is no such envelope, its key is not trusted, or the signature does not hold.
pub fn verify<'k>(
    envelope: &[u8],
    purpose: Purpose,
    trusted: &'k [VerifyingKey],
) -> Result<(Vec<u8>, &'k VerifyingKey), VerifyError> {
    let envelope = CoseSign1::from_slice(envelope).map_err(|_| VerifyError::Envelope)?;
    let header = &envelope.protected.header;
    let algorithm = coset::Algorithm::Assigned(iana::Algorithm::EdDSA);
    if header.alg != Some(algorithm) || !header.crit.is_empty() {
        return Err(VerifyError::Envelope);
    }
    let key = trusted
        .iter()
        .find(|key| key.key_id() == header.key_id)
        .ok_or(VerifyError::UnknownKey)?;
    envelope.verify_signature(purpose.context(), |signature, data| {
        UnparsedPublicKey::new(&ED25519, &key.0)
            .verify(data, signature)
            .map_err(|_| VerifyError::Signature)
    })?;
    envelope
        .payload
        .map(|payload| (payload, key))
        .ok_or(VerifyError::Envelope)
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No randomness, or the library refused.
    #[error("the cryptographic library could not make the key")]
    Generate,
    /// Not a private key of this kind.
    #[error("not an Ed25519 private key (PKCS#8)")]
    Private,
    /// Not a public key of this kind.
    #[error("not an Ed25519 public key (SubjectPublicKeyInfo)")]
    Public,
    /// The envelope could not be written.
    #[error("the signed envelope could not be encoded")]
    Envelope,
    /// Nobody signs.
    #[error("no key to sign with")]
    NoKey,
    /// A second signature by one key.
    #[error("this key has signed it already")]
    Twice,
    /// More signatures than a gateway reads.
    #[error("at most {most} keys sign one envelope", most = joint::MOST)]
    TooMany,
    /// Whatever holds the key would not sign.
    #[error("the key would not sign: {0}")]
    Holder(String),
}

/// Why an envelope is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not a COSE_Sign1 with EdDSA.
    #[error("not a COSE_Sign1 envelope signed with EdDSA")]
    Envelope,
    /// Not a COSE_Sign with EdDSA in its one encoding.
    #[error("not a COSE_Sign envelope signed with EdDSA")]
    NotJoint,
    /// One key in two signatures.
    #[error("signed twice by one key")]
    Twice,
    /// A key that is not pinned here.
    #[error("signed by a key that is not trusted here")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature does not hold")]
    Signature,
}

/// SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING (32 bytes) }, RFC 8410 section 4.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written_to_files() {
        let key = SigningKey::generate().unwrap();
        let read = SigningKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(read.verifying_key(), key.verifying_key());
        let spki = key.verifying_key().to_spki();
        assert_eq!(VerifyingKey::from_spki(&spki), Ok(key.verifying_key()));
    }

    #[test]
    fn a_document_that_is_no_key_is_refused() {
        let spki = SigningKey::generate().unwrap().verifying_key().to_spki();
        for bad in [
            &[][..],
            &spki[1..],
            &spki[..43],
            &[&spki[..], &[0]].concat(),
        ] {
            assert_eq!(VerifyingKey::from_spki(bad), Err(KeyError::Public));
            assert_eq!(SigningKey::from_pkcs8(bad).err(), Some(KeyError::Private));
        }
    }

    #[test]
    fn a_private_key_never_shows_in_debug_output() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }

    #[test]
    fn an_envelope_with_another_algorithm_or_an_unknown_critical_header_is_refused() {
        let key = SigningKey::generate().unwrap();
        let trusted = [key.verifying_key()];
        let envelope = |header: HeaderBuilder| {
            let header = header.key_id(key.verifying_key().key_id()).build();
            CoseSign1Builder::new()
                .protected(header)
                .payload(b"payload".to_vec())
                .create_signature(Purpose::Bundle.context(), |data| {
                    key.0.sign(data).as_ref().to_vec()
                })
                .build()
                .to_vec()
                .unwrap()
        };
        let right = envelope(HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA));
        assert!(verify(&right, Purpose::Bundle, &trusted).is_ok());
        let critical = HeaderBuilder::new()
            .algorithm(iana::Algorithm::EdDSA)
            .add_critical(iana::HeaderParameter::ContentType);
        for wrong in [
            HeaderBuilder::new(),
            HeaderBuilder::new().algorithm(iana::Algorithm::ES256),
            critical,
        ] {
            let refused = verify(&envelope(wrong), Purpose::Bundle, &trusted);
            assert_eq!(refused, Err(VerifyError::Envelope));
        }
    }
}
