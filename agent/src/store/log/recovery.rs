//! The catalog from what a directory holds.
//!
//! Reads the cursor, one header a segment, and the end of the newest segment; opens no seal. Where the
//! cursor is known to be current even that end is not searched. Damage is reported and never refuses a
//! start: a place that was given out is not given out again, whatever became of its batch.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::directory::{Directory, StoreFile};
use super::super::error::StoreError;
use super::super::identity::Identity;
use super::super::lanes::PerLane;
use super::super::{Damage, Fault, Recovery};
use super::catalog::Catalog;
use super::cursor::{Cursor, CursorFile, Found};
use super::entry::{HEAD_BYTES, Mark};
use super::limits::Limits;
use super::segment::{self, ENTRIES, Facts, Head, Segment};
use super::walk::Walk;

/// Opens what is there.
pub(super) fn recover(
    directory: &Directory,
    identity: &Identity,
    limits: Limits,
) -> Result<(Catalog, CursorFile, Recovery), StoreError> {
    let (file, found) = CursorFile::open(directory, identity.epoch)?;
    let mut candidates = Vec::new();
    for id in segment::ids(directory)? {
        candidates.push(Candidate::look(directory, identity, id)?);
    }
    let next_segment = candidates
        .last()
        .map_or(0, |last| last.id.saturating_add(1));
    let blank = |candidate: &Candidate| {
        candidate.facts.is_none() && candidate.survey.as_ref().is_none_or(|s| s.entries == 0)
    };
    let (unused, candidates): (Vec<_>, Vec<_>) = candidates.into_iter().partition(blank);

    let acknowledgements_lost = found.is_none() && !candidates.is_empty();
    let end = End::of(directory, &candidates, found.as_ref())?;
    let mut cursor = found.map(|found| found.cursor).unwrap_or_default();
    cursor.next_segment = cursor.next_segment.max(next_segment);
    let known = end.next;
    for lane in Lane::ALL {
        let settled = cursor.settled.of(lane).runs().last();
        let settled = settled.map_or(0, |run| run.last().plus(1).0);
        let next = cursor.next.of_mut(lane);
        *next = (*next).max(*known.of(lane)).max(settled);
        let batches = cursor.batches.of_mut(lane);
        *batches = (*batches).max(*end.batches.of(lane));
    }
    let mut damage = end.damage;
    let segments = segments_of(&candidates, &cursor, &mut damage);
    if acknowledgements_lost {
        settle_what_is_not_here(directory, &mut cursor, &candidates, &segments)?;
    }
    for lane in Lane::ALL {
        damage.extend(unfound(lane, *known.of(lane), *cursor.next.of(lane)));
    }
    let mut catalog = Catalog::new(cursor, limits, segments);
    unused
        .iter()
        .for_each(|unused| catalog.discard(unused.unused()));
    for Damage { lane, range, fault } in damage {
        catalog.report(lane, range, fault);
    }
    let recovery = Recovery {
        damage: catalog.take_damage(),
        torn_tail_bytes: end.torn,
        acknowledgements_lost,
        ..Recovery::default()
    };
    Ok((catalog, file, recovery))
}

/// A segment file as it was found.
struct Candidate {
    id: u64,
    mark: Mark,
    length: u64,
    /// None when no copy of its header is readable.
    facts: Option<Facts>,
    /// Everything in it, if it has no header.
    survey: Option<Survey>,
}

impl Candidate {
    fn look(directory: &Directory, identity: &Identity, id: u64) -> Result<Self, StoreError> {
        let file = directory.open_file(&segment::name(id))?;
        let mark = Mark::of(identity.epoch, id);
        let head = Head::read(&file, identity.epoch, id)?;
        let survey = match head {
            Some(_) => None,
            None => Some(Survey::of(&file, mark, ENTRIES, None, true)?),
        };
        Ok(Self {
            id,
            mark,
            length: file.length()?,
            facts: head.map(|head| head.facts),
            survey,
        })
    }

    /// Writes what was found in its end once more. The last process may have been killed before it synced
    /// this, or its sync failed: then it is in the page cache alone, and no later sync would write it.
    fn confirm(&self, directory: &Directory, offset: u64, end: u64) -> Result<(), StoreError> {
        let file = directory.open_file(&segment::name(self.id))?;
        let mut at = offset;
        let mut buffer = vec![0; CHUNK];
        while at < end {
            let rest = usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK);
            let chunk = buffer.get_mut(..rest).unwrap_or_default();
            let count = file.read_at(chunk, at)?;
            if count == 0 {
                break;
            }
            file.write_at(chunk.get(..count).unwrap_or_default(), at)?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        file.sync()
    }

    /// What its file holds from an offset on. Files are not kept open: there may be more than a process may have.
    fn survey(
        &self,
        directory: &Directory,
        offset: u64,
        start: PerLane<u64>,
        search: bool,
    ) -> Result<Survey, StoreError> {
        let file = directory.open_file(&segment::name(self.id))?;
        Survey::of(&file, self.mark, offset, Some(start), search)
    }

    fn unused(&self) -> Segment {
        Segment {
            id: self.id,
            start: PerLane::default(),
            batches: PerLane::default(),
            length: self.length,
            life: 0,
            failed: false,
        }
    }
}

/// Where the store ends.
#[derive(Default)]
struct End {
    next: PerLane<u64>,
    batches: PerLane<u64>,
    damage: Vec<Damage>,
    torn: u64,
}

impl End {
    /// From the newest segment with a header and whatever came after it.
    fn of(
        directory: &Directory,
        candidates: &[Candidate],
        found: Option<&Found>,
    ) -> Result<Self, StoreError> {
        let mut end = Self::default();
        for candidate in candidates.iter().rev() {
            let Some(facts) = &candidate.facts else {
                if let Some(survey) = &candidate.survey {
                    end.include(survey);
                }
                continue;
            };
            let hint = found.filter(|found| found.cursor.segment == candidate.id);
            let hint = hint.filter(|found| found.cursor.end >= ENTRIES);
            let (offset, start, batches) = match hint {
                Some(Found { cursor, .. }) => (cursor.end, cursor.next, cursor.batches),
                None => (ENTRIES, facts.start, facts.batches),
            };
            let search = !hint.is_some_and(|found| found.current);
            let mut survey = candidate.survey(directory, offset, start, search)?;
            if survey.entries > 0 && found.is_none_or(|found| found.cached) {
                let from = hint.map_or(0, |_| offset);
                // A medium that refuses goes on being read; nothing new is given out on it.
                drop(candidate.confirm(directory, from, survey.end));
            }
            for lane in Lane::ALL {
                *survey.batches.of_mut(lane) += batches.of(lane);
            }
            end.include(&survey);
            break;
        }
        Ok(end)
    }

    fn include(&mut self, survey: &Survey) {
        for lane in Lane::ALL {
            let next = self.next.of_mut(lane);
            *next = (*next).max(*survey.next.of(lane));
            let batches = self.batches.of_mut(lane);
            *batches = (*batches).max(*survey.batches.of(lane));
        }
        self.damage.extend_from_slice(&survey.damage);
        self.torn = self.torn.saturating_add(survey.torn);
    }
}

/// What a walk through a segment, or through its end, has seen.
#[derive(Debug, Default)]
struct Survey {
    entries: u64,
    /// Where the last of them ends.
    end: u64,
    /// The first place of each lane, where there is one.
    first: PerLane<Option<u64>>,
    next: PerLane<u64>,
    batches: PerLane<u64>,
    damage: Vec<Damage>,
    torn: u64,
}

impl Survey {
    /// `start`: the next place of each lane at the offset; without it nothing can be missed, and without a
    /// header nothing opened.
    fn of(
        file: &StoreFile,
        mark: Mark,
        offset: u64,
        start: Option<PerLane<u64>>,
        search: bool,
    ) -> Result<Self, StoreError> {
        let mut survey = Self {
            next: start.unwrap_or_default(),
            ..Self::default()
        };
        let mut walk = Walk::new(file, mark, offset)?;
        if !search {
            walk = walk.without_search();
        }
        while let Some((at, entry)) = walk.next()? {
            let lane = entry.lane;
            let (first, next) = (entry.range.first().0, *survey.next.of(lane));
            survey.entries += 1;
            survey.end = at.saturating_add(entry.size());
            survey.first.of_mut(lane).get_or_insert(first);
            if start.is_some() && first < next {
                continue;
            }
            if start.is_some() {
                survey.damage.extend(unfound(lane, next, first));
            }
            let whole = entry.read_body(file, at)?.is_some();
            let fault = match (start, whole) {
                (None, _) => Some(Fault::SegmentKey),
                (Some(_), false) => Some(Fault::Checksum),
                (Some(_), true) => None,
            };
            let range = entry.range;
            survey
                .damage
                .extend(fault.map(|fault| Damage { lane, range, fault }));
            survey.torn = if whole {
                0
            } else {
                survey.torn.saturating_add(entry.size())
            };
            walk.forget_broken();
            *survey.next.of_mut(lane) = range.last().plus(1).0;
            *survey.batches.of_mut(lane) += 1;
        }
        let broken = walk.broken().saturating_mul(HEAD_BYTES);
        survey.torn = survey.torn.saturating_add(broken);
        Ok(survey)
    }
}

/// The segments, each with the places it begins at. What has no header begins at its first entry, or where
/// its successor begins; all of it is damage.
fn segments_of(
    candidates: &[Candidate],
    cursor: &Cursor,
    damage: &mut Vec<Damage>,
) -> Vec<Segment> {
    let (mut next, mut batches) = (cursor.next, cursor.batches);
    let mut segments: Vec<_> = candidates
        .iter()
        .rev()
        .map(|candidate| {
            if let Some(facts) = &candidate.facts {
                (next, batches) = (facts.start, facts.batches);
            } else if let Some(survey) = &candidate.survey {
                // From where the next segment begins on, a refused commit left this behind.
                let counts = |damage: &&Damage| damage.range.first().0 < *next.of(damage.lane);
                damage.extend(survey.damage.iter().filter(counts));
                next = PerLane::from_fn(|lane| {
                    let end = *next.of(lane);
                    survey.first.of(lane).map_or(end, |first| first.min(end))
                });
            }
            Segment {
                start: next,
                batches,
                ..candidate.unused()
            }
        })
        .collect();
    segments.reverse();
    segments
}

/// With the acknowledgements gone, what no segment holds must have been acknowledged: nothing else lets a
/// segment go. Looks into a segment only where its successor is not the next number.
fn settle_what_is_not_here(
    directory: &Directory,
    cursor: &mut Cursor,
    candidates: &[Candidate],
    segments: &[Segment],
) -> Result<(), StoreError> {
    let mut ends = Some(PerLane::default());
    for (index, (candidate, segment)) in candidates.iter().zip(segments).enumerate() {
        for lane in Lane::ALL {
            let end = ends.as_ref().map(|ends| *ends.of(lane));
            let absent = end.and_then(|end| unfound(lane, end, *segment.start.of(lane)));
            if let Some(Damage { range, .. }) = absent {
                cursor.settle(lane, range);
            }
        }
        let adjoins = |next: &Segment| next.id == segment.id + 1;
        ends = match segments.get(index + 1) {
            Some(next) if !adjoins(next) => {
                let survey = candidate.survey(directory, ENTRIES, segment.start, true)?;
                let evicted = candidate.facts.as_ref().map(|facts| facts.evicted);
                let evicted = evicted.unwrap_or_default();
                // What was evicted from its end may not have been told yet.
                Some(PerLane::from_fn(|lane| {
                    let end = if evicted.contains(lane) {
                        &next.start
                    } else {
                        &survey.next
                    };
                    *end.of(lane)
                }))
            }
            Some(_) | None => None,
        };
    }
    Ok(())
}

/// Places from `first` up to, and without, `end`.
fn unfound(lane: Lane, first: u64, end: u64) -> Option<Damage> {
    let last = Sequence(end.checked_sub(1)?);
    let range = SequenceRange::between(Sequence(first), last).ok()?;
    let fault = Fault::Missing;
    Some(Damage { lane, range, fault })
}

/// Written again at a time.
const CHUNK: usize = 64 << 10;
