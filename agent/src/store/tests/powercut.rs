//! Ten thousand power cuts, and every failure of the medium, against a plain model.
//!
//! Random appends, acknowledgements and reads on a medium that loses, tears and reorders what was not
//! synced, refuses calls, fills up and has bits turned. What must hold after every start, of each place ever given out: its
//! batch is read, byte for byte and once; or it was acknowledged; or it is reported, and then only if
//! its append never returned, or it was damaged, or made room for newer ones. No place is given out twice.
//!
//! `WARDLINK_STORE_SEED=<n>` replays one run. `make soak` makes runs until it is stopped.

mod run;

use std::collections::{BTreeMap, BTreeSet};

use wardlink_wire::sequence::SequenceRange;

use super::super::sealing::witness;
use run::run;

/// Power cuts of one test; there are eight of them, so that they run beside each other.
const CUTS: u64 = 1_300;

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
            witness::forget();
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
