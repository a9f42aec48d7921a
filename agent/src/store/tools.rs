//! Looking at a store without touching it, and getting out what can be got out.
//!
//! Owns [`View`]: the store as the agent would find it at its next start, through the agent's own recovery
//! and reader, so that a tool and the agent never judge differently. Promises that nothing is written: the log
//! is opened on a layer over the directory, whose writes stay in memory; sled writes wherever it opens, so it gets a
//! copy. Refuses a store that an agent has open.

mod overlay;
mod salvage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::directory::{Directory, StoreFile};
use super::engine::EngineKind;
use super::error::StoreError;
use super::provider::{KeyError, KeyProvider, Keys};
use super::{Damage, LOCK, Recovery, Rotation, Settings, Store, StoredBatch, Usage};

use overlay::Overlay;

pub use salvage::{Salvaged, salvage};

/// A store as the next start of the agent would find it.
#[derive(Debug)]
pub struct View {
    store: Store,
    recovery: Recovery,
    /// sled's copy; it goes with the view.
    _copy: Option<tempfile::TempDir>,
    /// Nobody else opens the store meanwhile.
    _lock: Option<StoreFile>,
}

impl View {
    /// Opens a view. `scratch` is where a store of sled is copied to; `copied` is told how many bytes are.
    ///
    /// # Errors
    /// When there is no store, an agent has it open, engine, key or gateway do not fit, or the medium refuses.
    pub fn open(
        settings: &Settings,
        gateway: &GatewayId,
        provider: &dyn KeyProvider,
        scratch: &Path,
        copied: &dyn Fn(u64),
    ) -> Result<Self, StoreError> {
        let lock = exclude_agents(&settings.directory)?;
        let keys = Shown(provider.keys()?);
        let mut settings = settings.clone();
        settings.mark = None;
        let copy = match settings.engine {
            EngineKind::Log => None,
            EngineKind::Sled => Some(copy(&settings.directory, scratch, copied)?),
        };
        let opened = match &copy {
            None => {
                let medium = Overlay::over(&settings.directory)?;
                let directory = Directory::on(&settings.directory, Arc::new(medium));
                Store::open_in(directory, settings, gateway, &keys)
            }
            Some(copy) => {
                settings.directory = copy.path().to_owned();
                let directory = Directory::open(copy.path())?;
                Store::open_in(directory, settings, gateway, &keys)
            }
        };
        let (store, recovery) = opened?;
        Ok(Self {
            store,
            recovery,
            _copy: copy,
            _lock: lock,
        })
    }

    /// The store's epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// What opening found.
    #[must_use]
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Records that wait in all lanes.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.usage()
            .lanes
            .iter()
            .map(|lane| lane.unacknowledged)
            .sum()
    }

    /// Opens every batch that is not acknowledged, lane by lane and in order.
    ///
    /// # Errors
    /// When the medium refuses, or `each` does.
    pub fn each<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(StoredBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        for lane in Lane::ALL {
            let mut from = Sequence(0);
            while let Some(batch) = self.store.read_from(lane, from)? {
                from = batch.range.last().plus(1);
                each(batch)?;
            }
        }
        Ok(())
    }

    /// What can never be read, as far as opening and [`View::each`] came across it.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        let mut damage = self.recovery.damage.clone();
        damage.extend(self.store.take_damage());
        damage
    }
}

/// Begins a rotation of the store key and carries it out.
///
/// # Errors
/// When there is no store, an agent has it open, the provider cannot draw a key, or the store does not open.
pub fn rotate(
    settings: Settings,
    gateway: &GatewayId,
    provider: &dyn KeyProvider,
) -> Result<Rotation, StoreError> {
    // Before a key is drawn, or a running agent would finish at its next start what was refused here.
    let mut settings = settings;
    settings.mark = None;
    drop(exclude_agents(&settings.directory)?);
    drop(Store::open(
        settings.clone(),
        gateway,
        &Shown(provider.keys()?),
    )?);
    provider.draw_next()?;
    let (_, recovery) = Store::open(settings, gateway, provider)?;
    Ok(recovery.rotation)
}

/// Takes the agent's lock, if the store has one yet. Writes nothing.
fn exclude_agents(path: &Path) -> Result<Option<StoreFile>, StoreError> {
    let directory = Directory::open_existing(path)?;
    if directory.find_file(META)?.is_none() && directory.find_file(LOCK)?.is_none() {
        return Err(StoreError::NoStore {
            path: path.to_owned(),
        });
    }
    match directory.find_file(LOCK)? {
        Some(_) => directory.lock_existing(LOCK).map(Some),
        None => Ok(None),
    }
}

/// A copy of a directory and all below it.
fn copy(
    from: &Path,
    scratch: &Path,
    copied: &dyn Fn(u64),
) -> Result<tempfile::TempDir, StoreError> {
    let to = tempfile::Builder::new()
        .prefix("wardlink-store-")
        .tempdir_in(scratch);
    let to = to.map_err(|e| StoreError::medium("make a directory in", scratch, e))?;
    let mut folders = vec![(from.to_owned(), to.path().to_owned())];
    while let Some((from, to)) = folders.pop() {
        for (source, is_folder) in entries(&from)? {
            let Some(name) = source.file_name() else {
                continue;
            };
            let target = to.join(name);
            if is_folder {
                std::fs::create_dir(&target).map_err(|e| StoreError::medium("make", &target, e))?;
                folders.push((source, target));
            } else {
                let bytes = std::fs::copy(&source, &target);
                copied(bytes.map_err(|e| StoreError::medium("copy", &source, e))?);
            }
        }
    }
    Ok(to)
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, StoreError> {
    let list = || -> std::io::Result<Vec<_>> {
        std::fs::read_dir(folder)?
            .map(|entry| {
                let entry = entry?;
                Ok((entry.path(), entry.file_type()?.is_dir()))
            })
            .collect()
    };
    list().map_err(|e| StoreError::medium("list", folder, e))
}

/// Keys that open what is there and change nothing.
#[derive(Debug)]
struct Shown(Keys);

impl KeyProvider for Shown {
    fn keys(&self) -> Result<Keys, KeyError> {
        Ok(self.0.clone())
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }
}

/// The places from the first on up to, and without, `end` that are in none of these.
fn others(end: Sequence, known: &SequenceSet) -> Vec<SequenceRange> {
    let mut rest = SequenceSet::new();
    let last = end.0.checked_sub(1).map(Sequence);
    let all = last.and_then(|last| SequenceRange::between(Sequence(0), last).ok());
    let Some(all) = all else {
        return Vec::new();
    };
    rest.insert(all);
    known.runs().for_each(|run| rest.remove(run));
    rest.runs().collect()
}

const META: &str = "meta";
