//! The promises of the store.

mod contract;
mod crash;
mod damage;
mod faulty;
mod full;
mod history;
mod model;
mod powercut;
mod retention;
mod rotation;
mod secrecy;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::{Damage, NewBatch, Recovery, Settings, Store, StoreError, StoreKey, StoredBatch};

/// Small, so that a test uses many.
const SEGMENT: u64 = 16 << 10;
const BUDGET: u64 = 4 << 20;

/// A directory in memory where the system has one: these tests sync a great deal.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

fn settings(directory: &Path) -> Settings {
    Settings {
        segment: SEGMENT,
        ..Settings::new(directory, BUDGET)
    }
}

fn gateway() -> GatewayId {
    "gw-1".parse().unwrap()
}

fn key() -> StoreKey {
    StoreKey::from_bytes([0x42; 32])
}

fn open(directory: &Path) -> (Store, Recovery) {
    Store::open(settings(directory), &gateway(), &key()).unwrap()
}

/// Appends one batch of `count` records at the next place of the lane.
fn put(store: &Store, lane: Lane, count: u32, bytes: &[u8]) -> Result<SequenceRange, StoreError> {
    let range = SequenceRange::starting(store.next_sequence(lane), count).unwrap();
    store.append(&[NewBatch { lane, range, bytes }])?;
    Ok(range)
}

/// Reads a lane from the beginning to its end.
fn drain(store: &Store, lane: Lane) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    let mut from = Sequence(0);
    while let Some(batch) = store.read_from(lane, from).unwrap() {
        from = batch.range.last().plus(1);
        batches.push(batch);
    }
    batches
}

fn range(first: u64, last: u64) -> SequenceRange {
    SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
}

fn ranges(damage: &[Damage]) -> Vec<(Lane, SequenceRange)> {
    damage.iter().map(|d| (d.lane, d.range)).collect()
}

/// A copy of a directory as it is now: what a process that is killed now leaves behind.
fn snapshot(from: &Path) -> TempDir {
    let to = scratch();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn segment_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

fn flip(file: &Path, offset: u64, bit: u32) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1 << bit;
    std::fs::write(file, bytes).unwrap();
}

/// Steele, Lea and Flood: SplitMix64. Small, seeded, and the same everywhere.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(items.len()).unwrap();
        (count > 0).then(|| &items[usize::try_from(self.below(count)).unwrap()])
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}
