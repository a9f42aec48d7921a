//! The keys of payloads: one that the monitor keeps, one that each gateway shares with it, one an epoch.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::SealError;
use crate::id::{Epoch, GatewayId};

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

    pub(super) fn for_epoch(&self, epoch: &Epoch) -> Result<LessSafeKey, SealError> {
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

/// Length of the shared keys, bytes.
pub const KEY: usize = 32;
