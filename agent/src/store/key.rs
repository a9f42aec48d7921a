//! The key that a store is sealed with, and what is derived from it.
//!
//! Owns the 32 bytes. Promises that they are wiped when they go, and that nothing prints them.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use wardlink_wire::id::Epoch;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::error::StoreError;

/// The key that wraps a store's data keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; KEY]);

impl StoreKey {
    /// Takes the 32 bytes as they are. They should be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// Bytes for one purpose in one store: HKDF-SHA256 (RFC 5869) with the epoch as salt.
    pub(super) fn derive(
        &self,
        epoch: &Epoch,
        purpose: &str,
    ) -> Result<Zeroizing<[u8; KEY]>, StoreError> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                KEY
            }
        }
        let mut derived = Zeroizing::new([0; KEY]);
        Salt::new(HKDF_SHA256, epoch.as_bytes())
            .extract(&self.0)
            .expand(&[purpose.as_bytes()], Length)
            .and_then(|material| material.fill(derived.as_mut_slice()))
            .map_err(|_| StoreError::Cipher("derive a key"))?;
        Ok(derived)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(***)")
    }
}

pub(super) const KEY: usize = 32;
