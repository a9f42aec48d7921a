//! Making room: the batches of one lane leave one segment.
//!
//! Owns the rewriting of a segment into a shorter file: what stays is copied as it is, head and seal, under
//! the same numbers and the same data key, and the header says which lane went. The shorter file takes the
//! place of the longer one by a rename, so a power cut leaves one or the other. Promises that a batch which
//! is neither of that lane nor settled is in both.

use super::super::Fault;
use super::super::directory::StoreFile;
use super::super::error::StoreError;
use super::Shared;
use super::catalog::Victim;
use super::entry::Mark;
use super::segment::{self, ENTRIES, Head};
use super::walk::Walk;

/// Evicts the batches of a lane from a segment.
pub(super) fn evict(shared: &Shared, victim: Victim) -> Result<(), StoreError> {
    let name = segment::name(victim.segment);
    let file = shared.directory.find_file(&name)?;
    let head = match &file {
        Some(file) => Head::read(file, shared.identity.epoch, victim.segment)?,
        None => None,
    };
    let (Some(file), Some(head)) = (file, head) else {
        shared.catalog().lose(victim, Fault::SegmentKey);
        return Ok(());
    };
    let mut stays = 0;
    survivors(shared, victim, &file, |_, size| {
        stays += size;
        Ok(())
    })?;
    let length = (ENTRIES + stays).next_multiple_of(PAGE);
    let Some(header) = head.without(victim.lane, length, &shared.identity)? else {
        shared.catalog().lose(victim, Fault::SegmentKey);
        return Ok(());
    };
    if !shared.catalog().has_room_for(length) {
        return Err(shared.catalog().full());
    }
    // What was acknowledged is not in the shorter file: that must be known for certain before the longer goes.
    let replaced = write(shared, victim, &file, &header, length)
        .and_then(|()| shared.settle())
        .and_then(|()| shared.directory.rename(SHORTER, &name));
    if let Err(error) = replaced {
        // What stays of it is overwritten by the next eviction.
        drop(shared.directory.remove(SHORTER));
        return Err(error);
    }
    shared.catalog().evicted(victim, length);
    shared.directory.sync()
}

/// Writes the shorter file and makes it durable, under a name that is no segment's.
fn write(
    shared: &Shared,
    victim: Victim,
    from: &StoreFile,
    header: &[u8],
    length: u64,
) -> Result<(), StoreError> {
    let to = shared.directory.create_file(SHORTER)?;
    to.allocate(length)?;
    to.write_at(header, 0)?;
    let mut buffer = Vec::new();
    let (mut at, mut end) = (ENTRIES, ENTRIES);
    survivors(shared, victim, from, |offset, size| {
        let start = buffer.len();
        buffer.resize(start + usize::try_from(size).unwrap_or(0), 0);
        from.read_at(buffer.get_mut(start..).unwrap_or_default(), offset)?;
        end += size;
        if buffer.len() >= CHUNK {
            to.write_at(&buffer, at)?;
            buffer.clear();
            at = end;
        }
        Ok(())
    })?;
    to.write_at(&buffer, at)?;
    to.sync()
}

/// Every entry that stays, with its offset and size.
fn survivors(
    shared: &Shared,
    victim: Victim,
    file: &StoreFile,
    mut each: impl FnMut(u64, u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mark = Mark::of(shared.identity.epoch, victim.segment);
    let mut walk = Walk::new(file, mark, ENTRIES)?;
    let length = file.length()?;
    while let Some((offset, entry)) = walk.next()? {
        let size = entry.size();
        let whole = offset.saturating_add(size) <= length;
        let stays = whole && entry.lane != victim.lane;
        if stays && shared.catalog().is_open(entry.lane, entry.range) {
            each(offset, size)?;
        }
    }
    Ok(())
}

/// Removes what an eviction left that did not come to its end.
pub(super) fn clean(shared: &Shared) {
    // Nearly always there is none.
    drop(shared.directory.remove(SHORTER));
}

const SHORTER: &str = "shorter.new";
const PAGE: u64 = 4096;
/// Copied at a time, and one batch more.
const CHUNK: usize = 256 << 10;
