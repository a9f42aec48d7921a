//! What is to be sent on this connection, read ahead of need.
//!
//! Owns, per lane, which places are still to be sent and a short queue of batches that are ready to go.
//! Promises that nothing unacknowledged is left out: what is to be sent is a set of places, and a place
//! leaves it only when its batch is queued or the store has nothing there. Holds little: a queue a class.

use std::collections::VecDeque;

use tokio::time::Instant;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::marks::Marks;
use super::order::{Age, Class};
use super::source::Ready;

/// The supply of one connection.
#[derive(Debug)]
pub(super) struct Supply {
    lanes: [Shelf; 4],
    newest_first: bool,
}

/// One lane's part.
#[derive(Debug)]
struct Shelf {
    lane: Lane,
    /// Also the places that are not given out yet.
    unsent: SequenceSet,
    /// The first place that is not given out, as far as was seen.
    known: Sequence,
    live_from: Sequence,
    live: VecDeque<Ready>,
    backlog: VecDeque<Ready>,
}

/// What is to be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) class: Class,
    /// The first place wanted.
    pub(super) from: Sequence,
    /// The first place not wanted.
    pub(super) until: Sequence,
    /// The most messages, and about the most bytes.
    pub(super) most: (usize, usize),
}

/// What there is of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stock<'s> {
    Nothing,
    /// In the store, and not read yet.
    Coming,
    Ready(&'s Ready),
}

impl Supply {
    /// Everything that the store holds, but for what is set aside.
    pub(super) fn new(newest_first: bool, aside: impl Fn(Lane) -> Vec<SequenceRange>) -> Self {
        let lanes = Lane::ALL.map(|lane| Shelf {
            lane,
            unsent: SequenceSet::new(),
            known: Sequence(0),
            live_from: Sequence(0),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
        });
        let mut supply = Self {
            lanes,
            newest_first,
        };
        for shelf in &mut supply.lanes {
            shelf.unsent.insert(SequenceRange::ALL);
            for range in aside(shelf.lane) {
                shelf.unsent.remove(range);
            }
        }
        supply
    }

    /// Takes in what was committed, and tells live from backlog anew.
    pub(super) fn refresh(&mut self, next: impl Fn(Lane) -> Sequence, marks: &Marks, now: Instant) {
        for shelf in &mut self.lanes {
            shelf.known = next(shelf.lane);
            let Some(bound) = marks.live_from(shelf.lane, now) else {
                continue;
            };
            if bound <= shelf.live_from {
                continue;
            }
            let late = shelf
                .live
                .front()
                .is_some_and(|ready| ready.range.first() < bound)
                || shelf.first(shelf.live_from, bound).is_some();
            if late && shelf.lane != Lane::Alarm {
                // The link does not keep up: what is new now goes first, the rest waits its turn.
                for ready in shelf.live.drain(..) {
                    shelf.unsent.insert(ready.range);
                }
                shelf.live_from = shelf.known;
            } else {
                shelf.live_from = bound;
            }
        }
    }

    /// What should be read next: what somebody waits for, then what may be wanted soon.
    pub(super) fn wish(&self) -> Option<Wish> {
        let short = |least: usize| {
            Class::ALL.into_iter().find_map(|class| {
                let shelf = self.shelf(class.lane)?;
                (shelf.queue(class.age).len() < least)
                    .then(|| shelf.wish(class, self.newest_first))?
            })
        };
        short(1).or_else(|| short(LOW))
    }

    /// Takes in what was read for a wish. `done`: the store has nothing more of it.
    pub(super) fn arrived(&mut self, wish: Wish, batches: Vec<Ready>, done: bool) {
        let Some(shelf) = self
            .lanes
            .iter_mut()
            .find(|shelf| shelf.lane == wish.class.lane)
        else {
            return;
        };
        let read = if done {
            wish.until.0.checked_sub(1).map(Sequence)
        } else {
            batches.last().map(|ready| ready.range.last())
        };
        let wanted = batches
            .into_iter()
            .filter(|ready| shelf.unsent.overlaps(ready.range));
        let wanted: Vec<_> = wanted.collect();
        for ready in &wanted {
            shelf.unsent.remove(ready.range);
        }
        if let Some(Ok(range)) = read.map(|last| SequenceRange::between(wish.from, last)) {
            shelf.unsent.remove(range);
        }
        match wish.class.age {
            Age::Live => shelf.live.extend(wanted),
            Age::Backlog => shelf.backlog.extend(wanted),
        }
    }

    /// What there is of a class.
    pub(super) fn stock(&self, class: Class) -> Stock<'_> {
        let Some(shelf) = self.shelf(class.lane) else {
            return Stock::Nothing;
        };
        match shelf.queue(class.age).front() {
            Some(ready) => Stock::Ready(ready),
            None if shelf.wish(class, false).is_some() => Stock::Coming,
            None => Stock::Nothing,
        }
    }

    /// Takes the next batch of a class.
    pub(super) fn take(&mut self, class: Class) -> Option<Ready> {
        let shelf = self
            .lanes
            .iter_mut()
            .find(|shelf| shelf.lane == class.lane)?;
        match class.age {
            Age::Live => shelf.live.pop_front(),
            Age::Backlog => shelf.backlog.pop_front(),
        }
    }

    /// Places that are to be sent (again) after all.
    pub(super) fn again(&mut self, lane: Lane, range: SequenceRange) {
        let shelf = self.lanes.iter_mut().find(|shelf| shelf.lane == lane);
        if let Some(shelf) = shelf {
            shelf.unsent.insert(range);
        }
    }

    /// Places that need not be sent any more.
    pub(super) fn settled(&mut self, lane: Lane, range: SequenceRange) {
        let shelf = self.lanes.iter_mut().find(|shelf| shelf.lane == lane);
        if let Some(shelf) = shelf {
            shelf.unsent.remove(range);
        }
    }

    fn shelf(&self, lane: Lane) -> Option<&Shelf> {
        self.lanes.iter().find(|shelf| shelf.lane == lane)
    }
}

impl Shelf {
    const fn queue(&self, age: Age) -> &VecDeque<Ready> {
        match age {
            Age::Live => &self.live,
            Age::Backlog => &self.backlog,
        }
    }

    /// The first place to be sent from `from` on and before `until`, and where its run ends.
    fn first(&self, from: Sequence, until: Sequence) -> Option<(Sequence, Sequence)> {
        let run = self.unsent.runs().find(|run| run.last() >= from)?;
        let first = run.first().max(from);
        (first < until).then(|| (first, run.last().plus(1).min(until)))
    }

    fn wish(&self, class: Class, newest_first: bool) -> Option<Wish> {
        let (low, high, most) = match class.age {
            Age::Live => (self.live_from, self.known, LIVE),
            Age::Backlog => (Sequence(0), self.live_from.min(self.known), BACKLOG),
        };
        let (mut from, mut until) = self.first(low, high)?;
        if newest_first && class.age == Age::Backlog {
            // The newest stretch, in order within itself.
            let below = self.unsent.runs().take_while(|run| run.first() < high);
            let last = below.last()?;
            until = last.last().plus(1).min(high);
            from = last.first().max(Sequence(until.0.saturating_sub(STRETCH)));
        }
        Some(Wish {
            class,
            from,
            until,
            most,
        })
    }
}

/// So few are left when more are read.
const LOW: usize = 8;
const LIVE: (usize, usize) = (4, 64 << 10);
const BACKLOG: (usize, usize) = (32, 256 << 10);
/// Records that are read in order when the newest are to go first.
const STRETCH: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OLD: Class = Class {
        age: Age::Backlog,
        lane: Lane::Vital,
    };
    const NEW: Class = Class {
        age: Age::Live,
        lane: Lane::Vital,
    };

    fn range(first: u64, last: u64) -> SequenceRange {
        SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
    }

    fn ready(range: SequenceRange) -> Ready {
        Ready {
            lane: Lane::Vital,
            range,
            payload: Vec::new(),
            joined: false,
        }
    }

    fn next(place: u64) -> impl Fn(Lane) -> Sequence {
        move |lane| Sequence(if lane == Lane::Vital { place } else { 0 })
    }

    /// A supply that found `backlog` places in the store, of which none is live.
    fn supply(backlog: u64, newest_first: bool) -> (Supply, Marks, Instant) {
        let (mut marks, now) = (Marks::over(Duration::from_secs(10)), Instant::now());
        marks.note(now, next(backlog));
        let mut supply = Supply::new(newest_first, |_| Vec::new());
        supply.refresh(next(backlog), &marks, now);
        (supply, marks, now)
    }

    /// Reads everything of a class in batches of ten; gives what came in its order.
    fn drain(supply: &mut Supply, class: Class) -> Vec<u64> {
        let mut came = Vec::new();
        while let Some(wish) = supply.wish().filter(|wish| wish.class == class) {
            let first = range(wish.from.0 / 10 * 10, wish.from.0 / 10 * 10 + 9);
            let done = wish.until <= first.last().plus(1);
            supply.arrived(wish, vec![ready(first)], done);
            while let Some(ready) = supply.take(class) {
                came.push(ready.range.first().0 / 10);
            }
        }
        came
    }

    #[test]
    fn oldest_first_is_the_order_of_the_places() {
        let (mut supply, ..) = supply(5000, false);
        assert_eq!(drain(&mut supply, OLD), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn newest_first_gives_each_batch_once_and_the_newest_stretch_before_older_ones() {
        let (mut supply, ..) = supply(5000, true);
        let came = drain(&mut supply, OLD);
        assert!(came[0] > 390 && came[499] < 110, "{came:?}");
        let mut sorted = came;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_live_and_late_becomes_backlog_and_news_go_first() {
        let (mut supply, mut marks, start) = supply(0, false);
        for second in 1..=11 {
            let now = start + Duration::from_secs(second);
            marks.note(now, next(second * 10));
            supply.refresh(next(second * 10), &marks, now);
            assert!(matches!(supply.stock(NEW), Stock::Coming | Stock::Nothing));
        }
        assert_eq!(supply.stock(OLD), Stock::Coming);
        let now = start + Duration::from_secs(12);
        marks.note(now, next(120));
        supply.refresh(next(120), &marks, now);
        let wish = supply.wish().unwrap();
        assert_eq!((wish.class, wish.from), (NEW, Sequence(110)));
    }

    #[test]
    fn what_the_store_has_no_more_is_not_asked_for_again() {
        let (mut supply, ..) = supply(100, false);
        let wish = supply.wish().unwrap();
        assert_eq!((wish.from, wish.until), (Sequence(0), Sequence(100)));
        supply.arrived(wish, vec![ready(range(50, 59))], true);
        assert_eq!(supply.wish(), None);
        supply.again(Lane::Vital, range(50, 59));
        assert_eq!(supply.wish().unwrap().from, Sequence(50));
        supply.settled(Lane::Vital, range(0, 99));
        assert_eq!(supply.wish(), None);
    }

    #[test]
    fn what_is_set_aside_is_not_asked_for() {
        let (marks, now) = (Marks::over(Duration::from_secs(10)), Instant::now());
        let mut supply = Supply::new(false, |_| vec![range(0, 9)]);
        supply.refresh(next(20), &marks, now);
        assert_eq!(supply.wish().unwrap().from, Sequence(10));
    }
}
