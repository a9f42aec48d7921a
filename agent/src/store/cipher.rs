//! The two ciphers a store may have. Both take 32-byte keys and 12-byte nonces, and add 16 bytes.

use aws_lc_rs::aead::{AES_256_GCM, Algorithm, CHACHA20_POLY1305, LessSafeKey, UnboundKey};

use super::error::StoreError;

/// The cipher of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-256-GCM (NIST SP 800-38D): the faster one where the processor has AES instructions.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439): the faster one elsewhere, and free of table look-ups.
    ChaCha20Poly1305,
}

impl Cipher {
    /// The one that suits this processor.
    #[must_use]
    pub fn for_this_cpu() -> Self {
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        let aes = std::arch::is_x86_feature_detected!("aes");
        #[cfg(target_arch = "aarch64")]
        let aes = std::arch::is_aarch64_feature_detected!("aes");
        #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
        let aes = false;
        if aes {
            Self::Aes256Gcm
        } else {
            Self::ChaCha20Poly1305
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Aes256Gcm, Self::ChaCha20Poly1305]
            .into_iter()
            .find(|cipher| cipher.number() == number)
    }

    const fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    pub(super) fn key(self, bytes: &[u8; 32]) -> Result<LessSafeKey, StoreError> {
        UnboundKey::new(self.algorithm(), bytes)
            .map(LessSafeKey::new)
            .map_err(|_| StoreError::Cipher("take a key"))
    }
}
