//! Small batches joined: each message costs broker and network alike, whatever it holds.
//!
//! Promises that only neighbours are joined, in order, as they are; the receiver takes each as if it had come
//! alone. Refuses what is held against a batch to spread to others: what is to go apart is never joined.

use wardlink_wire::sequence::{SequenceRange, SequenceSet};

use super::cut::Piece;

/// Batches that become one message.
#[derive(Debug)]
pub(super) struct Joined<'s> {
    most: usize,
    apart: &'s SequenceSet,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl<'s> Joined<'s> {
    /// Joins to `most` bytes, but for what is at the places in `apart`.
    pub(super) const fn new(most: usize, apart: &'s SequenceSet) -> Self {
        Self {
            most,
            apart,
            pieces: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes one more in; gives those that were there if they do not go with it.
    pub(super) fn push(&mut self, piece: Piece) -> Option<Vec<Piece>> {
        let full = if self.goes_with(&piece) {
            None
        } else {
            self.take()
        };
        self.bytes += piece.bytes.len();
        self.pieces.push(piece);
        full
    }

    /// What is there.
    pub(super) fn take(&mut self) -> Option<Vec<Piece>> {
        self.bytes = 0;
        Some(std::mem::take(&mut self.pieces)).filter(|pieces| !pieces.is_empty())
    }

    fn goes_with(&self, piece: &Piece) -> bool {
        let Some(last) = self.pieces.last() else {
            return true;
        };
        let fits = self.bytes + piece.bytes.len() <= self.most;
        let apart = |piece: &Piece| self.apart.overlaps(piece.range);
        fits && last.range.last().plus(1) == piece.range.first() && !apart(last) && !apart(piece)
    }
}

/// The places of consecutive batches.
pub(super) fn range(pieces: &[Piece]) -> Option<SequenceRange> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    SequenceRange::between(first.range.first(), last.range.last()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::sequence::Sequence;

    fn places(first: u64, last: u64) -> SequenceRange {
        SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
    }

    fn joined(
        most: usize,
        apart: &SequenceSet,
        pieces: &[(u64, u64, usize)],
    ) -> Vec<SequenceRange> {
        let (mut joined, mut messages) = (Joined::new(most, apart), Vec::new());
        for (first, last, bytes) in pieces {
            let piece = Piece {
                range: places(*first, *last),
                bytes: vec![0; *bytes],
            };
            messages.extend(joined.push(piece));
        }
        messages.extend(joined.take());
        messages.iter().filter_map(|pieces| range(pieces)).collect()
    }

    #[test]
    fn only_neighbours_are_joined_and_only_while_they_are_small() {
        let mut held = SequenceSet::new();
        let pieces = [
            (0, 4, 50),
            (5, 5, 50),
            (6, 9, 1),
            (20, 29, 40),
            (30, 39, 500),
            (40, 40, 10),
            (41, 41, 10),
        ];
        let all = [(0, 5), (6, 9), (20, 29), (30, 39), (40, 41)].map(|(a, b)| places(a, b));
        assert_eq!(joined(100, &held, &pieces), all);
        held.insert(places(5, 5));
        held.insert(places(41, 41));
        let apart = [
            (0, 4),
            (5, 5),
            (6, 9),
            (20, 29),
            (30, 39),
            (40, 40),
            (41, 41),
        ];
        assert_eq!(
            joined(100, &held, &pieces),
            apart.map(|(a, b)| places(a, b))
        );
        assert_eq!(joined(0, &SequenceSet::new(), &pieces).len(), pieces.len());
    }
}
