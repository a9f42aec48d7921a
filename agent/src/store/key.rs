//! Keys and seals.
//!
//! Owns the store key and what is derived from it. Promises that a (key, nonce) pair is used once: a data
//! key is born in [`Keyring::fresh`], seals for one segment of one process, counts its own nonces and
//! cannot be brought back for sealing; what [`Keyring::unwrap`] gives can only open. No counter is stored
//! anywhere, so none can be rolled back.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use wardlink_wire::id::Epoch;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::cipher::Cipher;
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
    fn derive(&self, epoch: &Epoch, purpose: &str) -> Result<Zeroizing<[u8; KEY]>, StoreError> {
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

/// What the store key gives one store: the wrapping key, its name, and the proof that it is the right one.
pub(super) struct Keyring {
    cipher: Cipher,
    wrapping: LessSafeKey,
    id: [u8; KEY_ID],
    proof: [u8; KEY],
    #[cfg(test)]
    witness: u128,
}

impl Keyring {
    pub(super) fn new(key: &StoreKey, epoch: &Epoch, cipher: Cipher) -> Result<Self, StoreError> {
        let wrapping = key.derive(epoch, "wardlink store wrapping key 1")?;
        let name = key.derive(epoch, "wardlink store wrapping key id 1")?;
        let [id @ .., _, _, _, _, _, _, _, _] = *name.first_chunk::<16>().unwrap_or(&[0; 16]);
        Ok(Self {
            cipher,
            wrapping: cipher.key(&wrapping)?,
            id,
            proof: *key.derive(epoch, "wardlink store key proof 1")?,
            #[cfg(test)]
            witness: witness::name(&wrapping),
        })
    }

    pub(super) const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// What the identity of a store keeps to recognise the key by. It gives nothing of the key away.
    pub(super) const fn proof(&self) -> &[u8; KEY] {
        &self.proof
    }

    pub(super) fn is_proven_by(&self, proof: &[u8; KEY]) -> bool {
        verify_slices_are_equal(&self.proof, proof).is_ok()
    }

    /// A new data key, and its wrapped form for the header that `bound` describes.
    pub(super) fn fresh(&self, bound: &[u8]) -> Result<(SealingKey, WrappedKey), StoreError> {
        let mut data = Zeroizing::new([0; KEY]);
        let mut nonce = [0; NONCE];
        rand::fill(data.as_mut_slice()).map_err(|_| StoreError::Randomness)?;
        rand::fill(&mut nonce).map_err(|_| StoreError::Randomness)?;
        #[cfg(test)]
        witness::used(self.witness, nonce);
        let mut wrapped = [0; KEY + TAG];
        let (body, end) = wrapped.split_at_mut(KEY);
        body.copy_from_slice(data.as_slice());
        // Random nonces are sound here: one a segment stays far below the 2^32 of SP 800-38D section 8.3.
        let tag = self
            .wrapping
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), body)
            .map_err(|_| StoreError::Cipher("wrap a key"))?;
        end.copy_from_slice(tag.as_ref());
        let sealing = SealingKey {
            key: self.cipher.key(&data)?,
            next: 0,
            #[cfg(test)]
            witness: witness::name(&data),
        };
        let id = self.id;
        Ok((sealing, WrappedKey { id, nonce, wrapped }))
    }

    /// The data key for opening; none if it was not wrapped by this key for this header.
    pub(super) fn unwrap(&self, wrapped: &WrappedKey, bound: &[u8]) -> Option<OpeningKey> {
        let mut data = Zeroizing::new(wrapped.wrapped);
        let nonce = Nonce::assume_unique_for_key(wrapped.nonce);
        let opened = self
            .wrapping
            .open_in_place(nonce, Aad::from(bound), data.as_mut_slice())
            .ok()?;
        let bytes = Zeroizing::new(*opened.first_chunk()?);
        self.cipher.key(&bytes).ok().map(OpeningKey)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?}, ***)", self.cipher)
    }
}

/// A data key as a segment header carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrappedKey {
    /// Which wrapping key.
    pub(super) id: [u8; KEY_ID],
    pub(super) nonce: [u8; NONCE],
    pub(super) wrapped: [u8; KEY + TAG],
}

/// A data key that seals; it ends with the process that drew it.
pub(super) struct SealingKey {
    key: LessSafeKey,
    next: u32,
    #[cfg(test)]
    witness: u128,
}

impl SealingKey {
    /// Seals in place. The entry's number is its nonce and is spent even if this fails.
    pub(super) fn seal(
        &mut self,
        bound: &[u8],
        data: &mut [u8],
    ) -> Result<(u32, [u8; TAG]), StoreError> {
        let number = self.next;
        self.next = number
            .checked_add(1)
            .ok_or(StoreError::Cipher("seal more than 2^32 entries"))?;
        let nonce = nonce_of(number);
        #[cfg(test)]
        witness::used(self.witness, nonce);
        let sealed = self.key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound),
            data,
        );
        let tag = sealed
            .ok()
            .and_then(|tag| tag.as_ref().try_into().ok())
            .ok_or(StoreError::Cipher("seal a batch"))?;
        Ok((number, tag))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(***)")
    }
}

/// A data key that only opens.
pub(super) struct OpeningKey(LessSafeKey);

impl OpeningKey {
    /// What was sealed, if the seal holds.
    pub(super) fn open(&self, number: u32, bound: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(nonce_of(number));
        let length = self
            .0
            .open_in_place(nonce, Aad::from(bound), &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey(***)")
    }
}

/// The entry's number, big endian, in the last bytes of the nonce.
fn nonce_of(number: u32) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    if let Some(end) = nonce.last_chunk_mut() {
        *end = number.to_be_bytes();
    }
    nonce
}

/// Watches every seal of the test process: a (key, nonce) pair that comes twice ends the test.
#[cfg(test)]
pub(super) mod witness {
    use std::collections::HashSet;
    use std::sync::Mutex;

    type Pair = (u128, [u8; super::NONCE]);

    static USED: Mutex<Option<HashSet<Pair>>> = Mutex::new(None);

    pub(super) fn name(key: &[u8; super::KEY]) -> u128 {
        u128::from_le_bytes(*key.first_chunk().unwrap())
    }

    pub(super) fn used(key: u128, nonce: [u8; super::NONCE]) {
        let fresh = USED
            .lock()
            .unwrap()
            .get_or_insert_default()
            .insert((key, nonce));
        assert!(fresh, "a (key, nonce) pair was used twice");
    }

    /// Pairs seen so far: (all, distinct keys).
    pub(in super::super) fn seen() -> (usize, usize) {
        let used = USED.lock().unwrap();
        let pairs = used.as_ref().map_or(0, HashSet::len);
        let keys: HashSet<u128> = used.iter().flatten().map(|(key, _)| *key).collect();
        (pairs, keys.len())
    }
}

pub(super) const KEY: usize = 32;
pub(super) const KEY_ID: usize = 8;
pub(super) const NONCE: usize = 12;
/// Both ciphers add 16 bytes.
pub(super) const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_nothing_of_itself() {
        let key = StoreKey::from_bytes([0x5a; KEY]);
        let ring = Keyring::new(&key, &Epoch::from_bytes([1; 16]), Cipher::Aes256Gcm).unwrap();
        let (sealing, wrapped) = ring.fresh(b"header").unwrap();
        let opening = ring.unwrap(&wrapped, b"header").unwrap();
        let shown = format!("{key:?} {ring:?} {sealing:?} {opening:?}");
        assert_eq!(
            shown,
            "StoreKey(***) Keyring(Aes256Gcm, ***) SealingKey(***) OpeningKey(***)"
        );
    }

    #[test]
    fn a_data_key_opens_only_under_its_own_header_and_store_key() {
        let epoch = Epoch::from_bytes([1; 16]);
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let ring = |byte| Keyring::new(&StoreKey::from_bytes([byte; KEY]), &epoch, cipher);
            let (mut sealing, wrapped) = ring(1).unwrap().fresh(b"header").unwrap();
            let mut data = *b"payload";
            let (number, tag) = sealing.seal(b"place", &mut data).unwrap();
            let sealed = [&data[..], &tag].concat();

            assert!(ring(1).unwrap().unwrap(&wrapped, b"other").is_none());
            assert!(ring(2).unwrap().unwrap(&wrapped, b"header").is_none());
            let opening = ring(1).unwrap().unwrap(&wrapped, b"header").unwrap();
            assert_eq!(
                opening.open(number, b"place", sealed.clone()).unwrap(),
                b"payload"
            );
            assert!(opening.open(number, b"elsewhere", sealed.clone()).is_none());
            assert!(opening.open(number + 1, b"place", sealed).is_none());
        }
    }
}
