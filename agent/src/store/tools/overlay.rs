//! A directory that can be looked at as if it were written to.
//!
//! Files are opened for reading only; what is written, renamed or removed is kept in memory, page by page,
//! and goes with the overlay. That is what the recovery of a store needs: it puts right what it finds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::error::StoreError;
use super::super::medium::disk::Disk;
use super::super::medium::{Medium, MediumFile, Opening};

/// What lies over a directory.
#[derive(Debug)]
pub(super) struct Overlay {
    below: Disk,
    path: PathBuf,
    /// By name; none where a file was removed.
    files: Mutex<BTreeMap<String, Option<Arc<Layer>>>>,
}

/// What was written to one file.
#[derive(Debug)]
struct Layer {
    below: Option<PathBuf>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Overlay {
    pub(super) fn over(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            below: Disk::open_existing(path)?,
            path: path.to_owned(),
            files: Mutex::default(),
        })
    }

    /// The layer of a file, made when it is first asked for.
    fn layer(&self, name: &str) -> io::Result<Arc<Layer>> {
        let mut files = held(&self.files);
        match files.get(name) {
            Some(Some(layer)) => Ok(Arc::clone(layer)),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => {
                let below = self.path.join(name);
                let length = std::fs::metadata(&below)?.len();
                let layer = Arc::new(Layer::new(Some(below), length));
                files.insert(name.to_owned(), Some(Arc::clone(&layer)));
                Ok(layer)
            }
        }
    }

    fn empty(&self, name: &str) -> Arc<Layer> {
        let layer = Arc::new(Layer::new(None, 0));
        held(&self.files).insert(name.to_owned(), Some(Arc::clone(&layer)));
        layer
    }
}

impl Medium for Overlay {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.below.names()?;
        let files = held(&self.files);
        names.retain(|name| !files.contains_key(name));
        let here = files.iter().filter(|(_, layer)| layer.is_some());
        names.extend(here.map(|(name, _)| name.clone()));
        Ok(names)
    }

    fn open(&self, name: &str, opening: Opening) -> io::Result<Box<dyn MediumFile>> {
        let layer = match opening {
            Opening::Existing => self.layer(name)?,
            Opening::Empty => self.empty(name),
            Opening::Lasting => match self.layer(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.empty(name),
                found => found?,
            },
        };
        let below = layer.below.as_ref().map(File::open).transpose()?;
        Ok(Box::new(OverlayFile { below, layer }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let layer = self.layer(from)?;
        let mut files = held(&self.files);
        files.insert(from.to_owned(), None);
        files.insert(to.to_owned(), Some(layer));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.layer(name)?;
        held(&self.files).insert(name.to_owned(), None);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn boot(&self) -> Option<[u8; 16]> {
        self.below.boot()
    }
}

impl Layer {
    const fn new(below: Option<PathBuf>, length: u64) -> Self {
        let pages = BTreeMap::new();
        let written = Mutex::new(Written { length, pages });
        Self { below, written }
    }
}

/// An open file: the one below, if there is one, and what lies over it.
#[derive(Debug)]
struct OverlayFile {
    below: Option<File>,
    layer: Arc<Layer>,
}

impl OverlayFile {
    /// Fills a page from below; what lies beyond its end is zero.
    fn read_below(&self, page: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while let Some(rest) = page.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(wide(filled));
            match self
                .below
                .as_ref()
                .map_or(Ok(0), |file| file.read_at(rest, at))?
            {
                0 => break,
                count => filled = filled.saturating_add(count),
            }
        }
        Ok(())
    }
}

impl MediumFile for OverlayFile {
    fn length(&self) -> io::Result<u64> {
        Ok(held(&self.layer.written).length)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let written = held(&self.layer.written);
        let rest = written.length.saturating_sub(offset);
        let within = narrow(offset % wide(PAGE));
        let most = narrow(rest).min(PAGE - within).min(buffer.len());
        let target = buffer.get_mut(..most).unwrap_or_default();
        let source = written.pages.get(&(offset / wide(PAGE)));
        match source.and_then(|page| page.get(within..within + most)) {
            Some(bytes) => target.copy_from_slice(bytes),
            None => {
                target.fill(0);
                self.read_below(target, offset)?;
            }
        }
        Ok(most)
    }

    fn write_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        let mut written = held(&self.layer.written);
        written.length = written.length.max(offset.saturating_add(wide(bytes.len())));
        while !bytes.is_empty() {
            let (number, within) = (offset / wide(PAGE), narrow(offset % wide(PAGE)));
            let (now, later) = bytes.split_at(bytes.len().min(PAGE - within));
            let page = match written.pages.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let mut page = Box::new([0; PAGE]);
                    self.read_below(page.as_mut_slice(), number * wide(PAGE))?;
                    place.insert(page)
                }
            };
            if let Some(place) = page.get_mut(within..within + now.len()) {
                place.copy_from_slice(now);
            }
            offset = offset.saturating_add(wide(now.len()));
            bytes = later;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut written = held(&self.layer.written);
        written.length = written.length.max(length);
        Ok(())
    }

    fn written(&self) -> io::Result<u64> {
        self.length()
    }

    fn expect_random_reads(&self) {
        // Advice only.
    }

    /// The lock is taken on the file itself, before anything is laid over it.
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

const PAGE: usize = 4096;
