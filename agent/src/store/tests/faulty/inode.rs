//! The bytes of one file: what a reader sees, and what a power cut cannot take.

use std::collections::BTreeMap;
use std::sync::Weak;

use super::super::Random;

const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What a reader sees.
    pub(super) seen: Vec<u8>,
    /// What a power cut cannot take.
    pub(super) kept: Vec<u8>,
    /// Sectors written since the last sync, with every content they had since then.
    pub(super) dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Sectors that a failed sync gave up on: any of the contents, until they are written again.
    pub(super) given_up: BTreeMap<usize, Vec<Vec<u8>>>,
    pub(super) lock: Weak<()>,
}

impl Inode {
    fn sector(bytes: &[u8], sector: usize) -> Vec<u8> {
        let from = (sector * SECTOR).min(bytes.len());
        let mut content = bytes[from..bytes.len().min(from + SECTOR)].to_vec();
        content.resize(SECTOR, 0);
        content
    }

    fn keep(&mut self, sector: usize, content: &[u8]) {
        let end = (sector + 1) * SECTOR;
        if self.kept.len() < end {
            self.kept.resize(end, 0);
        }
        self.kept[sector * SECTOR..end].copy_from_slice(content);
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let content = Self::sector(&self.seen, sector);
            let before = self.given_up.remove(&sector).unwrap_or_default();
            self.dirty.entry(sector).or_insert(before).push(content);
        }
    }

    pub(super) fn sync(&mut self) {
        for (sector, contents) in std::mem::take(&mut self.dirty) {
            let last = contents.last().unwrap().clone();
            self.keep(sector, &last);
        }
        self.kept.resize(self.seen.len(), 0);
    }

    /// A sync that fails: every sector as it comes, and none is tried again.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        for (sector, contents) in std::mem::take(&mut self.dirty) {
            if random.chance(2) {
                let last = contents.last().unwrap().clone();
                self.keep(sector, &last);
            } else {
                self.given_up.entry(sector).or_default().extend(contents);
            }
        }
        if random.chance(2) {
            self.kept.resize(self.seen.len(), 0);
        }
    }

    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let length = if random.chance(2) {
            self.seen.len()
        } else {
            self.kept.len()
        };
        let open = [
            std::mem::take(&mut self.dirty),
            std::mem::take(&mut self.given_up),
        ];
        for (sector, contents) in open.into_iter().flatten() {
            let choice = usize::try_from(random.below(contents.len() as u64 + 1)).unwrap();
            if let Some(content) = contents.get(choice) {
                self.keep(sector, content);
            }
        }
        self.kept.resize(length, 0);
        self.seen.clone_from(&self.kept);
        self.lock = Weak::new();
    }
}
