//! A full budget or a full disk loses nothing, can still acknowledge, and recovers.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use super::super::FullCause;
use super::*;

#[test]
fn a_group_that_no_budget_can_hold_is_refused_as_such() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let error = put(&store, Lane::Wave, 1, &vec![0; 5 << 20]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    // One beyond the usual length of a segment gets a segment of its own.
    put(&store, Lane::Wave, 1, &[7; 100_000]).unwrap();
    put(&store, Lane::Wave, 1, b"small").unwrap();
    drop(store);
    let (store, _) = open(directory.path());
    let sizes: Vec<_> = drain(&store, Lane::Wave)
        .iter()
        .map(|b| b.bytes.len())
        .collect();
    assert_eq!(sizes, [100_000, 5]);
}

#[test]
fn a_budget_too_small_for_any_store_is_named() {
    let directory = scratch();
    let tiny = Settings {
        budget: 100_000,
        ..settings(directory.path())
    };
    let error = Store::open(tiny, &gateway(), &key()).unwrap_err();
    assert!(error.to_string().contains("give at least"), "{error}");
}

#[test]
fn a_disk_filled_to_the_last_byte_loses_nothing_can_acknowledge_and_recovers() {
    let Some(disk) = SmallDisk::mount() else {
        println!("not run: a file system of its own needs the right to mount");
        return;
    };
    println!("run on a tmpfs of 1 MiB");
    let directory = disk.path().join("store");
    let (store, _) = open(&directory);
    let mut ballast = File::create(disk.path().join("ballast")).unwrap();
    let mut appended = fill(&store);
    while ballast.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
    let error = put(&store, Lane::Vital, 3, &[8; 900]).unwrap_err();
    let cause = FullCause::FileSystem;
    assert!(
        matches!(error, StoreError::Full { cause: c, .. } if c == cause),
        "{error}"
    );
    assert_eq!(ranges_of(&store), appended);
    drop(store);

    let (store, recovery) = open(&directory);
    assert_eq!(recovery.damage, []);
    assert_eq!(ranges_of(&store), appended);
    for _ in 0..3 {
        let half = appended.len() / 2;
        store.acknowledge(Lane::Vital, &appended[..half]).unwrap();
        appended.drain(..half);
        let more = fill(&store);
        assert!(!more.is_empty(), "acknowledged space was not used again");
        appended.extend(more);
        assert_eq!(ranges_of(&store), appended);
    }
    drop(store);
    let (store, recovery) = open(&directory);
    assert_eq!((recovery.damage, ranges_of(&store)), (Vec::new(), appended));
}

/// Appends until the store is full.
fn fill(store: &Store) -> Vec<SequenceRange> {
    let mut appended = Vec::new();
    loop {
        match put(store, Lane::Vital, 3, &[8; 900]) {
            Ok(range) => appended.push(range),
            Err(StoreError::Full { .. }) => return appended,
            Err(error) => panic!("{error}"),
        }
    }
}

fn ranges_of(store: &Store) -> Vec<SequenceRange> {
    drain(store, Lane::Vital).iter().map(|b| b.range).collect()
}

/// A file system of 1 MiB, taken away again at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "wardlink-test"]);
        let done = mount.arg(directory.path()).output().ok()?;
        done.status.success().then(|| Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.0.path()).status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "the test disk stays mounted"
        );
    }
}
