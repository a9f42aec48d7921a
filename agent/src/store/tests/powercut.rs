//! Ten thousand power cuts, and every failure of the medium, against a plain model.
//!
//! Random appends, acknowledgements and reads on a medium that loses, tears and reorders what was not
//! synced, refuses calls, fills up and has bits turned. What must hold after every start, of each place ever given out: its
//! batch is read, byte for byte and once; or it was acknowledged; or it is reported, and then only if
//! its append never returned, or it was damaged, or made room for newer ones. No place is given out twice.
//!
//! `WARDLINK_STORE_SEED=<n>` replays one run. `make soak` makes runs until it is stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustix::io::Errno;

use super::super::directory::Directory;
use super::super::log::inspect::{Seen, entries_in};
use super::super::mark::Mark;
use super::super::{Fault, History};
use super::faulty::{Faulty, Mishap};
use super::*;

/// Power cuts of one test; there are eight of them, so that they run beside each other.
const CUTS: u64 = 1_300;
const STEPS: u64 = 40;

macro_rules! shares {
    ($($name:ident: $share:expr),* $(,)?) => {
        $(#[test]
        fn $name() {
            cuts_of($share);
        })*
    };
}

shares! {
    power_cuts_lose_nothing_that_was_promised_1_of_8: 1,
    power_cuts_lose_nothing_that_was_promised_2_of_8: 2,
    power_cuts_lose_nothing_that_was_promised_3_of_8: 3,
    power_cuts_lose_nothing_that_was_promised_4_of_8: 4,
    power_cuts_lose_nothing_that_was_promised_5_of_8: 5,
    power_cuts_lose_nothing_that_was_promised_6_of_8: 6,
    power_cuts_lose_nothing_that_was_promised_7_of_8: 7,
    power_cuts_lose_nothing_that_was_promised_8_of_8: 8,
}

/// `make soak`: new seeds until somebody stops it.
#[test]
#[ignore = "runs until it is stopped: make soak"]
fn soak() {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let start = u64::try_from(since.as_micros()).unwrap();
    let mut tally = Tally::default();
    for seed in start.. {
        try_run(seed, &mut tally);
        if seed % 500 == 0 {
            println!("up to seed {seed}: {tally:?}");
        }
    }
}

fn cuts_of(share: u64) {
    let mut tally = Tally::default();
    if let Ok(seed) = std::env::var("WARDLINK_STORE_SEED") {
        run(seed.parse().unwrap(), &mut tally);
        return;
    }
    for seed in share * 1_000_000.. {
        try_run(seed, &mut tally);
        if tally.cuts >= CUTS {
            break;
        }
    }
    println!("{tally:?}");
    // A test that no longer tests is noticed: the seeds are the same every time.
    assert!(
        tally.appended > 2_000 && tally.refused > 200 && tally.turned > 100,
        "{tally:?}"
    );
    assert!(
        tally.evicted > 50 && tally.unpromised > 20 && tally.recovered_twice > 20,
        "{tally:?}"
    );
}

fn try_run(seed: u64, tally: &mut Tally) {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, tally)));
    assert!(caught.is_ok(), "failed with WARDLINK_STORE_SEED={seed}");
}

/// What the runs came across.
#[derive(Debug, Default)]
struct Tally {
    cuts: u64,
    kills: u64,
    recovered_twice: u64,
    appended: u64,
    refused: u64,
    unpromised: u64,
    evicted: u64,
    turned: u64,
}

/// What the model knows of one lane.
#[derive(Debug, Default)]
struct Books {
    next: u64,
    /// Batches whose append returned, by their first place.
    promised: BTreeMap<u64, (SequenceRange, Vec<u8>)>,
    /// Given to appends that failed since the last that did not.
    attempts: Vec<(SequenceRange, Vec<u8>)>,
    /// Acknowledged, or carried as a gap, for certain.
    settled: BTreeSet<u64>,
    /// Acknowledged before a power cut or a failure, which may have taken the note.
    perhaps: BTreeSet<u64>,
    /// May be reported: damaged, evicted, or never promised.
    excused: BTreeSet<u64>,
    /// Reported and not yet carried by a commit.
    reported: BTreeSet<u64>,
}

struct Run<'a> {
    random: Random,
    medium: Faulty,
    /// Another medium, for the mark.
    elsewhere: Faulty,
    budget: u64,
    store: Option<Store>,
    books: BTreeMap<Lane, Books>,
    /// The medium has failed since the last start: notes may be missing.
    shaky: bool,
    tally: &'a mut Tally,
}

fn run(seed: u64, tally: &mut Tally) {
    let mut random = Random(seed);
    let medium = Faulty::new(random.next());
    let elsewhere = Faulty::new(random.next());
    let budget = (240 + random.below(400)) << 10;
    let books = Lane::ALL.map(|lane| (lane, Books::default())).into();
    let mut run = Run {
        random,
        medium,
        elsewhere,
        budget,
        store: None,
        books,
        shaky: false,
        tally,
    };
    run.start();
    for _ in 0..STEPS {
        if run.random.chance(3) {
            run.plan();
        }
        match run.random.below(16) {
            0..=8 => run.append(),
            9..=11 => run.acknowledge(),
            12 => run.read_somewhere(),
            13 => run.squeeze(),
            14 => run.kill(),
            _ => run.power_cut(),
        }
        if !run.medium.is_powered() {
            run.power_cut();
        }
    }
    run.medium.forgive();
    run.power_cut();
}

impl Run<'_> {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn books(&mut self, lane: Lane) -> &mut Books {
        self.books.get_mut(&lane).unwrap()
    }

    fn directory(&self) -> Directory {
        Directory::on(Path::new("medium"), Arc::new(self.medium.clone()))
    }

    fn plan(&mut self) {
        let mishap = match self.random.below(8) {
            0 => Mishap::Fail(Errno::IO),
            1 => Mishap::Fail(Errno::NOSPC),
            2 => Mishap::FailEver(Errno::ROFS),
            _ => Mishap::PowerCut,
        };
        if mishap != Mishap::PowerCut {
            self.shaky = true;
        }
        self.medium.plan(self.random.below(12), mishap);
    }

    fn start(&mut self) {
        let settings = Settings {
            budget: self.budget,
            ..settings(Path::new("medium"))
        };
        let mut tries = 0;
        let (mut store, recovery) = loop {
            let opened = Store::open_in(self.directory(), settings.clone(), &gateway(), &key());
            match opened {
                Ok(opened) if self.medium.is_powered() => break opened,
                // The power went while it was being opened, or the medium refused.
                Ok(_) | Err(_) if tries < 100 => {
                    tries += 1;
                    self.tally.recovered_twice += 1;
                    self.medium.restart();
                    if self.random.chance(2) {
                        self.medium.plan(self.random.below(40), Mishap::PowerCut);
                    }
                }
                Ok(_) => panic!("the power goes for ever"),
                Err(error) => panic!("does not open: {error}"),
            }
        };
        self.medium.forgive();
        self.shaky = false;
        let elsewhere = Directory::on(Path::new("elsewhere"), Arc::new(self.elsewhere.clone()));
        let history = store.watch(Some(Mark::open(&elsewhere, "store.mark")));
        assert_eq!(
            history,
            History::Consistent,
            "the mark knows more than the store"
        );
        self.store = Some(store);
        self.check(&recovery.damage);
    }

    /// Reads everything and holds it to the model.
    fn check(&mut self, found: &[Damage]) {
        let before: BTreeMap<Lane, u64> = self.books.iter().map(|(l, b)| (*l, b.next)).collect();
        for books in self.books.values_mut() {
            books.reported.clear();
        }
        let mut seen: BTreeMap<Lane, BTreeSet<u64>> = BTreeMap::new();
        for lane in Lane::ALL {
            let batches = drain(self.store(), lane);
            let next = self.store().next_sequence(lane).0;
            let books = self.books.get_mut(&lane).unwrap();
            assert!(next >= books.next, "{lane}: {next} is given out twice");
            let read = seen.entry(lane).or_default();
            for batch in batches {
                let places = batch.range.first().0..=batch.range.last().0;
                if let Some((range, bytes)) = books.promised.get(places.start()) {
                    assert_eq!((batch.range, &batch.bytes), (*range, bytes), "{lane}");
                    let open = places.clone().any(|place| !books.settled.contains(&place));
                    assert!(open, "{lane} {places:?} was acknowledged");
                } else {
                    assert!(*places.start() >= books.next, "{lane} {places:?}");
                    let attempt = (batch.range, batch.bytes);
                    assert!(books.attempts.contains(&attempt), "{lane} {places:?}");
                    books.promised.insert(*places.start(), attempt);
                    self.tally.unpromised += 1;
                }
                for place in places {
                    assert!(read.insert(place), "{lane} {place} is read twice");
                }
            }
            books.next = next;
            books.attempts.clear();
        }
        self.note(found, &before);
        let later = self.store().take_damage();
        self.note(&later, &before);
        for (lane, books) in &self.books {
            for place in 0..books.next {
                let is = |set: &BTreeSet<u64>| set.contains(&place);
                let (read, reported) = (is(&seen[lane]), is(&books.reported));
                let gone = is(&books.settled) || is(&books.perhaps);
                assert!(!(read && reported), "{lane} {place} is read and reported");
                assert!(read || reported || gone, "{lane} {place} is nowhere");
            }
        }
    }

    /// Reports must be true.
    fn note(&mut self, damage: &[Damage], before: &BTreeMap<Lane, u64>) {
        for Damage { lane, range, fault } in damage {
            let evicted = *fault == Fault::Evicted;
            let books = self.books.get_mut(lane).unwrap();
            for place in range.first().0..=range.last().0 {
                assert!(
                    books.reported.insert(place),
                    "{lane} {place} is reported twice"
                );
                assert!(
                    !books.settled.contains(&place),
                    "{lane} {place}: was settled"
                );
                assert!(place < books.next, "{lane} {place} was never given out");
                if evicted || place >= before[lane] {
                    books.excused.insert(place);
                }
                self.tally.evicted += u64::from(evicted);
                assert!(
                    books.excused.contains(&place),
                    "{lane} {place} is lost: {fault}"
                );
            }
            if evicted {
                // Batches go as a whole, with what was acknowledged of them.
                let overlaps =
                    |r: &SequenceRange| r.first() <= range.last() && range.first() <= r.last();
                let batches = books.promised.values().filter(|(r, _)| overlaps(r));
                let places = batches.flat_map(|(r, _)| r.first().0..=r.last().0);
                books.excused.extend(places);
            }
        }
    }

    fn append(&mut self) {
        let mut group: Vec<(Lane, SequenceRange, Vec<u8>)> = Vec::new();
        for _ in 0..=self.random.below(4) {
            let lane = Lane::ALL[usize::try_from(self.random.below(4)).unwrap()];
            let last = group.iter().rev().find(|(l, _, _)| *l == lane);
            let place = last.map_or(self.books[&lane].next, |(_, range, _)| range.last().0 + 1);
            let count = u32::try_from(self.random.below(9)).unwrap() + 1;
            let range = SequenceRange::starting(Sequence(place), count).unwrap();
            let length = match self.random.below(20) {
                0 => self.random.below(30_000),
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
        let appended = self.store().append(&batches);
        match appended {
            Ok(()) => {
                for books in self.books.values_mut() {
                    books.settled.append(&mut books.reported);
                    books.attempts.clear();
                }
                for (lane, range, bytes) in group {
                    let books = self.books(lane);
                    books.next = range.last().0 + 1;
                    books.promised.insert(range.first().0, (range, bytes));
                    self.tally.appended += 1;
                }
            }
            Err(_) => {
                self.tally.refused += 1;
                for (lane, range, bytes) in group {
                    self.books(lane).attempts.push((range, bytes));
                }
            }
        }
        if self.medium.is_powered() {
            let before = self.books.iter().map(|(l, b)| (*l, b.next)).collect();
            let damage = self.store().take_damage();
            self.note(&damage, &before);
            let used = self.medium.used();
            assert!(
                self.shaky || used <= self.budget,
                "{used} of {}",
                self.budget
            );
        }
    }

    fn acknowledge(&mut self) {
        let lane = Lane::ALL[usize::try_from(self.random.below(4)).unwrap()];
        for _ in 0..self.random.below(12) {
            let keys: Vec<u64> = self.books[&lane].promised.keys().copied().collect();
            let Some(first) = self.random.pick(&keys).copied() else {
                return;
            };
            let (first, mut last) = (first, self.books[&lane].promised[&first].0.last().0);
            match self.random.below(12) {
                0 => last = first + (last - first) / 2,
                1 => last += self.random.below(40),
                _ => {}
            }
            let noted = self.store().acknowledge(lane, &[range(first, last)]);
            let books = self.books(lane);
            for place in first..=last.min(books.next - 1) {
                books.reported.remove(&place);
                books.perhaps.remove(&place);
                books.settled.insert(place);
            }
            if noted.is_err() {
                self.shaky = true;
                return;
            }
        }
    }

    fn read_somewhere(&mut self) {
        for lane in Lane::ALL {
            let from = self.random.below(self.books[&lane].next + 1);
            let Ok(Some(batch)) = self.store().read_from(lane, Sequence(from)) else {
                continue;
            };
            let promised = self.books[&lane].promised.get(&batch.range.first().0);
            let (range, bytes) = promised.expect("a batch that was never appended");
            assert_eq!((batch.range, &batch.bytes), (*range, bytes));
            assert!(batch.range.last().0 >= from);
        }
    }

    /// The file system fills up, or has room again.
    fn squeeze(&mut self) {
        let bytes = if self.random.chance(2) {
            self.shaky = true;
            self.medium.used() + self.random.below(20_000)
        } else {
            u64::MAX
        };
        self.medium.set_capacity(bytes);
    }

    /// The process ends, the machine goes on; what is at rest may be damaged.
    fn kill(&mut self) {
        self.tally.kills += 1;
        let epoch = self.store().epoch();
        let store = self.store.take();
        self.medium.kill(store);
        self.medium.set_capacity(u64::MAX);
        if self.shaky {
            self.doubt();
        }
        self.forget_gone();
        let seen = entries_in(&self.directory(), epoch);
        // Damage beside a cursor that could not be written is beyond what anybody could make good.
        let most = if self.shaky { 1 } else { 3 };
        for _ in 0..self.random.below(most) {
            if let Some(seen) = self.random.pick(&seen).cloned() {
                self.turn_a_bit(&seen);
            }
        }
        self.start();
    }

    fn turn_a_bit(&mut self, seen: &Seen) {
        self.tally.turned += 1;
        let offset = seen.offset + self.random.below(seen.size - 7);
        let bit = self.random.below(8);
        let name = seen.file.file_name().unwrap().to_str().unwrap();
        self.medium.spoil(name, |bytes| {
            if let Some(byte) = bytes.get_mut(usize::try_from(offset).unwrap()) {
                *byte ^= 1 << bit;
            }
        });
        let places = seen.range.first().0..=seen.range.last().0;
        self.books(seen.lane).excused.extend(places);
    }

    fn power_cut(&mut self) {
        self.tally.cuts += 1;
        if self.medium.is_powered() {
            // Now, between two calls.
            self.medium.plan(0, Mishap::PowerCut);
        }
        self.store = None;
        self.medium.restart();
        self.elsewhere.restart();
        self.medium.set_capacity(u64::MAX);
        self.doubt();
        if self.random.chance(4) {
            let cut = self.random.below(40);
            self.medium.plan(cut, Mishap::PowerCut);
        }
        self.start();
    }

    /// Notes of what is settled may be gone.
    fn doubt(&mut self) {
        for books in self.books.values_mut() {
            books.perhaps.append(&mut books.settled);
        }
    }

    /// Batches acknowledged for certain come back no more; keeps the model small.
    fn forget_gone(&mut self) {
        for books in self.books.values_mut() {
            let settled = &books.settled;
            books.promised.retain(|_, (range, _)| {
                (range.first().0..=range.last().0).any(|place| !settled.contains(&place))
            });
        }
    }
}
