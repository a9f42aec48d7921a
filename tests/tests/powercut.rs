//! A machine that loses its power while it appends has every batch it promised, once: `make test-powercut`
//! (docs/powercut.md).
//!
//! Each cut is two: QEMU is killed, and the next boot looks at the disk as it is; and the log of the disk's own
//! writes is replayed onto copies up to chosen places, without what no flush had made safe. What was promised
//! before such a place is known from the same log, for the guest writes its promises to the same disk.

#[path = "powercut/blocklog.rs"]
mod blocklog;
#[path = "powercut/guest.rs"]
mod guest;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use blocklog::BlockLog;
use guest::{Guest, PROMISES, make_disk};
use wardlink_tests::folder::Folder;
use wardlink_tests::seed::Seed;

#[test]
#[ignore = "boots a guest a dozen times: make test-powercut"]
fn a_power_cut_takes_no_promised_batch_from_the_log_engine() {
    let cycles = std::env::var("WARDLINK_POWERCUT_CYCLES").ok();
    let cycles = cycles.map_or(10, |text| text.parse().expect("a number of cycles"));
    let tally = cut("log", cycles);
    assert_eq!(tally.complaints, Vec::<String>::new());
    assert_eq!(tally.lost_in_kill + tally.lost_in_device, 0, "{tally:?}");
    assert!(tally.promised > 0 && tally.sectors_dropped > 0, "{tally:?}");
}

/// The control: were this not caught, the test above would say nothing.
#[test]
#[ignore = "boots a guest some times: make test-powercut"]
fn sled_with_its_own_flush_is_caught() {
    let tally = cut("plain-sled", 1);
    assert!(tally.lost_in_device > 0, "{tally:?}");
}

/// What came of all cycles of one engine.
#[derive(Debug, Default)]
struct Tally {
    cuts: usize,
    promised: usize,
    /// Promised batches that were not there after a cut, by what was cut.
    lost_in_kill: usize,
    lost_in_device: usize,
    sectors_dropped: usize,
    complaints: Vec<String>,
}

/// Lane, first and last place.
type Run = (String, u64, u64);

/// A disk to be looked at by the next boot, and what must be there.
struct Expected {
    disk: PathBuf,
    runs: Vec<Run>,
}

fn cut(engine: &str, cycles: usize) -> Tally {
    let mut seed = Seed::of(engine);
    let folder = Folder::new();
    let disk = folder.join("disk");
    make_disk(&disk);
    let mut tally = Tally::default();
    let mut live: Vec<Run> = Vec::new();
    let mut copies: Vec<Expected> = Vec::new();
    for cycle in 0..=cycles {
        let last = cycle == cycles;
        let before = folder.join("before");
        fs::copy(&disk, &before).expect("room for a copy");
        let log = folder.join("log");
        let paths: Vec<_> = copies.iter().map(|copy| copy.disk.clone()).collect();
        let guest = Guest::start(engine, last, &disk, &log, &paths);

        for (number, copy) in copies.drain(..).enumerate() {
            let looked = Looked::listen(&guest);
            let lost = looked.missing(&copy.runs);
            println!(
                "{engine} {cycle}: copy {number}, {} promised, {lost} lost",
                copy.runs.len()
            );
            tally.lost_in_device += lost;
            tally.complaints.extend(looked.complaints);
        }
        let looked = Looked::listen(&guest);
        let lost = looked.missing(&live);
        println!(
            "{engine} {cycle}: killed, {} promised, {lost} lost",
            live.len()
        );
        tally.lost_in_kill += lost;
        tally.complaints.extend(looked.complaints);
        // What was lost is counted once; what a start has found, it must keep as well.
        live = subtract(looked.found, &looked.settled);
        if last {
            break;
        }

        let already = live.len();
        let most = 50 + seed.below(500);
        while live.len() - already < usize::try_from(most).expect("small") {
            let line = guest
                .next()
                .unwrap_or_else(|| panic!("the guest ended by itself"));
            live.push(promise(&line).unwrap_or_else(|| panic!("{line}: {}", guest.console())));
        }
        let rest = guest.kill();
        live.extend(rest.iter().filter_map(|line| promise(line)));
        tally.promised += live.len() - already;
        tally.cuts += 1;

        let log = BlockLog::read(&log);
        for (number, cut) in places(&log, &mut seed).into_iter().enumerate() {
            let copy = folder.join(&format!("copy{number}"));
            fs::copy(&before, &copy).expect("room for a copy");
            let chance = (number > 0).then_some(&mut seed);
            let dropped = log.replay(&copy, cut, chance);
            println!(
                "{engine} {cycle}: copy {number} cut after {cut} of {} writes, {dropped} sectors dropped",
                log.entries.len()
            );
            tally.sectors_dropped += dropped;
            tally.cuts += 1;
            let mut runs = live[..already].to_vec();
            let words = log.written_at(PROMISES, cut).map(String::from_utf8_lossy);
            runs.extend(
                words.map(|text| promise(text.trim_end_matches('\0').trim()).expect("a promise")),
            );
            copies.push(Expected { disk: copy, runs });
        }
    }
    println!("{engine}: {tally:?}");
    tally
}

/// Where the log is cut: behind the last promise, and at three places that chance chooses behind the first.
fn places(log: &BlockLog, seed: &mut Seed) -> Vec<usize> {
    let first = log.entries.iter().position(|entry| entry.at == PROMISES);
    let last = log.entries.iter().rposition(|entry| entry.at == PROMISES);
    let (first, last) = first.zip(last).expect("a promise in the log");
    let span = u64::try_from(log.entries.len() - first).expect("a count");
    let chosen = |seed: &mut Seed| first + usize::try_from(seed.below(span)).expect("a count");
    vec![last + 1, chosen(seed), chosen(seed), chosen(seed)]
}

/// What the guest says of one disk.
#[derive(Debug, Default)]
struct Looked {
    found: Vec<Run>,
    settled: Vec<Run>,
    complaints: Vec<String>,
}

impl Looked {
    fn listen(guest: &Guest) -> Self {
        let mut looked = Self::default();
        loop {
            let line = guest
                .next()
                .unwrap_or_else(|| panic!("no more: {}", guest.console()));
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["disk", _] => {}
                ["found", lane, first, last] => looked.found.push(run(lane, first, last)),
                ["settled", lane, first, last] => looked.settled.push(run(lane, first, last)),
                // Not by itself a broken promise: what was promised and is damaged is missing as well.
                ["damage", ..] => println!("{line}"),
                ["verified"] => break,
                ["unmountable" | "refused", _] => {
                    looked
                        .complaints
                        .push(format!("{line}: {}", guest.console()));
                    break;
                }
                _ => looked.complaints.push(line),
            }
        }
        let mut next = BTreeMap::new();
        for (lane, first, last) in &looked.found {
            if next
                .insert(lane, last + 1)
                .is_some_and(|free| free > *first)
            {
                looked
                    .complaints
                    .push(format!("{lane} {first} is there twice"));
            }
        }
        looked
    }

    /// How many of the promised runs are not wholly there.
    fn missing(&self, promised: &[Run]) -> usize {
        let missing = promised.iter().filter(|(lane, first, last)| {
            !self
                .found
                .iter()
                .any(|(of, from, to)| of == lane && from <= first && last <= to)
        });
        missing.inspect(|run| println!("lost: {run:?}")).count()
    }
}

/// The runs without the places at the front of each lane that were settled.
fn subtract(runs: Vec<Run>, settled: &[Run]) -> Vec<Run> {
    let free = |lane: &str| {
        let own = settled.iter().filter(|(of, _, _)| of == lane);
        own.map(|(_, _, last)| last + 1).max().unwrap_or(0)
    };
    let left = runs.into_iter().map(|(lane, first, last)| {
        let first = first.max(free(&lane));
        (lane, first, last)
    });
    left.filter(|(_, first, last)| first <= last).collect()
}

fn promise(line: &str) -> Option<Run> {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["promised", lane, first, last] => Some(run(lane, first, last)),
        _ => None,
    }
}

fn run(lane: &str, first: &str, last: &str) -> Run {
    let place = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word}: no place"));
    (lane.to_owned(), place(first), place(last))
}
