//! Where a record stands in its lane, and sets of such places.
//!
//! A [`Sequence`] counts records per (gateway, epoch, lane) from 0 and is never reused. A
//! [`SequenceSet`] says which of them are acknowledged, received or missing, as ranges.

use std::fmt;
use std::ops::RangeInclusive;

use rangemap::RangeInclusiveSet;
use serde::{Deserialize, Serialize};

/// A record's place in its lane.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The place `count` records further on. Saturates: a lane of 2^64 records does not occur.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of consecutive places in one lane, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct SequenceRange {
    first: Sequence,
    last: Sequence,
}

impl SequenceRange {
    /// Every place there is.
    pub const ALL: Self = Self {
        first: Sequence(0),
        last: Sequence(u64::MAX),
    };

    /// The `count` places from `first` on; none if `count` is 0 or the run would pass the last number.
    #[must_use]
    pub fn starting(first: Sequence, count: u32) -> Option<Self> {
        let last = first.0.checked_add(u64::from(count.checked_sub(1)?))?;
        Some(Self {
            first,
            last: Sequence(last),
        })
    }

    /// From `first` to `last`, both included.
    ///
    /// # Errors
    /// When `last` comes before `first`.
    pub fn between(first: Sequence, last: Sequence) -> Result<Self, RangeError> {
        if last < first {
            return Err(RangeError { first, last });
        }
        Ok(Self { first, last })
    }

    /// The first place.
    #[must_use]
    pub const fn first(self) -> Sequence {
        self.first
    }

    /// The last place, itself included.
    #[must_use]
    pub const fn last(self) -> Sequence {
        self.last
    }

    /// How many places it has.
    #[must_use]
    pub const fn count(self) -> u64 {
        (self.last.0 - self.first.0).saturating_add(1)
    }
}

impl TryFrom<(u64, u64)> for SequenceRange {
    type Error = RangeError;

    fn try_from((first, last): (u64, u64)) -> Result<Self, RangeError> {
        Self::between(Sequence(first), Sequence(last))
    }
}

impl From<SequenceRange> for (u64, u64) {
    fn from(range: SequenceRange) -> Self {
        (range.first.0, range.last.0)
    }
}

/// A set of places in one lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceSet(RangeInclusiveSet<u64>);

impl SequenceSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a run; what is in already stays.
    pub fn insert(&mut self, range: SequenceRange) {
        self.0.insert(range.first.0..=range.last.0);
    }

    /// Takes a run out again.
    pub fn remove(&mut self, range: SequenceRange) {
        self.0.remove(range.first.0..=range.last.0);
    }

    /// Whether one place is in.
    #[must_use]
    pub fn contains(&self, sequence: Sequence) -> bool {
        self.0.contains(&sequence.0)
    }

    /// Whether the whole run is in.
    #[must_use]
    pub fn covers(&self, range: SequenceRange) -> bool {
        self.0
            .get(&range.first.0)
            .is_some_and(|run| *run.end() >= range.last.0)
    }

    /// Whether any place of the run is in.
    #[must_use]
    pub fn overlaps(&self, range: SequenceRange) -> bool {
        self.0.overlaps(&(range.first.0..=range.last.0))
    }

    /// What is in of a run.
    pub fn within(&self, range: SequenceRange) -> impl Iterator<Item = SequenceRange> + '_ {
        let clip = move |run: &RangeInclusive<u64>| SequenceRange {
            first: Sequence(*run.start()).max(range.first),
            last: Sequence(*run.end()).min(range.last),
        };
        self.0.overlapping(range.first.0..=range.last.0).map(clip)
    }

    /// The runs, in order, neither touching nor overlapping.
    pub fn runs(&self) -> impl Iterator<Item = SequenceRange> + '_ {
        self.0.iter().map(SequenceRange::from_run)
    }

    /// The runs that are missing before the highest place that is in.
    #[must_use]
    pub fn holes(&self) -> Vec<SequenceRange> {
        let Some(highest) = self.0.last().map(|run| *run.end()) else {
            return Vec::new();
        };
        self.0
            .gaps(&(0..=highest))
            .map(|run| SequenceRange::from_run(&run))
            .collect()
    }

    /// The first place that is not in: everything before it is.
    #[must_use]
    pub fn below(&self) -> Sequence {
        Sequence(self.0.get(&0).map_or(0, |run| run.end().saturating_add(1)))
    }

    /// How many places are in.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs().map(SequenceRange::count).sum()
    }

    /// Whether none is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl SequenceRange {
    fn from_run(run: &RangeInclusive<u64>) -> Self {
        Self {
            first: Sequence(*run.start()),
            last: Sequence(*run.end()),
        }
    }
}

/// A range that ends before it starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a range cannot run from {first} back to {last}")]
pub struct RangeError {
    first: Sequence,
    last: Sequence,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> SequenceRange {
        SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
    }

    #[test]
    fn adjoining_runs_become_one_and_holes_are_named() {
        let mut set = SequenceSet::new();
        set.insert(range(0, 4));
        set.insert(range(5, 9));
        set.insert(range(20, 29));
        assert_eq!(set.below(), Sequence(10));
        assert_eq!(set.holes(), vec![range(10, 19)]);
        assert_eq!(set.count(), 20);
        assert!(set.covers(range(2, 7)) && !set.covers(range(8, 12)));
    }

    #[test]
    fn of_a_run_only_what_is_in_comes_back() {
        let mut set = SequenceSet::new();
        set.insert(range(0, 4));
        set.insert(range(8, 20));
        let found: Vec<_> = set.within(range(3, 10)).collect();
        assert_eq!(found, [range(3, 4), range(8, 10)]);
        assert_eq!(set.within(SequenceRange::ALL).count(), 2);
        assert_eq!(set.within(range(5, 7)).count(), 0);
    }

    #[test]
    fn an_empty_run_is_no_range() {
        assert_eq!(SequenceRange::starting(Sequence(3), 0), None);
        assert_eq!(SequenceRange::starting(Sequence(u64::MAX), 2), None);
    }
}
