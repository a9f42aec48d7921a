//! A disk whose power can be cut before, within and after every step.
//!
//! What was not synced may be there, in part, or not at all; names that were not synced survive as some first
//! part of the changes made to them, as a journal keeps them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::update::disk::Disk;

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Before(u64),
    Within(u64),
    After(u64),
}

#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    changes: Vec<(String, Option<usize>)>,
    step: u64,
    cut: Option<Cut>,
    dead: bool,
    random: u64,
}

#[derive(Debug, Default, Clone)]
struct File {
    content: Vec<u8>,
    synced: Vec<u8>,
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.state().random = seed;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn steps(&self) -> u64 {
        self.state().step
    }

    /// Cuts the power at a step, counted from now.
    pub(super) fn cut(&self, cut: Cut) {
        let mut state = self.state();
        (state.step, state.cut) = (0, Some(cut));
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The power goes if it has not gone yet, and comes back: what survived is what there is.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        let changes = state.changes.len() as u64;
        let survived = state.below(changes + 1);
        for (name, file) in std::mem::take(&mut state.changes)
            .into_iter()
            .take(usize::try_from(survived).unwrap())
        {
            match file {
                Some(file) => state.durable.insert(name, file),
                None => state.durable.remove(&name),
            };
        }
        for index in 0..state.files.len() {
            let File { content, synced } = state.files[index].clone();
            let torn = if content == synced {
                synced
            } else {
                let kept = usize::try_from(state.below(content.len() as u64 + 1)).unwrap();
                match state.below(3) {
                    0 => synced,
                    1 if content.starts_with(&synced) => content[..kept.max(synced.len())].to_vec(),
                    1 => content[..kept].to_vec(),
                    // the length is there already, but not what was written
                    _ if content.starts_with(&synced) => {
                        [synced.as_slice(), &vec![0; content.len() - synced.len()]].concat()
                    }
                    _ => vec![0; content.len()],
                }
            };
            state.files[index] = File {
                content: torn.clone(),
                synced: torn,
            };
        }
        state.names = state.durable.clone();
        (state.cut, state.dead, state.step) = (None, false, 0);
    }

    /// Damages a file.
    pub(super) fn damage(&self, name: &str) {
        let mut state = self.state();
        let file = state.names[name];
        for content in [true, false] {
            let file = &mut state.files[file];
            let bytes = if content {
                &mut file.content
            } else {
                &mut file.synced
            };
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
    }
}

impl State {
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Takes one step, unless the power goes.
    fn step(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let gone = || io::Error::other("no power");
        if self.dead {
            return Err(gone());
        }
        let step = self.step;
        self.step += 1;
        match self.cut {
            Some(Cut::Before(at)) if at == step => {
                self.dead = true;
                return Err(gone());
            }
            Some(Cut::Within(at)) if at == step => {
                if self.below(2) == 0 {
                    act(self)?;
                }
                self.dead = true;
                return Err(gone());
            }
            Some(Cut::After(at)) if at == step => {
                act(self)?;
                self.dead = true;
                return Ok(());
            }
            _ => {}
        }
        act(self)
    }

    fn file(&mut self, name: &str) -> usize {
        if let Some(file) = self.names.get(name) {
            return *file;
        }
        self.files.push(File::default());
        let file = self.files.len() - 1;
        self.names.insert(name.to_owned(), file);
        self.changes.push((name.to_owned(), Some(file)));
        file
    }

    fn known(&self, name: &str) -> io::Result<usize> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.names.get(name).copied().ok_or_else(missing)
    }
}

impl Disk for SimDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let state = self.state();
        let file = state.names.get(name);
        Ok(file.map(|file| state.files[*file].content.clone()))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.state().step(|state| {
            let file = state.file(name);
            state.files[file].content = bytes.to_vec();
            Ok(())
        })
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.state().step(|state| {
            let file = state.file(name);
            state.files[file].content.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.state().step(|state| {
            let file = state.known(name)?;
            state.files[file].synced = state.files[file].content.clone();
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.state().step(|state| {
            let file = state.known(from)?;
            state.names.remove(from);
            state.names.insert(to.to_owned(), file);
            // One entry of the journal: the name moves, or it does not.
            state.changes.push((to.to_owned(), Some(file)));
            state.changes.push((from.to_owned(), None));
            Ok(())
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.state().step(|state| {
            state.known(name)?;
            state.names.remove(name);
            state.changes.push((name.to_owned(), None));
            Ok(())
        })
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.state().step(|state| {
            state.durable = state.names.clone();
            state.changes.clear();
            Ok(())
        })
    }
}
