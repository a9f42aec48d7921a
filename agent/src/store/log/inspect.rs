//! What tests need to see of the files: where every entry is.

use std::ops::Range;
use std::path::{Path, PathBuf};

use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;

use super::super::directory::Directory;
use super::super::engine::EngineKind;
use super::super::fields::{frame, unframe};
use super::super::identity::Identity;
use super::super::provider::Keys;
use super::super::sealing::Keyring;
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
    entries_in(&Directory::open(path).unwrap(), epoch)
}

/// The same, wherever the store is.
pub(in super::super) fn entries_in(directory: &Directory, epoch: Epoch) -> Vec<Seen> {
    let mut seen = Vec::new();
    for id in segment::ids(directory).unwrap() {
        let file = directory.open_file(&segment::name(id)).unwrap();
        let mut walk = Walk::new(&file, Mark::of(epoch, id), ENTRIES).unwrap();
        while let Some((offset, entry)) = walk.next().unwrap() {
            seen.push(Seen {
                file: directory.path().join(segment::name(id)),
                offset,
                size: entry.size(),
                lane: entry.lane,
                range: entry.range,
            });
        }
    }
    seen
}

/// Every batch that opens with these keys, in whatever segment file of a directory, used or free.
pub(in super::super) fn openable(
    path: &Path,
    gateway: &GatewayId,
    keys: &Keys,
) -> Vec<(Lane, SequenceRange)> {
    let directory = Directory::open(path).unwrap();
    let mut opened = Vec::new();
    for id in segment::ids(&directory).unwrap() {
        let file = directory.open_file(&segment::name(id)).unwrap();
        // The name decides nothing: a file that waits for its next life still says what it was.
        let Some(head) = segment::Head::read_any(&file).unwrap() else {
            continue;
        };
        let facts = head.facts.clone();
        let identity = Identity {
            gateway: gateway.clone(),
            epoch: facts.epoch,
            engine: EngineKind::Log,
            keys: Keyring::new(keys, &facts.epoch, facts.cipher).unwrap(),
        };
        let Some(key) = head.open(&identity) else {
            continue;
        };
        let mut walk = Walk::new(&file, Mark::of(facts.epoch, facts.id), ENTRIES).unwrap();
        while let Some((offset, entry)) = walk.next().unwrap() {
            let sealed = entry.read_body(&file, offset).unwrap();
            let open = |sealed| key.open(entry.number, entry.lane, entry.range, sealed);
            if sealed.and_then(open).is_some() {
                opened.push((entry.lane, entry.range));
            }
        }
    }
    opened
}

/// Makes a closed store look as if the machine had been started since: what the cursor says may be old.
pub(in super::super) fn pretend_reboot(path: &Path) {
    rewrite_cursor(path, |payload| {
        payload[BOOT].fill(0x77);
        payload[CLOSED] = 0;
    });
}

/// And as if no note of any commit had reached the medium.
pub(in super::super) fn forget_commits(path: &Path) {
    pretend_reboot(path);
    rewrite_cursor(path, |payload| payload[COMMITS].fill(0));
}

fn rewrite_cursor(path: &Path, change: impl Fn(&mut [u8])) {
    let path = path.join("cursor");
    let mut bytes = std::fs::read(&path).unwrap();
    let slot = bytes.len() / 2;
    for slot in bytes.chunks_mut(slot) {
        if let Some(payload) = unframe(*b"WLCURSOR", slot) {
            let mut payload = payload.to_vec();
            change(&mut payload);
            let whole = frame(*b"WLCURSOR", &payload);
            slot[..whole.len()].copy_from_slice(&whole);
        }
    }
    std::fs::write(&path, bytes).unwrap();
}

/// Behind format, epoch and generation.
const BOOT: Range<usize> = 26..42;
const CLOSED: usize = 42;
/// Segment, end, next segment, next places, batches.
const COMMITS: Range<usize> = 43..131;
