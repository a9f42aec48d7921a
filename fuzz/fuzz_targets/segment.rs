//! Whatever bytes a segment file holds, the store opens, reads to its end, and goes on; and it takes no more
//! memory than the file is long.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

/// The files of a small store with 12 batches in one segment, made with this key.
static STORE: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let directory = scratch();
    let store = open(directory.path());
    for number in 0..12_u8 {
        append(&store, Lane::ALL[usize::from(number % 4)], &[number; 200]);
    }
    drop(store);
    let files = std::fs::read_dir(directory.path()).unwrap();
    let file = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), std::fs::read(path).unwrap())
    };
    files.map(|entry| file(&entry.unwrap().path())).collect()
});

// The first byte says what becomes of the cursor, the next two where the rest goes in the segment: over its
// header, over its entries, or over both.
fuzz_target!(|bytes: &[u8]| {
    let [how, low, high, rest @ ..] = bytes else {
        return;
    };
    let directory = scratch();
    for (name, content) in STORE.iter() {
        let mut content = content.clone();
        if name.ends_with(".log") {
            let offset = usize::from(u16::from_le_bytes([*low, *high])) % content.len();
            let end = (offset + rest.len()).min(content.len());
            content[offset..end].copy_from_slice(&rest[..end - offset]);
        }
        if name == "cursor" && how % 3 == 1 {
            continue;
        }
        if name == "cursor" && how % 3 == 2 {
            // As after a power cut: nothing says where the last commit ended.
            content[..16 << 10].fill(0x5a);
        }
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let store = open(directory.path());
    for lane in Lane::ALL {
        let mut from = Sequence(0);
        while let Some(batch) = store.read_from(lane, from).unwrap() {
            assert!(batch.range.last() >= from, "the reader does not come on");
            assert_eq!(batch.bytes.len(), 200, "no seal was forged");
            from = batch.range.last().plus(1);
        }
    }
    append(&store, Lane::Vital, b"goes on");
});

fn open(directory: &Path) -> Store {
    let settings = Settings {
        segment: 16 << 10,
        ..Settings::new(directory, 1 << 20)
    };
    let key = StoreKey::from_bytes([7; 32]);
    Store::open(settings, &"fuzz".parse().unwrap(), &key).unwrap().0
}

fn append(store: &Store, lane: Lane, bytes: &[u8]) {
    let range = SequenceRange::starting(store.next_sequence(lane), 3).unwrap();
    store.append(&[NewBatch { lane, range, bytes }]).unwrap();
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}
