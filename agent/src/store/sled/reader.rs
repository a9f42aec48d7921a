//! Reading batches back: find, check, open.
//!
//! A directory that sled cannot read is set aside, and what was in it is reported place by place, as far as
//! somebody asks for it.

use std::sync::Arc;

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::error::StoreError;
use super::super::log::catalog::Spot;
use super::super::log::segment::Head;
use super::super::{Fault, StoredBatch};
use super::Shared;
use super::entry::{self, Entry};
use super::folder;
use super::tree::{Opened, Tree, Trouble};

/// The reader keeps nothing: what is open is shared with the writer.
#[derive(Debug, Default)]
pub(super) struct Reader;

impl Reader {
    pub(super) fn read_from(
        &mut self,
        shared: &Shared,
        lane: Lane,
        from: Sequence,
    ) -> Result<Option<StoredBatch>, StoreError> {
        let mut place = shared.catalog().anchor(lane, from);
        loop {
            let Some(spot) = shared.catalog().spot(lane, place) else {
                return Ok(None);
            };
            let Some((opened, found)) = find(shared, lane, spot)? else {
                missing(shared, lane, spot, spot.until);
                place = spot.until;
                continue;
            };
            let range = found.range;
            if range.first().0 > spot.place {
                // What was found behind the hole may be settled: look again from there.
                missing(shared, lane, spot, range.first().0);
                place = range.first().0;
                continue;
            }
            if range.last() >= from {
                match found.open(opened.key.as_deref()) {
                    Ok(bytes) => return Ok(Some(StoredBatch { lane, range, bytes })),
                    Err(fault) => shared.catalog().report(lane, range, fault),
                }
            }
            place = range.last().plus(1).0;
        }
    }
}

/// The first entry of a lane that ends at the place or later, within what the segment is to hold.
fn find(shared: &Shared, lane: Lane, spot: Spot) -> Result<Option<(Opened, Entry)>, StoreError> {
    let Some(id) = spot.segment else {
        return Ok(None);
    };
    let found = opened(shared, id).and_then(|opened| {
        let Some(opened) = opened else {
            return Ok(None);
        };
        let entry = search(&opened.tree, lane, spot)?;
        Ok(entry.map(|entry| (opened, entry)))
    });
    match found {
        Ok(found) => Ok(found),
        Err(Trouble::Refused(error)) => Err(error),
        Err(Trouble::Damage(text)) => {
            set_aside(shared, id, &text)?;
            Ok(None)
        }
    }
}

/// A directory that sled cannot make sense of is kept, and not looked at any more.
pub(super) fn set_aside(shared: &Shared, id: u64, text: &str) -> Result<(), StoreError> {
    tracing::warn!("store: a sled directory is set aside: {text}");
    shared.trees().forget(id);
    folder::quarantine(&shared.directory, id)
}

/// The directory of a segment, open; none if it has none.
pub(super) fn opened(shared: &Shared, id: u64) -> Result<Option<Opened>, Trouble> {
    let known = shared.trees().find(id);
    match known {
        Some(opened) => Ok(Some(opened)),
        None => open(shared, id),
    }
}

fn open(shared: &Shared, id: u64) -> Result<Option<Opened>, Trouble> {
    let head = shared.directory.find_file(&folder::head_name(id));
    let head = head.and_then(|file| match file {
        Some(file) => Head::read(&file, shared.identity.epoch, id),
        None => Ok(None),
    });
    let Some(head) = head.map_err(Trouble::Refused)? else {
        return Ok(None);
    };
    let path = folder::path(&shared.directory, id);
    let Some(tree) = Tree::open(&path, folder::sled_segment(&head.facts))? else {
        return Ok(None);
    };
    let opened = Opened {
        id,
        tree: Arc::new(tree),
        key: head.open(&shared.identity).map(Arc::new),
    };
    shared.trees().put(opened.clone());
    Ok(Some(opened))
}

fn search(tree: &Tree, lane: Lane, spot: Spot) -> Result<Option<Entry>, Trouble> {
    // Beyond its end a directory may hold what a refused commit left behind: none of it counts.
    let counts = |entry: &Entry| entry.range.last().0 < spot.until;
    // Nearly always a batch begins where the one before it ended.
    if let Some(entry) = tree.get(entry::key(lane, spot.place))? {
        return Ok(Some(entry).filter(counts));
    }
    let mut found = None;
    tree.scan(entry::key(lane, 0), |entry| {
        let passed = entry.lane == lane && entry.range.last().0 < spot.place;
        if !passed {
            found = Some(entry).filter(|entry| entry.lane == lane && counts(entry));
        }
        passed
    })?;
    Ok(found)
}

/// Reports the places from a spot on up to, and without, `end`.
fn missing(shared: &Shared, lane: Lane, spot: Spot, end: u64) {
    let evicted = spot.segment.is_some_and(|id| {
        let file = shared.directory.find_file(&folder::head_name(id));
        let head = file
            .ok()
            .flatten()
            .map(|file| Head::read(&file, shared.identity.epoch, id));
        let head = head.and_then(Result::ok).flatten();
        head.is_some_and(|head| head.facts.evicted.contains(lane))
    });
    let fault = match evicted {
        true => Fault::Evicted,
        false => Fault::Missing,
    };
    let last = end.checked_sub(1).map(Sequence);
    let range = last.map(|last| SequenceRange::between(Sequence(spot.place), last));
    if let Some(Ok(range)) = range {
        shared.catalog().report(lane, range, fault);
    }
}
