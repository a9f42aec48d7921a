//! A medium that fails: it keeps what was synced and what was not apart.
//!
//! A power cut leaves of each sector of 512 bytes that was written since the last sync any one of the
//! contents it had since then, independently of every other sector; of the changes of names since the last
//! sync of the directory any selection, in order. A sync that fails may have kept any part, and what it did
//! not keep is never written by a later sync, as on Linux. Calls can be made to fail, and the power to go, after any number of calls.

mod file;
mod inode;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::Random;
use crate::store::medium::{Medium, MediumFile, Opening};

use file::FaultyFile;
use inode::Inode;

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

impl Faulty {
    /// Every file as a reader sees it.
    pub(super) fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let names = state.names.iter();
        names
            .map(|(name, inode)| (name.clone(), state.files[inode].seen.clone()))
            .collect()
    }

    /// A medium at rest that holds these files.
    pub(super) fn holding(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let medium = Self::new(0);
        for (name, bytes) in files {
            let file = Medium::open(&medium, name, Opening::Empty).unwrap();
            file.write_at(bytes, 0).unwrap();
            file.sync().unwrap();
        }
        Medium::sync(&medium).unwrap();
        medium
    }
}
