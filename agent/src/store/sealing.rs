//! Seals: data keys, wrapped and used once.
//!
//! Owns what the store key gives one store, for whichever engine. Promises that a (key, nonce) pair is used
//! once: a data key is born in [`Keyring::fresh`], seals in one process, counts its own nonces and cannot be
//! brought back for sealing; what [`Keyring::unwrap`] gives can only open. No counter is stored anywhere, so
//! none can be rolled back. A seal binds format, epoch, data key, lane and places: a batch does not open
//! anywhere else.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::error::StoreError;
use super::identity::FORMAT;
use super::key::{KEY, StoreKey};
use super::provider::Keys;

/// What the store keys give one store: wrapping keys, their names, and the proof of the current one.
pub(super) struct Keyring {
    epoch: Epoch,
    cipher: Cipher,
    /// Wraps everything new.
    current: WrappingKey,
    /// During a rotation: still opens what it wrapped.
    previous: Option<WrappingKey>,
}

/// Derived from one store key for one store.
struct WrappingKey {
    key: LessSafeKey,
    id: [u8; KEY_ID],
    proof: [u8; KEY],
    #[cfg(test)]
    witness: u128,
}

impl WrappingKey {
    fn new(key: &StoreKey, epoch: &Epoch, cipher: Cipher) -> Result<Self, StoreError> {
        let wrapping = key.derive(epoch, "wardlink store wrapping key 1")?;
        let name = key.derive(epoch, "wardlink store wrapping key id 1")?;
        Ok(Self {
            key: cipher.key(&wrapping)?,
            id: *name.first_chunk().unwrap_or(&[0; KEY_ID]),
            proof: *key.derive(epoch, "wardlink store key proof 1")?,
            #[cfg(test)]
            witness: witness::name(&wrapping),
        })
    }
}

impl Keyring {
    /// While a rotation lasts, its next key is the current one here.
    pub(super) fn new(keys: &Keys, epoch: &Epoch, cipher: Cipher) -> Result<Self, StoreError> {
        let current = WrappingKey::new(&keys.current, epoch, cipher)?;
        let (current, previous) = match &keys.next {
            Some(next) => (WrappingKey::new(next, epoch, cipher)?, Some(current)),
            None => (current, None),
        };
        Ok(Self {
            epoch: *epoch,
            cipher,
            current,
            previous,
        })
    }

    pub(super) const fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// What the identity of a store keeps to recognise the key by. It gives nothing of the key away.
    pub(super) const fn proof(&self) -> &[u8; KEY] {
        &self.current.proof
    }

    pub(super) fn is_proven_by(&self, proof: &[u8; KEY]) -> bool {
        self.all()
            .any(|key| verify_slices_are_equal(&key.proof, proof).is_ok())
    }

    /// A new data key, and its wrapped form for the header that `bound` describes. No other data key of this
    /// store may ever have the same number.
    pub(super) fn fresh(
        &self,
        number: u64,
        bound: &[u8],
    ) -> Result<(SealingKey, WrappedKey), StoreError> {
        let mut data = Zeroizing::new([0; KEY]);
        rand::fill(data.as_mut_slice()).map_err(|_| StoreError::Randomness)?;
        let sealing = SealingKey {
            scope: self.scope(number),
            key: self.cipher.key(&data)?,
            next: 0,
            #[cfg(test)]
            witness: witness::name(&data),
        };
        Ok((sealing, self.wrap(&data, bound)?))
    }

    /// Random nonces are sound here: one a segment and rotation stays far below the 2^32 of SP 800-38D, 8.3.
    fn wrap(&self, data: &[u8; KEY], bound: &[u8]) -> Result<WrappedKey, StoreError> {
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).map_err(|_| StoreError::Randomness)?;
        #[cfg(test)]
        witness::used(self.current.witness, nonce);
        let mut wrapped = [0; KEY + TAG];
        let (body, end) = wrapped.split_at_mut(KEY);
        body.copy_from_slice(data);
        let sealing = Nonce::assume_unique_for_key(nonce);
        let key = &self.current.key;
        let tag = key.seal_in_place_separate_tag(sealing, Aad::from(bound), body);
        let tag = tag.map_err(|_| StoreError::Cipher("wrap a key"))?;
        end.copy_from_slice(tag.as_ref());
        let id = self.current.id;
        Ok(WrappedKey { id, nonce, wrapped })
    }

    /// The data key for opening; none if it was not wrapped by this key for this header.
    pub(super) fn unwrap(
        &self,
        number: u64,
        wrapped: &WrappedKey,
        bound: &[u8],
    ) -> Option<OpeningKey> {
        let data = self.data_key(wrapped, bound)?;
        let key = self.cipher.key(&data).ok()?;
        let scope = self.scope(number);
        Some(OpeningKey { scope, key })
    }

    /// The same data key under the current wrapping key, for a header that says `anew`; none if it does not
    /// unwrap.
    pub(super) fn rewrap(
        &self,
        wrapped: &WrappedKey,
        bound: &[u8],
        anew: &[u8],
    ) -> Result<Option<WrappedKey>, StoreError> {
        let data = self.data_key(wrapped, bound);
        data.map(|data| self.wrap(&data, anew)).transpose()
    }

    /// Whether a data key is wrapped under the current wrapping key.
    pub(super) fn is_current(&self, wrapped: &WrappedKey) -> bool {
        wrapped.id == self.current.id
    }

    /// Whether a rotation lasts.
    pub(super) const fn is_rotating(&self) -> bool {
        self.previous.is_some()
    }

    fn data_key(&self, wrapped: &WrappedKey, bound: &[u8]) -> Option<Zeroizing<[u8; KEY]>> {
        let wrapping = self.all().find(|key| key.id == wrapped.id)?;
        let mut data = Zeroizing::new(wrapped.wrapped);
        let nonce = Nonce::assume_unique_for_key(wrapped.nonce);
        let opened = wrapping
            .key
            .open_in_place(nonce, Aad::from(bound), data.as_mut_slice())
            .ok()?;
        Some(Zeroizing::new(*opened.first_chunk()?))
    }

    fn all(&self) -> impl Iterator<Item = &WrappingKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    const fn scope(&self, number: u64) -> Scope {
        let epoch = self.epoch;
        Scope { epoch, number }
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

/// Which data key of which store.
#[derive(Debug, Clone, Copy)]
struct Scope {
    epoch: Epoch,
    number: u64,
}

impl Scope {
    /// What a seal binds. The nonce binds the entry's number.
    fn bound(self, lane: Lane, range: SequenceRange) -> Vec<u8> {
        let mut bound = b"wardlink entry\0".to_vec();
        bound.extend_from_slice(&FORMAT.to_le_bytes());
        bound.extend_from_slice(self.epoch.as_bytes());
        bound.extend_from_slice(&self.number.to_le_bytes());
        bound.push(lane.number());
        bound.extend_from_slice(&range.first().0.to_le_bytes());
        bound.extend_from_slice(&range.last().0.to_le_bytes());
        bound
    }
}

/// A data key that seals; it ends with the process that drew it.
pub(super) struct SealingKey {
    scope: Scope,
    key: LessSafeKey,
    next: u32,
    #[cfg(test)]
    witness: u128,
}

impl SealingKey {
    /// Seals a batch in place. The entry's number is its nonce and is spent even if this fails.
    pub(super) fn seal(
        &mut self,
        lane: Lane,
        range: SequenceRange,
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
            Aad::from(self.scope.bound(lane, range)),
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
pub(super) struct OpeningKey {
    scope: Scope,
    key: LessSafeKey,
}

impl OpeningKey {
    /// What was sealed, if the seal holds.
    pub(super) fn open(
        &self,
        number: u32,
        lane: Lane,
        range: SequenceRange,
        mut sealed: Vec<u8>,
    ) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(nonce_of(number));
        let bound = Aad::from(self.scope.bound(lane, range));
        let length = self
            .key
            .open_in_place(nonce, bound, &mut sealed)
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

pub(super) const KEY_ID: usize = 8;
pub(super) const NONCE: usize = 12;
/// Both ciphers add 16 bytes.
pub(super) const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use wardlink_wire::sequence::Sequence;

    use super::*;

    fn ring(byte: u8, cipher: Cipher) -> Keyring {
        let current = StoreKey::from_bytes([byte; KEY]);
        let keys = Keys {
            current,
            next: None,
        };
        Keyring::new(&keys, &Epoch::from_bytes([1; 16]), cipher).unwrap()
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        let key = StoreKey::from_bytes([0x5a; KEY]);
        let ring = ring(0x5a, Cipher::Aes256Gcm);
        let (sealing, wrapped) = ring.fresh(1, b"header").unwrap();
        let opening = ring.unwrap(1, &wrapped, b"header").unwrap();
        let shown = format!("{key:?} {ring:?} {sealing:?} {opening:?}");
        assert_eq!(
            shown,
            "StoreKey(***) Keyring(Aes256Gcm, ***) SealingKey(***) OpeningKey(***)"
        );
    }

    #[test]
    fn a_data_key_opens_only_under_its_own_header_and_store_key() {
        let (lane, other) = (Lane::Vital, Lane::Alarm);
        let places = |first| SequenceRange::starting(Sequence(first), 3).unwrap();
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
            let ring = |byte| ring(byte, cipher);
            let (mut sealing, wrapped) = ring(1).fresh(5, b"header").unwrap();
            let mut data = *b"payload";
            let (number, tag) = sealing.seal(lane, places(7), &mut data).unwrap();
            let sealed = [&data[..], &tag].concat();

            assert!(ring(1).unwrap(5, &wrapped, b"other").is_none());
            assert!(ring(2).unwrap(5, &wrapped, b"header").is_none());
            let key = ring(1).unwrap(5, &wrapped, b"header").unwrap();
            let open = |number, lane, range| key.open(number, lane, range, sealed.clone());
            assert_eq!(open(number, lane, places(7)).unwrap(), b"payload");
            assert!(open(number, other, places(7)).is_none());
            assert!(open(number, lane, places(8)).is_none());
            assert!(open(number + 1, lane, places(7)).is_none());
            let key = ring(1).unwrap(6, &wrapped, b"header").unwrap();
            let open = |number, lane, range| key.open(number, lane, range, sealed.clone());
            assert!(open(number, lane, places(7)).is_none());
        }
    }
}
