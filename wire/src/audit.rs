//! A log of decisions in which nothing can be changed, taken out or put in unnoticed.
//!
//! Owns the entry and the chain: each entry carries the SHA-256 of the one before it. Promises that
//! [`verify`] finds the first entry that does not follow from its predecessor, and that a log which was cut
//! at its end is found by whoever knows a later [`Head`]. Refuses I/O: it makes frames of bytes, others
//! keep them. A frame is the entry's length (4 bytes, big endian) and the entry (deterministic CBOR).

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError, Limit};

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// From 0, without holes.
    pub serial: u64,
    /// When, UTC, nanoseconds since 1970-01-01.
    pub utc_ns: i64,
    /// Who decided: a gateway, an operator.
    pub author: String,
    /// What, in one word of the author's vocabulary.
    pub action: String,
    /// About what and why, for people.
    pub detail: String,
    /// SHA-256 of the entry before, as encoded; zeros before the first.
    #[serde(with = "serde_bytes")]
    pub previous: Vec<u8>,
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Entries ever written.
    pub entries: u64,
    /// SHA-256 of the last one; zeros before the first.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            entries: 0,
            hash: vec![0; 32],
        }
    }
}

impl Head {
    /// The frame of the next entry, and the head once it is written.
    ///
    /// # Errors
    /// When it cannot be encoded, which this type never causes.
    pub fn extend(
        &self,
        utc_ns: i64,
        author: &str,
        action: &str,
        detail: &str,
    ) -> Result<(Vec<u8>, Self), EncodeError> {
        let bytes = codec::encode(&Entry {
            schema: crate::SCHEMA,
            serial: self.entries,
            utc_ns,
            author: cut(author, NAME),
            action: cut(action, NAME),
            detail: cut(detail, DETAIL),
            previous: self.hash.clone(),
        })?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let head = Self {
            entries: self.entries.saturating_add(1),
            hash: digest::digest(&digest::SHA256, &bytes).as_ref().to_vec(),
        };
        Ok(([length.to_be_bytes().as_slice(), &bytes].concat(), head))
    }
}

/// What a log, or the part of it that is kept, shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its entries, oldest first; each follows from the one before.
    pub entries: Vec<Entry>,
    /// Its end.
    pub head: Head,
    /// The hash of every entry, in their order.
    hashes: Vec<Vec<u8>>,
    /// Bytes at its end that are no whole entry: a write that the power cut short.
    pub torn: usize,
}

impl Chain {
    /// Whether a head that was reported once is in this log: else it was cut, or is another log.
    ///
    /// A head of entries that have since been rotated away is taken to be; one before the first entry is.
    #[must_use]
    pub fn holds(&self, reported: &Head) -> bool {
        let first = self.entries.first().map_or(0, |entry| entry.serial);
        if reported.entries == self.head.entries {
            return reported.hash == self.head.hash;
        }
        if reported.entries < first {
            return true;
        }
        if reported.entries == first {
            return self
                .entries
                .first()
                .is_some_and(|entry| entry.previous == reported.hash);
        }
        let place = reported.entries.saturating_sub(first).saturating_sub(1);
        usize::try_from(place)
            .ok()
            .and_then(|place| self.hashes.get(place))
            .is_some_and(|hash| *hash == reported.hash)
    }
}

/// Reads a log: the parts that are kept, oldest first, one after the other.
///
/// # Errors
/// At the first entry that is none or does not follow from the one before. A last entry that is not whole
/// is no error: power was cut while it was written.
pub fn verify<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Result<Chain, AuditError> {
    let mut chain = Chain {
        entries: Vec::new(),
        head: Head::default(),
        hashes: Vec::new(),
        torn: 0,
    };
    for mut rest in parts {
        if chain.torn > 0 {
            return Err(AuditError::Broken(chain.head.entries));
        }
        while let Some(bytes) = frame(rest)? {
            rest = rest.get(PREFIX + bytes.len()..).unwrap_or_default();
            chain.follow(bytes)?;
        }
        chain.torn = rest.len();
    }
    Ok(chain)
}

impl Chain {
    fn follow(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let place = self.head.entries;
        let entry: Entry =
            codec::decode(bytes, LIMIT).map_err(|error| AuditError::Entry { place, error })?;
        let begins = self.entries.is_empty() && (entry.serial > 0 || entry.previous == [0; 32]);
        let follows = entry.serial == place && entry.previous == self.head.hash;
        if entry.schema != crate::SCHEMA || !(begins || follows) {
            return Err(AuditError::Broken(place));
        }
        let hash = digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
        self.head = Head {
            entries: entry.serial.saturating_add(1),
            hash: hash.clone(),
        };
        self.entries.push(entry);
        self.hashes.push(hash);
        Ok(())
    }
}

/// The first whole frame; none at the end, or where the rest is too short for one.
fn frame(rest: &[u8]) -> Result<Option<&[u8]>, AuditError> {
    let Some((length, after)) = rest.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > LIMIT.bytes {
        return Err(AuditError::Length(length));
    }
    Ok(after.get(..length))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Why a log is not believed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Not an entry.
    #[error("entry {place} cannot be read: {error}")]
    Entry {
        /// Its serial, as counted.
        place: u64,
        /// Why.
        error: DecodeError,
    },
    /// Not the next one.
    #[error("entry {0} does not follow from the one before: the log was changed or cut")]
    Broken(u64),
    /// Not a frame.
    #[error("an entry claims {0} bytes: the log is damaged")]
    Length(usize),
}

const PREFIX: usize = 4;
const NAME: usize = 64;
const DETAIL: usize = 2000;
const LIMIT: Limit = Limit {
    bytes: 16 << 10,
    depth: 2,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: u64) -> (Vec<Vec<u8>>, Vec<Head>) {
        let mut heads = vec![Head::default()];
        let mut frames = Vec::new();
        for number in 0..count {
            let head = heads.last().unwrap();
            let (frame, next) = head
                .extend(1, "gw-1", "refused", &number.to_string())
                .unwrap();
            frames.push(frame);
            heads.push(next);
        }
        (frames, heads)
    }

    #[test]
    fn every_changed_bit_and_every_missing_entry_is_found() {
        let (frames, heads) = log(4);
        let whole = frames.concat();
        let chain = verify([whole.as_slice()]).unwrap();
        assert_eq!((chain.entries.len(), &chain.head), (4, &heads[4]));
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                let noticed =
                    verify([changed.as_slice()]).map_or(true, |chain| !chain.holds(&heads[4]));
                assert!(noticed, "bit {bit} of byte {place}");
            }
        }
        for missing in 0..3 {
            let mut fewer = frames.clone();
            fewer.remove(missing);
            let fewer = fewer.concat();
            let noticed = verify([fewer.as_slice()]).map_or(true, |chain| chain.entries.len() == 3);
            assert!(noticed, "entry {missing} is missing");
            if missing > 0 {
                assert!(verify([fewer.as_slice()]).is_err(), "entry {missing}");
            }
        }
        let mut swapped = frames;
        swapped.swap(1, 2);
        assert!(verify([swapped.concat().as_slice()]).is_err());
    }

    #[test]
    fn a_log_that_was_cut_does_not_hold_the_head_that_was_reported() {
        let (frames, heads) = log(5);
        for kept in 0..5 {
            let cut = frames[..kept].concat();
            let chain = verify([cut.as_slice()]).unwrap();
            assert!(!chain.holds(&heads[5]), "cut to {kept} entries");
            assert!(heads[..=kept].iter().all(|head| chain.holds(head)));
        }
    }

    #[test]
    fn a_rotated_log_goes_on_from_where_its_first_part_ended() {
        let (frames, heads) = log(6);
        let (old, new) = (frames[2..4].concat(), frames[4..].concat());
        let chain = verify([old.as_slice(), &new]).unwrap();
        assert_eq!(chain.entries.first().unwrap().serial, 2);
        assert!(heads.iter().all(|head| chain.holds(head)));
        assert!(verify([frames[0].as_slice(), &new]).is_err());
        let other = log(3).1.pop().unwrap();
        assert!(chain.holds(&other));
        let forged = Head {
            entries: 3,
            hash: vec![1; 32],
        };
        assert!(!chain.holds(&forged));
    }

    #[test]
    fn a_write_that_power_cut_short_is_told_from_a_forgery() {
        let (frames, _) = log(2);
        let whole = frames.concat();
        for kept in frames[0].len()..whole.len() {
            let chain = verify([&whole[..kept]]).unwrap();
            assert_eq!(
                (chain.entries.len(), chain.torn),
                (1, kept - frames[0].len())
            );
        }
    }
}
