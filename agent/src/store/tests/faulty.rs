//! A medium that fails: it keeps what was synced and what was not apart.
//!
//! A power cut leaves of each sector of 512 bytes that was written since the last sync any one of the
//! contents it had since then, independently of every other sector; of the changes of names since the last
//! sync of the directory any selection, in order. A sync that fails may have kept any part, and what it did
//! not keep is never written by a later sync, as on Linux. Calls can be made to fail, and the power to go, after any number of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use rustix::io::Errno;

use super::Random;
use crate::store::medium::{Medium, MediumFile, Opening};

const SECTOR: usize = 512;

/// A directory in memory. Clones are the same directory.
#[derive(Debug, Clone)]
pub(super) struct Faulty(Arc<Mutex<State>>);

/// What is to happen to one of the calls to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The power goes before, in the middle of, or after it.
    PowerCut,
    /// It fails with this error; a write may have been done in part.
    Fail(Errno),
    /// From here on every write, sync and change of names fails with this error.
    FailEver(Errno),
}

#[derive(Debug)]
struct State {
    random: Random,
    files: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    kept_names: BTreeMap<String, u64>,
    pending: Vec<Change>,
    next_inode: u64,
    boot: u64,
    powered: bool,
    /// Calls until the mishap.
    plan: Option<(u64, Mishap)>,
    ever: Option<Errno>,
    capacity: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, inode) => _ = names.insert(name.clone(), *inode),
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => _ = names.remove(name),
        }
    }
}

#[derive(Debug, Default)]
struct Inode {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What a power cut cannot take.
    kept: Vec<u8>,
    /// Sectors written since the last sync, with every content they had since then.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Sectors that a failed sync gave up on: any of the contents, until they are written again.
    given_up: BTreeMap<usize, Vec<Vec<u8>>>,
    lock: Weak<()>,
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

    fn write(&mut self, bytes: &[u8], offset: usize) {
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

    fn sync(&mut self) {
        for (sector, contents) in std::mem::take(&mut self.dirty) {
            let last = contents.last().unwrap().clone();
            self.keep(sector, &last);
        }
        self.kept.resize(self.seen.len(), 0);
    }

    /// A sync that fails: every sector as it comes, and none is tried again.
    fn fail_sync(&mut self, random: &mut Random) {
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

    fn lose_power(&mut self, random: &mut Random) {
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

impl Faulty {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            kept_names: BTreeMap::new(),
            pending: Vec::new(),
            next_inode: 0,
            boot: 1,
            powered: true,
            plan: None,
            ever: None,
            capacity: u64::MAX,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Something happens to the call that comes after so many others.
    pub(super) fn plan(&self, calls: u64, mishap: Mishap) {
        self.state().plan = Some((calls, mishap));
    }

    /// Nothing will happen any more that was planned.
    pub(super) fn forgive(&self) {
        let mut state = self.state();
        state.plan = None;
        state.ever = None;
    }

    pub(super) fn is_powered(&self) -> bool {
        self.state().powered
    }

    /// The power goes now, if it has not, and comes back: what the next boot finds.
    pub(super) fn restart(&self) {
        self.state().restart();
    }

    /// Does what the end of a process does while the machine goes on: its last words go nowhere.
    pub(super) fn kill<T>(&self, process: T) {
        self.state().powered = false;
        drop(process);
        self.state().powered = true;
        self.forgive();
    }

    /// Bytes that fit.
    pub(super) fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes in it.
    pub(super) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Changes a file at rest.
    pub(super) fn spoil(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[name];
        let file = state.files.get_mut(&inode).unwrap();
        change(&mut file.seen);
        file.sync();
        file.kept.clone_from(&file.seen);
    }
}

impl State {
    fn used(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        named
            .iter()
            .map(|inode| self.files[inode].seen.len() as u64)
            .sum()
    }

    /// Before each call. True: the call is done in part, and the power is gone or the call fails.
    fn call(&mut self, changes: bool) -> Result<Option<Mishap>, io::Error> {
        if !self.powered {
            return Err(Errno::IO.into());
        }
        if let Some(errno) = self.ever.filter(|_| changes) {
            return Err(errno.into());
        }
        match &mut self.plan {
            None => Ok(None),
            Some((0, mishap)) => {
                let mishap = *mishap;
                self.plan = None;
                match mishap {
                    Mishap::PowerCut => self.powered = false,
                    Mishap::Fail(_) => {}
                    Mishap::FailEver(errno) => self.ever = Some(errno),
                }
                Ok(Some(mishap))
            }
            Some((calls, _)) => {
                *calls -= 1;
                Ok(None)
            }
        }
    }

    fn restart(&mut self) {
        let mut names = std::mem::take(&mut self.kept_names);
        for change in std::mem::take(&mut self.pending) {
            if self.random.chance(2) {
                change.apply(&mut names);
            }
        }
        let alive: BTreeSet<u64> = names.values().copied().collect();
        self.files.retain(|inode, _| alive.contains(inode));
        for file in self.files.values_mut() {
            file.lose_power(&mut self.random);
        }
        self.kept_names = names.clone();
        self.names = names;
        self.boot += 1;
        self.powered = true;
        self.plan = None;
        self.ever = None;
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

/// What a call says that a mishap has hit.
fn failure(mishap: Mishap) -> io::Error {
    match mishap {
        Mishap::PowerCut => Errno::IO.into(),
        Mishap::Fail(errno) | Mishap::FailEver(errno) => errno.into(),
    }
}

impl Medium for Faulty {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        match state.call(false)? {
            Some(mishap) => Err(failure(mishap)),
            None => Ok(state.names.keys().cloned().collect()),
        }
    }

    fn open(&self, name: &str, opening: Opening) -> io::Result<Box<dyn MediumFile>> {
        let mut state = self.state();
        if let Some(mishap) = state.call(opening != Opening::Existing)? {
            return Err(failure(mishap));
        }
        let inode = match (state.names.get(name).copied(), opening) {
            (Some(inode), Opening::Existing | Opening::Lasting) => inode,
            (None, Opening::Existing) => return Err(Errno::NOENT.into()),
            (_, Opening::Empty | Opening::Lasting) => {
                // Emptying a file in place is not modelled: its old bytes go with its old name.
                let inode = state.next_inode;
                state.next_inode += 1;
                state.files.insert(inode, Inode::default());
                state.change(Change::Create(name.to_owned(), inode));
                inode
            }
        };
        let (medium, boot) = (self.clone(), state.boot);
        let lock = Mutex::default();
        Ok(Box::new(FaultyFile {
            medium,
            inode,
            boot,
            lock,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_or_remove(Change::Rename(from.to_owned(), to.to_owned()), from)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.rename_or_remove(Change::Remove(name.to_owned()), name)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.call(true)? {
            None => {
                state.pending.clear();
                state.kept_names = state.names.clone();
                Ok(())
            }
            Some(mishap) => Err(failure(mishap)),
        }
    }

    fn boot(&self) -> Option<[u8; 16]> {
        Some(u128::from(self.state().boot).to_be_bytes())
    }
}

impl Faulty {
    fn rename_or_remove(&self, change: Change, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let mishap = state.call(true)?;
        if !state.names.contains_key(name) {
            return Err(Errno::NOENT.into());
        }
        if mishap.is_none() || (mishap == Some(Mishap::PowerCut) && state.random.chance(2)) {
            state.change(change);
        }
        mishap.map_or(Ok(()), |mishap| Err(failure(mishap)))
    }
}

#[derive(Debug)]
struct FaultyFile {
    medium: Faulty,
    inode: u64,
    /// A file that was opened before the power went is of no use after it.
    boot: u64,
    lock: Mutex<Option<Arc<()>>>,
}

impl FaultyFile {
    fn call<T>(
        &self,
        changes: bool,
        done: impl FnOnce(&mut Inode, &mut Random, Option<Mishap>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.medium.state();
        if state.boot != self.boot {
            return Err(Errno::IO.into());
        }
        let mishap = state.call(changes)?;
        let State { files, random, .. } = &mut *state;
        done(files.get_mut(&self.inode).unwrap(), random, mishap)
    }

    /// Fails if there is no room for a file of this length.
    fn has_room(&self, length: u64) -> bool {
        let state = self.medium.state();
        let now = state
            .files
            .get(&self.inode)
            .map_or(0, |file| file.seen.len() as u64);
        length <= now || state.used() - now + length <= state.capacity
    }
}

impl MediumFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.call(false, |file, _, mishap| match mishap {
            None => Ok(file.seen.len() as u64),
            Some(mishap) => Err(failure(mishap)),
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(false, |file, random, mishap| {
            if let Some(mishap) = mishap {
                return Err(failure(mishap));
            }
            let from = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(file.seen.len());
            let rest = &file.seen[from..];
            let mut count = rest.len().min(buffer.len());
            if count > 1 && random.chance(50) {
                count = 1 + usize::try_from(random.below(count as u64 - 1)).unwrap();
            }
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if !self.has_room(offset + bytes.len() as u64) {
            return Err(Errno::NOSPC.into());
        }
        self.call(true, |file, random, mishap| {
            let done = match mishap {
                None => bytes.len(),
                Some(_) => usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap(),
            };
            file.write(&bytes[..done], usize::try_from(offset).unwrap());
            mishap.map_or(Ok(()), |mishap| Err(failure(mishap)))
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(true, |file, random, mishap| match mishap {
            None => {
                file.sync();
                Ok(())
            }
            // Before it, in the middle of it, or behind it.
            Some(Mishap::PowerCut) if random.chance(3) => {
                file.sync();
                Err(failure(Mishap::PowerCut))
            }
            Some(Mishap::PowerCut) => Err(failure(Mishap::PowerCut)),
            Some(mishap) => {
                file.fail_sync(random);
                Err(failure(mishap))
            }
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if !self.has_room(length) {
            return Err(Errno::NOSPC.into());
        }
        let length = usize::try_from(length).unwrap();
        self.call(true, |file, _, mishap| match mishap {
            None => {
                let longer = file.seen.len().max(length);
                file.seen.resize(longer, 0);
                Ok(())
            }
            Some(mishap) => Err(failure(mishap)),
        })
    }

    fn written(&self) -> io::Result<u64> {
        self.length()
    }

    fn expect_random_reads(&self) {}

    fn try_lock(&self) -> io::Result<bool> {
        self.call(false, |file, _, mishap| {
            if let Some(mishap) = mishap {
                return Err(failure(mishap));
            }
            if file.lock.upgrade().is_some() {
                return Ok(false);
            }
            let token = Arc::new(());
            file.lock = Arc::downgrade(&token);
            *self.lock.lock().unwrap() = Some(token);
            Ok(true)
        })
    }
}
