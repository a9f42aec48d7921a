//! What tests need to see of the files: where every entry is.

use std::path::{Path, PathBuf};

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;

use super::super::fields::{FRAME, frame, unframe};
use super::super::medium::Directory;
use super::entry::Mark;
use super::segment::{self, ENTRIES};
use super::walk::Walk;

/// An entry on the medium.
#[derive(Debug, Clone)]
pub(in super::super) struct Seen {
    pub(in super::super) file: PathBuf,
    pub(in super::super) offset: u64,
    pub(in super::super) size: u64,
    pub(in super::super) lane: Lane,
    pub(in super::super) range: SequenceRange,
}

/// Every entry of every segment of a store, by segment and offset.
pub(in super::super) fn entries(path: &Path, epoch: Epoch) -> Vec<Seen> {
    let directory = Directory::open(path).unwrap();
    let mut seen = Vec::new();
    for id in segment::ids(&directory).unwrap() {
        let file = directory.open_file(&segment::name(id)).unwrap();
        let mut walk = Walk::new(&file, Mark::of(epoch, id), ENTRIES).unwrap();
        while let Some((offset, entry)) = walk.next().unwrap() {
            seen.push(Seen {
                file: path.join(segment::name(id)),
                offset,
                size: entry.size(),
                lane: entry.lane,
                range: entry.range,
            });
        }
    }
    seen
}

/// Makes a closed store look as if the machine had been started since: what the cursor says may be old.
pub(in super::super) fn pretend_reboot(path: &Path) {
    let path = path.join("cursor");
    let mut bytes = std::fs::read(&path).unwrap();
    let slots = bytes.len() / 2;
    for slot in bytes.chunks_mut(slots) {
        if let Some(payload) = unframe(*b"WLCURSOR", slot) {
            let mut payload = payload.to_vec();
            // format 2, epoch 16, generation 8, boot 16, closed in order 1
            payload[26..42].fill(0x77);
            payload[42] = 0;
            let whole = frame(*b"WLCURSOR", &payload);
            assert_eq!(whole.len(), payload.len() + FRAME);
            slot[..whole.len()].copy_from_slice(&whole);
        }
    }
    std::fs::write(&path, bytes).unwrap();
}
