//! One sealed batch in a segment: its head in the clear, its body sealed.
//!
//! The head says which lane and places, so that a loss can be named without any key. Its first four bytes
//! are the mark of this life of the segment file: what an earlier life left behind is no entry. Checksums
//! find damage; the seal, which binds everything the head says, finds everything else.

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::directory::StoreFile;
use super::super::error::StoreError;
use super::super::fields::Fields;
use super::super::sealing::TAG;

/// What the head of an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    /// The entry's number in its segment, which is its nonce.
    pub(super) number: u32,
    /// Bytes of the sealed body.
    pub(super) length: u32,
    /// CRC-32 of the sealed body.
    pub(super) checksum: u32,
}

impl Entry {
    pub(super) fn encode(&self, mark: Mark) -> Option<[u8; HEAD]> {
        let count = u32::try_from(self.range.count()).ok()?;
        let mut covered = [0; HEAD - 4];
        let fields = [
            &mark.0.to_le_bytes()[..],
            &self.length.to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.range.first().0.to_le_bytes(),
            &count.to_le_bytes(),
            &self.checksum.to_le_bytes(),
            &[self.lane.number(), 0, 0, 0],
        ];
        let bytes = fields.into_iter().flatten();
        covered
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        let mut head = [0; HEAD];
        let (body, end) = head.split_at_mut(covered.len());
        body.copy_from_slice(&covered);
        end.copy_from_slice(&crc32fast::hash(&covered).to_le_bytes());
        Some(head)
    }

    /// The entry that begins with these bytes, if one does.
    pub(super) fn decode(bytes: &[u8], mark: Mark) -> Option<Self> {
        let mut fields = Fields::of(bytes);
        if fields.u32()? != mark.0 {
            return None;
        }
        let length = fields.u32()?;
        let number = fields.u32()?;
        let first = Sequence(fields.u64()?);
        let count = fields.u32()?;
        let checksum = fields.u32()?;
        let [lane, _, _, _] = fields.array()?;
        if crc32fast::hash(bytes.get(..HEAD - 4)?) != fields.u32()? {
            return None;
        }
        Some(Self {
            lane: Lane::from_number(lane)?,
            // The last number of all is never given out, so that there is always a next place.
            range: SequenceRange::starting(first, count).filter(|r| r.last().0 < u64::MAX)?,
            number,
            length,
            checksum,
        })
    }

    /// The bytes it takes in its segment.
    pub(super) fn size(&self) -> u64 {
        padded(HEAD_BYTES + u64::from(self.length))
    }

    /// The sealed body of an entry that begins at an offset; none if it is cut or its checksum does not hold.
    pub(super) fn read_body(
        &self,
        file: &StoreFile,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let start = offset.saturating_add(HEAD_BYTES);
        // Checked against the file before anything that large is allocated.
        if start.saturating_add(u64::from(self.length)) > file.length()? {
            return Ok(None);
        }
        let Ok(length) = usize::try_from(self.length) else {
            return Ok(None);
        };
        let mut body = vec![0; length];
        let whole = file.read_at(&mut body, start)? == length;
        Ok((whole && crc32fast::hash(&body) == self.checksum).then_some(body))
    }
}

/// What tells the entries of one segment from everything else that ever was in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    pub(super) fn of(epoch: Epoch, segment: u64) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(epoch.as_bytes());
        hasher.update(&segment.to_le_bytes());
        // Never 0: unwritten bytes are no mark.
        Self(hasher.finalize().max(1))
    }

    /// Whether an entry was begun here.
    pub(super) fn begins(self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.0.to_le_bytes())
    }
}

/// The bytes that a batch takes in a segment; none beyond what the format can say.
pub(super) fn size_of(batch: &[u8]) -> Option<u64> {
    let length = u32::try_from(batch.len().checked_add(TAG)?).ok()?;
    Some(padded(HEAD_BYTES + u64::from(length)))
}

const fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGN)
}

/// Bytes of a head: mark, length, number, first place, count, checksum of the body, lane, checksum.
pub(super) const HEAD: usize = 4 + 4 + 4 + 8 + 4 + 4 + 4 + 4;
pub(super) const HEAD_BYTES: u64 = 36;
/// Entries begin at multiples of this, so that a search for them is short.
pub(super) const ALIGN: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_with_any_bit_flipped_or_of_another_life_is_no_head() {
        let epoch = Epoch::from_bytes([7; 16]);
        let entry = Entry {
            lane: Lane::Wave,
            range: SequenceRange::starting(Sequence(99), 5).unwrap(),
            number: 3,
            length: 1000,
            checksum: 0xdead_beef,
        };
        let mark = Mark::of(epoch, 4);
        let head = entry.encode(mark).unwrap();
        assert_eq!(Entry::decode(&head, mark), Some(entry));
        assert_eq!(Entry::decode(&head, Mark::of(epoch, 5)), None);
        for bit in 0..HEAD * 8 {
            let mut flipped = head;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::decode(&flipped, mark), None, "bit {bit}");
        }
    }
}
