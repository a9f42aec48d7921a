//! Bytes that one key holder can open: HPKE (RFC 9180) in base mode, single shot.
//!
//! One suite and no negotiation: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, of the provider that
//! TLS uses. Promises confidentiality towards everybody but the holder of the private key, and that bytes
//! open only under the `info` and `aad` they were sealed with. Says nothing about who sealed them.

use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use wardlink_wire::enrolment::SealedGrant;
use zeroize::Zeroizing;

/// A new key pair: the public half and the private one, 32 bytes each.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate() -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), SealingError> {
    let (public, private) = SUITE.generate_key_pair().map_err(|_| SealingError::Make)?;
    Ok((public.0, Zeroizing::new(private.secret_bytes().to_vec())))
}

/// Seals bytes to the holder of a key.
///
/// # Errors
/// When the key is none, or the library refuses.
pub fn seal(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    bytes: &[u8],
) -> Result<SealedGrant, SealingError> {
    let (encapsulated, sealed) = SUITE
        .seal(info, aad, bytes, &HpkePublicKey(public.to_vec()))
        .map_err(|_| SealingError::Seal)?;
    Ok(SealedGrant {
        encapsulated: encapsulated.0,
        sealed,
    })
}

/// Opens what was sealed to a key.
///
/// # Errors
/// When it was sealed to another key, with other `info` or `aad`, or was changed since.
pub fn open(
    private: &[u8],
    info: &[u8],
    aad: &[u8],
    grant: &SealedGrant,
) -> Result<Zeroizing<Vec<u8>>, SealingError> {
    let opened = SUITE.open(
        &EncapsulatedSecret(grant.encapsulated.clone()),
        info,
        aad,
        &grant.sealed,
        &HpkePrivateKey::from(private.to_vec()),
    );
    opened.map(Zeroizing::new).map_err(|_| SealingError::Open)
}

/// Why bytes were not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// No key.
    #[error("the cryptographic library could not make the key")]
    Make,
    /// Not sealed.
    #[error("cannot be sealed: the key is no X25519 public key")]
    Seal,
    /// Not opened.
    #[error(
        "does not open: it was made for another key or another request, or was changed on its way"
    )]
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_of_the_key_opens_and_only_what_was_sealed() {
        let ((public, private), (_, other)) = (generate().unwrap(), generate().unwrap());
        let grant = seal(&public, b"info", b"aad", b"secret").unwrap();
        assert_eq!(
            **open(&private, b"info", b"aad", &grant).unwrap(),
            *b"secret"
        );
        let refused = |private: &[u8], info: &[u8], aad: &[u8], grant: &SealedGrant| {
            assert_eq!(
                open(private, info, aad, grant).err(),
                Some(SealingError::Open)
            );
        };
        refused(&other, b"info", b"aad", &grant);
        refused(&private, b"other", b"aad", &grant);
        refused(&private, b"info", b"other", &grant);
        for at in 0..grant.sealed.len() {
            let mut changed = grant.clone();
            changed.sealed[at] ^= 1;
            refused(&private, b"info", b"aad", &changed);
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert_eq!(
            seal(&[1; 31], b"", b"", b"").err(),
            Some(SealingError::Seal)
        );
    }
}
