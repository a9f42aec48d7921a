//! A log of a disk's writes, as QEMU's `blklogwrites` keeps it, and what the disk holds when power fails at a
//! place in it.
//!
//! The format is that of the Linux kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst,
//! drivers/md/dm-log-writes.c): a superblock in the first sector, then entries of one sector each, with the data
//! of a write behind its entry. All numbers are little-endian.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use wardlink_tests::seed::Seed;

/// The log of one boot.
#[derive(Debug)]
pub(crate) struct BlockLog {
    bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

/// One request the disk got.
#[derive(Debug)]
pub(crate) struct Entry {
    /// First byte on the disk.
    pub(crate) at: u64,
    /// Where the data lies in the log.
    data: std::ops::Range<usize>,
    flags: u64,
}

impl Entry {
    pub(crate) const fn is_flush(&self) -> bool {
        self.flags & FLUSH != 0
    }
}

impl BlockLog {
    /// Reads the log a killed QEMU left: up to its end, or to the first entry that was not wholly written.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the log of the disk's writes");
        assert_eq!(number(&bytes, 0), Some(MAGIC), "no log of block writes");
        assert_eq!(number(&bytes, 8), Some(1), "another version of the log");
        let mut entries = Vec::new();
        let mut at = SECTOR;
        while let (Some(sector), Some(count), Some(flags)) = (
            number(&bytes, at),
            number(&bytes, at + 8),
            number(&bytes, at + 16),
        ) {
            // A place that was kept for an entry and never filled: everything behind it was in flight too.
            if count == 0 && flags == 0 {
                break;
            }
            assert_eq!(
                flags & !(FLUSH | FUA),
                0,
                "unknown flags of entry {}",
                entries.len()
            );
            let count = usize::try_from(count).expect("a count of sectors") * SECTOR;
            let data = at + SECTOR..at + SECTOR + count;
            if data.end > bytes.len() {
                break;
            }
            at = data.end;
            entries.push(Entry {
                at: sector * SECTOR as u64,
                data,
                flags,
            });
        }
        Self { bytes, entries }
    }

    /// What was written at a byte of the disk by the first `cut` entries, in order.
    pub(crate) fn written_at(&self, place: u64, cut: usize) -> impl Iterator<Item = &[u8]> {
        let entries = self.entries.iter().take(cut);
        entries
            .filter(move |entry| entry.at == place && !entry.data.is_empty())
            .map(|entry| &self.bytes[entry.data.clone()])
    }

    /// Brings a disk to what it holds when power fails after `cut` entries: everything up to the last flush,
    /// and of what came later each sector as chance has it, or nothing when there is none. Gives the number
    /// of sectors that did not last.
    pub(crate) fn replay(&self, disk: &Path, cut: usize, mut chance: Option<&mut Seed>) -> usize {
        let disk = File::options().write(true).open(disk).expect("the disk");
        let last = self.entries.iter().take(cut).rposition(Entry::is_flush);
        let kept = last.map_or(0, |at| at + 1);
        let mut lost = 0;
        for (number, entry) in self.entries.iter().take(cut).enumerate() {
            let data = &self.bytes[entry.data.clone()];
            let safe = number < kept || entry.flags & FUA != 0;
            for (at, sector) in (entry.at..).step_by(SECTOR).zip(data.chunks(SECTOR)) {
                let reached = chance.as_deref_mut().is_some_and(|seed| seed.below(2) == 0);
                if safe || reached {
                    disk.write_all_at(sector, at).expect("room for the disk");
                } else {
                    lost += 1;
                }
            }
        }
        lost
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(field.try_into().expect("eight bytes")))
}

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const SECTOR: usize = 512;
