//! The only file that calls sled, and what it takes to do so.
//!
//! Promises that no panic of sled gets out, in opening, searching, failing or dropping, and that what was
//! committed is synced: sled's own `flush()` ends in `sync_file_range`, which writes no metadata and leaves
//! the device's cache alone, and never touches the files it puts large values into. Searches go forward
//! only: backwards, a damaged sled was seen to hang. Keys that do not rise end a search as damage.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::super::error::StoreError;
use super::super::sealing::OpeningKey;
use super::entry::{Entry, Key};
use super::folder;

/// An open sled directory.
pub(in super::super) struct Tree {
    /// Taken out to be dropped behind a guard.
    database: Option<sled::Db>,
    file: File,
    path: PathBuf,
}

/// Why sled did not do it.
#[derive(Debug)]
pub(in super::super) enum Trouble {
    /// It cannot make sense of its files.
    Damage(String),
    /// The system refused; that says nothing about the files.
    Refused(StoreError),
}

impl Tree {
    /// A new directory, durably there.
    pub(in super::super) fn create(path: &Path, segment: usize) -> Result<Self, StoreError> {
        let made = Self::with(path, segment).map_err(|trouble| trouble.or_broken(path))?;
        made.file
            .sync_all()
            .map_err(|e| StoreError::medium("sync", path, e))?;
        made.sync_blobs()?;
        folder::sync(path)?;
        folder::sync(path.parent().unwrap_or(path))?;
        Ok(made)
    }

    /// One that is there; none if it is not.
    pub(in super::super) fn open(path: &Path, segment: usize) -> Result<Option<Self>, Trouble> {
        // sled would make a new one.
        if !path.join(FILE).is_file() {
            return Ok(None);
        }
        wait_until_unlocked(&path.join(FILE))?;
        Self::with(path, segment).map(Some)
    }

    fn with(path: &Path, segment: usize) -> Result<Self, Trouble> {
        let database = guarded(path, || {
            sled::Config::new()
                .path(path)
                .segment_size(segment)
                .cache_capacity(CACHE)
                .flush_every_ms(None)
                .open()
        })?;
        let own = path.join(FILE);
        let file = File::options().read(true).write(true).open(&own);
        let file = file.map_err(|e| Trouble::Refused(StoreError::medium("open", &own, e)))?;
        Ok(Self {
            database: Some(database),
            file,
            path: path.to_owned(),
        })
    }

    /// Stores values, durably; after an error any of them may be there.
    pub(in super::super) fn commit(&self, values: Vec<(Key, Vec<u8>)>) -> Result<(), StoreError> {
        let flushed = self.with_database(|database| {
            let mut batch = sled::Batch::default();
            for (key, value) in values {
                batch.insert(&key, value);
            }
            database.apply_batch(batch)?;
            database.flush()
        });
        flushed.map_err(|trouble| trouble.or_broken(&self.path))?;
        self.sync_blobs()?;
        self.file
            .sync_data()
            .map_err(|e| StoreError::medium("sync", &self.path, e))
    }

    /// The value of a key.
    pub(super) fn get(&self, key: Key) -> Result<Option<Entry>, Trouble> {
        let value = self.with_database(|database| {
            let value = database.get(key)?;
            Ok(value.map(|value| value.to_vec()))
        })?;
        value
            .map(|value| Entry::decode(&key, &value).ok_or_else(not_ours))
            .transpose()
    }

    /// Every value from a key on, until `each` says to stop.
    pub(super) fn scan(
        &self,
        from: Key,
        mut each: impl FnMut(Entry) -> bool,
    ) -> Result<(), Trouble> {
        let mut next = from;
        loop {
            let found = self.with_database(|database| {
                let mut found = Vec::new();
                for item in database.range(next..).take(AT_ONCE) {
                    let (key, value) = item?;
                    found.push((key.to_vec(), value.to_vec()));
                }
                Ok(found)
            })?;
            let full = found.len() == AT_ONCE;
            for (key, value) in found {
                let entry = Entry::decode(&key, &value).ok_or_else(not_ours)?;
                let key: Key = key.try_into().map_err(|_| not_ours())?;
                if key < next {
                    return Err(Trouble::Damage("its keys are out of order".to_owned()));
                }
                if !each(entry) {
                    return Ok(());
                }
                next = after(key);
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Keys of whatever form.
    #[cfg(test)]
    pub(super) fn count_of_raw(&self) -> usize {
        self.with_database(|database| Ok(database.iter().flatten().count()))
            .unwrap_or(0)
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> u64 {
        folder::size(&self.path)
    }

    fn blobs(&self) -> io::Result<Vec<PathBuf>> {
        let folder = match fs::read_dir(self.path.join(BLOBS)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        folder.map(|entry| Ok(entry?.path())).collect()
    }

    /// With sled segments of 8 MiB there are none below values of 200 KiB.
    fn sync_blobs(&self) -> Result<(), StoreError> {
        let place = self.path.join(BLOBS);
        let blobs = self
            .blobs()
            .map_err(|e| StoreError::medium("list", &place, e))?;
        for blob in &blobs {
            match File::open(blob).and_then(|file| file.sync_all()) {
                // sled removes those it needs no more.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::medium("sync", blob, error));
                }
                _ => {}
            }
        }
        match blobs.is_empty() {
            true => Ok(()),
            false => folder::sync(&place),
        }
    }

    fn with_database<T>(
        &self,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, Trouble> {
        let database = self.database.as_ref();
        let database = database.ok_or_else(|| Trouble::Damage("it is closed".to_owned()))?;
        guarded(&self.path, || call(database))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let database = self.database.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(database))));
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({})", self.path.display())
    }
}

/// sled lets go of its lock some time after it was dropped, on a thread of its own; without the lock it fails in
/// words that look like damage.
fn wait_until_unlocked(file: &Path) -> Result<(), Trouble> {
    let refused = |e| Trouble::Refused(StoreError::medium("lock", file, e));
    let probe = File::open(file).map_err(refused)?;
    for _ in 0..WAITS {
        match probe.try_lock() {
            Ok(()) => return probe.unlock().map_err(refused),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
    }
    Err(refused(io::ErrorKind::ResourceBusy.into()))
}

/// Runs a call of sled. Its error is turned into words in here as well: that may panic, and so may dropping it.
fn guarded<T>(path: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        call().map_err(|error| match error {
            sled::Error::Io(error) => judge(path, error),
            other => Trouble::Damage(other.to_string()),
        })
    }));
    outcome.unwrap_or_else(|_| {
        // On a full disk sled panics as well.
        let full = rustix::fs::statvfs(path).is_ok_and(|place| place.f_bavail < LEAST_BLOCKS);
        Err(match full {
            true => judge(path, Errno::NOSPC.into()),
            false => Trouble::Damage("sled panicked".to_owned()),
        })
    })
}

fn judge(path: &Path, error: io::Error) -> Trouble {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        None | Some(Errno::IO) => Trouble::Damage(error.to_string()),
        Some(_) => Trouble::Refused(StoreError::medium("let sled work on", path, error)),
    }
}

fn not_ours() -> Trouble {
    Trouble::Damage("it holds what was never stored".to_owned())
}

fn after(key: Key) -> Key {
    let number = key
        .iter()
        .fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
    let bytes = number.saturating_add(1).to_be_bytes();
    *bytes.last_chunk().unwrap_or(&[u8::MAX; 9])
}

impl Trouble {
    /// Where nothing but an error can come of it.
    fn or_broken(self, path: &Path) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Damage(text) => {
                StoreError::medium("let sled work on", path, io::Error::other(text))
            }
        }
    }
}

/// The few directories that are open; the last used at the end. sled locks its files, so that the writer's
/// must serve the reader too.
#[derive(Debug, Default)]
pub(super) struct Trees(Vec<Opened>);

/// A directory with the key of its segment.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) id: u64,
    pub(super) tree: Arc<Tree>,
    pub(super) key: Option<Arc<OpeningKey>>,
}

impl Trees {
    pub(super) fn find(&mut self, id: u64) -> Option<Opened> {
        let index = self.0.iter().position(|open| open.id == id)?;
        let known = self.0.remove(index);
        self.0.push(known.clone());
        Some(known)
    }

    pub(super) fn put(&mut self, opened: Opened) {
        // One that the writer has as well stays.
        let idle = |open: &Opened| Arc::strong_count(&open.tree) == 1;
        let idling = self.0.iter().filter(|open| idle(open)).count();
        if idling >= MOST_IDLE
            && let Some(index) = self.0.iter().position(idle)
        {
            self.0.remove(index);
        }
        self.0.push(opened);
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.0.retain(|open| open.id != id);
    }
}

const FILE: &str = "db";
const BLOBS: &str = "blobs";
/// sled does not keep to it, but the less the better.
const CACHE: u64 = 1 << 20;
const AT_ONCE: usize = 64;
const MOST_IDLE: usize = 2;
const WAITS: u32 = 2000;
const WAIT: Duration = Duration::from_millis(5);
const LEAST_BLOCKS: u64 = 8192;
