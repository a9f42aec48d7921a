//! The catalog from what a directory holds.
//!
//! Reads the cursor and one header a segment. sled directories are opened only where the cursor may be behind
//! them, which is the newest, or lost, which is all of them: each costs sled a read of its whole file.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::directory::Directory;
use super::super::error::StoreError;
use super::super::identity::Identity;
use super::super::lanes::{LaneSet, PerLane};
use super::super::log::catalog::Catalog;
use super::super::log::cursor::{Cursor, CursorFile};
use super::super::log::limits::Limits;
use super::super::log::segment::{Head, Segment};
use super::super::{Damage, Fault, Recovery};
use super::entry;
use super::folder;
use super::tree::{Tree, Trouble};

/// Opens what is there.
pub(super) fn recover(
    directory: &Directory,
    identity: &Identity,
    limits: Limits,
) -> Result<(Catalog, CursorFile, Recovery), StoreError> {
    folder::clear_trash(directory);
    let (file, found) = CursorFile::open(directory, identity.epoch)?;
    let mut candidates = Vec::new();
    let mut highest = None;
    for id in folder::ids(directory)? {
        highest = Some(id);
        match Candidate::look(directory, identity, id)? {
            Some(candidate) => candidates.push(candidate),
            // Without the data key nobody opens it; what it held is missed between its neighbours.
            None => folder::quarantine(directory, id)?,
        }
    }
    let acknowledgements_lost = found.is_none() && highest.is_some();
    let current = found.as_ref().is_some_and(|found| found.current);
    let mut cursor = found.map(|found| found.cursor).unwrap_or_default();
    let after = highest.map_or(0, |id| id.saturating_add(1));
    cursor.next_segment = cursor.next_segment.max(after);

    let mut damage = Vec::new();
    let count = candidates.len();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        let newest = index + 1 == count;
        if acknowledgements_lost || (newest && !current) {
            damage.extend(candidate.survey(directory)?);
        }
        for lane in Lane::ALL {
            let next = cursor.next.of_mut(lane);
            *next = (*next).max(*candidate.end.of(lane));
        }
    }
    for lane in Lane::ALL {
        let settled = cursor.settled.of(lane).runs().last();
        let settled = settled.map_or(0, |run| run.last().plus(1).0);
        let next = cursor.next.of_mut(lane);
        *next = (*next).max(settled);
    }
    if acknowledgements_lost {
        settle_what_is_not_here(&mut cursor, &candidates);
    }
    let segments = candidates.into_iter().map(|candidate| candidate.segment);
    let mut catalog = Catalog::new(cursor, limits, segments.collect());
    for Damage { lane, range, fault } in damage {
        catalog.report(lane, range, fault);
    }
    let recovery = Recovery {
        damage: catalog.take_damage(),
        acknowledgements_lost,
        ..Recovery::default()
    };
    Ok((catalog, file, recovery))
}

/// A segment as it was found.
struct Candidate {
    segment: Segment,
    /// sled's own segments.
    step: usize,
    /// Lanes that made room: what is not found of them was evicted, and perhaps not told yet.
    evicted: LaneSet,
    /// The next place of each lane after it, as far as is known.
    end: PerLane<u64>,
}

impl Candidate {
    /// None without a header of this very segment.
    fn look(
        directory: &Directory,
        identity: &Identity,
        id: u64,
    ) -> Result<Option<Self>, StoreError> {
        let file = directory.find_file(&folder::head_name(id))?;
        let head = file.map(|file| Head::read(&file, identity.epoch, id));
        let Some(head) = head.transpose()?.flatten() else {
            return Ok(None);
        };
        let facts = &head.facts;
        Ok(Some(Self {
            segment: Segment {
                id,
                start: facts.start,
                batches: facts.batches,
                // No start writes on where the last one ended.
                length: folder::settled_length(folder::size(&folder::path(directory, id)), facts),
                life: 0,
                failed: false,
            },
            step: folder::sled_segment(facts),
            evicted: facts.evicted,
            end: facts.start,
        }))
    }

    /// Finds where it ends, and what is missing before that.
    fn survey(&mut self, directory: &Directory) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        let path = folder::path(directory, self.segment.id);
        let end = &mut self.end;
        let seen = Tree::open(&path, self.step).and_then(|tree| match tree {
            None => Ok(()),
            Some(tree) => tree.scan(entry::FIRST, |entry| {
                let (lane, first) = (entry.lane, entry.range.first().0);
                let next = end.of_mut(lane);
                damage.extend(unfound(lane, *next, first));
                *next = (*next).max(entry.range.last().plus(1).0);
                true
            }),
        });
        match seen {
            Ok(()) => Ok(damage),
            Err(Trouble::Refused(error)) => Err(error),
            Err(Trouble::Damage(text)) => {
                tracing::warn!("store: a sled directory is set aside: {text}");
                folder::quarantine(directory, self.segment.id)?;
                Ok(damage)
            }
        }
    }
}

/// With the acknowledgements gone, what no segment holds must have been acknowledged: nothing else lets a
/// segment go.
fn settle_what_is_not_here(cursor: &mut Cursor, candidates: &[Candidate]) {
    let mut before: Option<&Candidate> = None;
    for candidate in candidates {
        let gone = before.is_none_or(|before| before.segment.id + 1 < candidate.segment.id);
        for lane in Lane::ALL.into_iter().filter(|_| gone) {
            if before.is_some_and(|before| before.evicted.contains(lane)) {
                continue;
            }
            let end = before.map_or(0, |before| *before.end.of(lane));
            if let Some(Damage { range, .. }) =
                unfound(lane, end, *candidate.segment.start.of(lane))
            {
                cursor.settle(lane, range);
            }
        }
        before = Some(candidate);
    }
}

/// Places from `first` up to, and without, `end`.
fn unfound(lane: Lane, first: u64, end: u64) -> Option<Damage> {
    let last = Sequence(end.checked_sub(1)?);
    let range = SequenceRange::between(Sequence(first), last).ok()?;
    let fault = Fault::Missing;
    Some(Damage { lane, range, fault })
}
