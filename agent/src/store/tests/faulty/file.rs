//! An open file of the failing medium.

use std::io;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::super::Random;
use super::inode::Inode;
use super::{Faulty, Mishap, State, failure};
use crate::store::medium::MediumFile;

#[derive(Debug)]
pub(super) struct FaultyFile {
    pub(super) medium: Faulty,
    pub(super) inode: u64,
    /// A file that was opened before the power went is of no use after it.
    pub(super) boot: u64,
    pub(super) lock: Mutex<Option<Arc<()>>>,
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
