//! The store against a plain model, with random restarts, kills and damage.
//!
//! What must hold after every start: each batch whose append returned, which is not acknowledged and not
//! damaged, comes back byte for byte exactly once and in order; each one that is damaged is reported with
//! exactly its places; nothing else is ever reported; no place is given out twice.
//!
//! `WARDLINK_STORE_SEED=<n>` replays one run, `WARDLINK_STORE_RUNS=<n>` makes more of them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Fault;
use super::super::log::inspect::{Seen, entries, forget_commits, pretend_reboot};
use super::*;

const RUNS: u64 = 300;
const STEPS: u64 = 60;

type Place = (Lane, u64);

#[test]
fn the_store_does_what_the_model_does() {
    if let Ok(seed) = std::env::var("WARDLINK_STORE_SEED") {
        run(seed.parse().unwrap(), &mut Tally::default());
        return;
    }
    let runs = std::env::var("WARDLINK_STORE_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let mut tally = Tally::default();
    for seed in 0..runs {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(seed, &mut tally);
        }));
        assert!(caught.is_ok(), "failed with WARDLINK_STORE_SEED={seed}");
    }
    println!("{runs} seeded runs: {tally:?}");
    assert!(tally.appended > 10_000 && tally.damaged > 300 && tally.evicted > 1000);
}

/// What the runs came across, so that a test that stopped testing is noticed.
#[derive(Debug, Default)]
struct Tally {
    appended: u64,
    starts: u64,
    damaged: u64,
    evicted: u64,
    full: u64,
}

struct Run<'a> {
    random: Random,
    directory: TempDir,
    store: Option<Store>,
    budget: u64,
    next: BTreeMap<Lane, u64>,
    /// Appended and not fully acknowledged when last looked at.
    held: BTreeMap<(Lane, u64), (SequenceRange, Vec<u8>)>,
    settled: BTreeSet<Place>,
    damaged: BTreeSet<Place>,
    /// Reported since the last commit.
    reported: BTreeSet<Place>,
    tally: &'a mut Tally,
}

fn run(seed: u64, tally: &mut Tally) {
    let mut random = Random(seed);
    let directory = scratch();
    let budget = (200 + random.below(400)) << 10;
    let mut run = Run {
        random,
        directory,
        store: None,
        budget,
        next: BTreeMap::new(),
        held: BTreeMap::new(),
        settled: BTreeSet::new(),
        damaged: BTreeSet::new(),
        reported: BTreeSet::new(),
        tally,
    };
    run.start();
    for _ in 0..STEPS {
        match run.random.below(12) {
            0..=6 => run.append(),
            7..=9 => run.acknowledge(),
            10 => run.read_somewhere(),
            _ => run.restart(),
        }
    }
    run.restart();
}

impl Run<'_> {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn start(&mut self) {
        let settings = Settings {
            budget: self.budget,
            ..settings(self.directory.path())
        };
        let (store, recovery) = Store::open(settings, &gateway(), &key()).unwrap();
        self.tally.starts += 1;
        for lane in Lane::ALL {
            let next = self.next.get(&lane).copied().unwrap_or(0);
            assert_eq!(store.next_sequence(lane), Sequence(next), "next of {lane}");
        }
        self.store = Some(store);
        self.reported.clear();
        self.note(&recovery.damage);
        self.check();
    }

    fn note(&mut self, damage: &[Damage]) {
        for Damage { lane, range, fault } in damage {
            if *fault == Fault::Evicted {
                self.tally.evicted += range.count();
                // Batches go as a whole, with what was acknowledged of them.
                let batches = self.held.iter().filter(|((l, _), (r, _))| {
                    l == lane && r.first() <= range.last() && range.first() <= r.last()
                });
                for ((lane, _), (range, _)) in batches {
                    let places = range.first().0..=range.last().0;
                    self.damaged.extend(places.map(|place| (*lane, place)));
                }
            }
            for place in range.first().0..=range.last().0 {
                assert!(
                    self.reported.insert((*lane, place)),
                    "{lane} {place} reported twice"
                );
            }
        }
    }

    /// Reads everything and compares.
    fn check(&mut self) {
        for lane in Lane::ALL {
            let read = drain(self.store(), lane);
            let read: Vec<_> = read
                .iter()
                .map(|batch| print(batch.range, &batch.bytes))
                .collect();
            let expected = self.held.iter().filter(|((l, _), (range, _))| {
                *l == lane && self.unsettled(lane, *range) && !self.is_damaged(lane, *range)
            });
            let expected: Vec<_> = expected
                .map(|(_, (range, bytes))| print(*range, bytes))
                .collect();
            assert_eq!(read, expected, "lane {lane}");
        }
        let damage = self.store().take_damage();
        self.note(&damage);
        assert_eq!(
            self.reported,
            &self.damaged - &self.settled,
            "reported and damaged"
        );
    }

    fn unsettled(&self, lane: Lane, range: SequenceRange) -> bool {
        (range.first().0..=range.last().0).any(|place| !self.settled.contains(&(lane, place)))
    }

    fn is_damaged(&self, lane: Lane, range: SequenceRange) -> bool {
        self.damaged.contains(&(lane, range.first().0))
    }

    fn append(&mut self) {
        let mut next = self.next.clone();
        let mut group = Vec::new();
        for _ in 0..=self.random.below(4) {
            let lane = Lane::ALL[usize::try_from(self.random.below(4)).unwrap()];
            let place = next.entry(lane).or_default();
            let count = u32::try_from(self.random.below(20)).unwrap() + 1;
            let range = SequenceRange::starting(Sequence(*place), count).unwrap();
            *place = range.last().0 + 1;
            let length = match self.random.below(20) {
                0 => 0,
                1 => self.random.below(40_000),
                _ => self.random.below(3000),
            };
            group.push((lane, range, self.random.bytes(length)));
        }
        let batches: Vec<_> = group
            .iter()
            .map(|(lane, range, bytes)| NewBatch {
                lane: *lane,
                range: *range,
                bytes,
            })
            .collect();
        match self.store().append(&batches) {
            Ok(()) => {
                self.next = next;
                self.settled.append(&mut self.reported);
                for (lane, range, bytes) in group {
                    self.held.insert((lane, range.first().0), (range, bytes));
                    self.tally.appended += 1;
                }
            }
            Err(StoreError::Full { .. }) => {
                self.tally.full += 1;
                let usage = self.store().usage();
                assert!(
                    usage.used + 200_000 > usage.budget,
                    "full at {}",
                    usage.used
                );
            }
            Err(error) => panic!("{error}"),
        }
        let damage = self.store().take_damage();
        self.note(&damage);
    }

    fn acknowledge(&mut self) {
        let keys: Vec<_> = self.held.keys().copied().collect();
        for _ in 0..self.random.below(12) {
            let Some(key) = self.random.pick(&keys) else {
                return;
            };
            let (lane, range) = (key.0, self.held[key].0);
            let (mut first, mut last) = (range.first().0, range.last().0);
            match self.random.below(12) {
                0 => first += (last - first) / 2,
                1 => last = first + (last - first) / 2,
                2 => last += self.random.below(100),
                3 => first = first.saturating_sub(self.random.below(100)),
                _ => {}
            }
            let acknowledged = [super::range(first, last)];
            self.store().acknowledge(lane, &acknowledged).unwrap();
            let next = self.next.get(&lane).copied().unwrap_or(0);
            for place in first..=last.min(next - 1) {
                self.settled.insert((lane, place));
                self.reported.remove(&(lane, place));
            }
        }
    }

    fn read_somewhere(&mut self) {
        let keys: Vec<_> = self.held.keys().copied().collect();
        for _ in 0..8 {
            let Some(&(lane, first)) = self.random.pick(&keys) else {
                return;
            };
            let from = first + self.random.below(10);
            let read = self.store().read_from(lane, Sequence(from)).unwrap();
            let expected = self.held.iter().find(|((l, _), (range, _))| {
                *l == lane
                    && range.last().0 >= from
                    && self.unsettled(lane, *range)
                    && !self.is_damaged(lane, *range)
            });
            let read = read.map(|batch| print(batch.range, &batch.bytes));
            let expected = expected.map(|(_, (range, bytes))| print(*range, bytes));
            assert_eq!(read, expected, "{lane} from {from}");
        }
    }

    /// Closes or kills the store, damages it or not, and starts again.
    fn restart(&mut self) {
        let epoch = self.store().epoch();
        if self.random.chance(2) {
            // What a kill at this moment leaves behind.
            let killed = snapshot(self.directory.path());
            self.store = None;
            self.directory = killed;
        }
        self.store = None;
        let settled = &self.settled;
        self.held.retain(|(lane, _), (range, _)| {
            (range.first().0..=range.last().0).any(|place| !settled.contains(&(*lane, place)))
        });
        let seen = entries(self.directory.path(), epoch);
        match self.random.below(6) {
            0 => self.flip_bits(&seen),
            1 => self.cut_tail(&seen),
            2 => self.destroy_header(&seen),
            3 if self.damaged.is_subset(&self.settled) => forget_commits(self.directory.path()),
            _ => {}
        }
        if self.random.chance(3) {
            pretend_reboot(self.directory.path());
        }
        self.start();
    }

    fn flip_bits(&mut self, seen: &[Seen]) {
        for _ in 0..=self.random.below(4) {
            let Some(seen) = self.random.pick(seen).cloned() else {
                return;
            };
            if self.is_damaged(seen.lane, seen.range) {
                continue;
            }
            // Head and sealed bytes; up to 7 bytes of padding at the end mean nothing.
            let offset = seen.offset + self.random.below(seen.size - 7);
            if offset >= std::fs::metadata(&seen.file).unwrap().len() {
                continue;
            }
            flip(
                &seen.file,
                offset,
                u32::try_from(self.random.below(8)).unwrap(),
            );
            self.damage(&seen);
        }
    }

    fn cut_tail(&mut self, seen: &[Seen]) {
        let Some(newest) = seen.last().map(|seen| seen.file.clone()) else {
            return;
        };
        let inside: Vec<_> = seen
            .iter()
            .filter(|seen| seen.file == newest)
            .cloned()
            .collect();
        let keep =
            usize::try_from(self.random.below(u64::try_from(inside.len()).unwrap())).unwrap();
        let cut = &inside[keep];
        let length = cut.offset + self.random.below(cut.size - 7);
        let file = std::fs::File::options().write(true).open(&newest).unwrap();
        file.set_len(length).unwrap();
        for seen in &inside[keep..] {
            self.damage(seen);
        }
    }

    fn destroy_header(&mut self, seen: &[Seen]) {
        let Some(file) = self.random.pick(seen).map(|seen| seen.file.clone()) else {
            return;
        };
        let mut bytes = std::fs::read(&file).unwrap();
        for copy in [0, 4096] {
            let from = copy + usize::try_from(self.random.below(175)).unwrap();
            bytes[from..from + 8].copy_from_slice(&self.random.next().to_le_bytes());
        }
        std::fs::write(&file, bytes).unwrap();
        for seen in seen.iter().filter(|seen| seen.file == file) {
            self.damage(seen);
        }
    }

    /// A damaged batch loses all its places, but for those acknowledged before.
    fn damage(&mut self, seen: &Seen) {
        let held = self.held.get(&(seen.lane, seen.range.first().0));
        if held.is_none_or(|(range, _)| *range != seen.range) {
            return;
        }
        self.tally.damaged += 1;
        for place in seen.range.first().0..=seen.range.last().0 {
            self.damaged.insert((seen.lane, place));
        }
    }
}

/// Places, length and checksum: what a failure can show.
fn print(range: SequenceRange, bytes: &[u8]) -> (u64, u64, usize, u32) {
    let places = (range.first().0, range.last().0);
    (places.0, places.1, bytes.len(), crc32fast::hash(bytes))
}
