//! What the measures around sled are for.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::{EngineKind, NewBatch, Settings, Store, StoreKey};
use super::tree::Tree;

fn open(directory: &Path) -> Store {
    let settings = Settings {
        segment: 512 << 10,
        engine: EngineKind::Sled,
        ..Settings::new(directory, 64 << 20)
    };
    let gateway: GatewayId = "gw-1".parse().unwrap();
    let (store, recovery) =
        Store::open(settings, &gateway, &StoreKey::from_bytes([7; 32])).unwrap();
    assert!(!recovery.acknowledgements_lost);
    store
}

fn put(store: &Store, bytes: &[u8]) -> SequenceRange {
    let lane = Lane::Vital;
    let range = SequenceRange::starting(store.next_sequence(lane), 3).unwrap();
    store.append(&[NewBatch { lane, range, bytes }]).unwrap();
    range
}

fn drain(store: &Store) -> Vec<SequenceRange> {
    let (mut from, mut ranges) = (Sequence(0), Vec::new());
    while let Some(batch) = store.read_from(Lane::Vital, from).unwrap() {
        from = batch.range.last().plus(1);
        ranges.push(batch.range);
    }
    ranges
}

#[test]
fn a_directory_that_sled_cannot_read_costs_its_own_places_alone_and_is_set_aside() {
    let scratch = tempfile::tempdir().unwrap();
    let mut directories = Vec::new();
    // Every start begins a directory.
    for number in 0..4_u8 {
        let store = open(scratch.path());
        directories.push([put(&store, &[number; 900]), put(&store, &[number; 900])]);
    }
    let path = |id| super::folder::path(&super::Directory::open(scratch.path()).unwrap(), id);
    // sled opens the first as an empty one, without a word, and refuses the second.
    let file = path(1).join("db");
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&file, vec![0xff; usize::try_from(length).unwrap()]).unwrap();
    std::fs::write(path(2).join("conf"), "nothing of sled").unwrap();

    let store = open(scratch.path());
    let read = drain(&store);
    let lost = store.take_damage();
    let whole = [directories[0], directories[3]].concat();
    assert_eq!(read, whole, "{lost:?}");
    let range = SequenceRange::between(directories[1][0].first(), directories[2][1].last());
    let places: u64 = lost.iter().map(|damage| damage.range.count()).sum();
    assert_eq!(places, range.unwrap().count(), "{lost:?}");
    let aside = scratch.path().join("quarantine-0000000000000002");
    assert!(!path(2).exists() && aside.join("db").exists());
    assert!(aside.with_extension("head").exists());
}

/// The device as it is when the power goes: what was not synced never reached it.
#[test]
fn a_power_cut_right_after_a_commit_loses_nothing_while_plain_sled_loses_it() {
    let Some(disk) = Disk::mount() else {
        eprintln!(
            "DID NOT RUN: a power cut needs a file system of its own, and only root can mount one"
        );
        return;
    };
    // With values of 300 kB sled keeps files of its own for them.
    for bytes in [300, 13_000, 300_000] {
        let name = format!("ours-{bytes}");
        let store = open(&disk.mounted.join(&name));
        let appended: Vec<_> = (0..5).map(|_| put(&store, &vec![1; bytes])).collect();
        let cut = disk.cut();
        let again = open(&cut.mounted.join(&name));
        assert_eq!(drain(&again), appended, "values of {bytes}");
        assert_eq!(again.take_damage(), []);
    }

    // The control: the same with sled as it comes. Whoever syncs the whole machine meanwhile saves it once.
    let loses = (0..5).any(|round| plain_sled_loses(&disk, &format!("plain-{round}")));
    assert!(
        loses,
        "plain flush() lost nothing: this test proves nothing"
    );
}

fn plain_sled_loses(disk: &Disk, name: &str) -> bool {
    let path = disk.mounted.join(name);
    let plain = sled::Config::new()
        .path(&path)
        .flush_every_ms(None)
        .open()
        .unwrap();
    plain.flush().unwrap();
    rustix::fs::syncfs(std::fs::File::open(&disk.mounted).unwrap()).unwrap();
    for number in 0..50_u8 {
        plain.insert([number], vec![1; 3000]).unwrap();
        plain.flush().unwrap();
    }
    let cut = disk.cut();
    let found = Tree::open(&cut.mounted.join(name), 512 << 10);
    let kept = found.ok().flatten().map(|tree| tree.count_of_raw());
    kept.is_none_or(|kept| kept < 50)
}

/// ext4 in a file. Nothing is written out before somebody syncs it.
struct Disk {
    folder: TempDir,
    mounted: PathBuf,
}

impl Disk {
    fn mount() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(256 << 20)
            .unwrap();
        run(Command::new("mkfs.ext4")
            .args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .arg(&image))
        .then(|| Self::of(folder))?
    }

    fn of(folder: TempDir) -> Option<Self> {
        let mounted = folder.path().join("mounted");
        std::fs::create_dir(&mounted).unwrap();
        let image = folder.path().join("image");
        let mut mount = Command::new("mount");
        mount
            .args(["-o", "loop,commit=300"])
            .arg(image)
            .arg(&mounted);
        run(&mut mount).then_some(Self { folder, mounted })
    }

    /// A copy of what the device holds now, mounted as after a restart.
    fn cut(&self) -> Self {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(self.folder.path().join("image"), copy.path().join("image")).unwrap();
        Self::of(copy).expect("a file system that survives a power cut")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.mounted));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|said| said.status.success())
}
