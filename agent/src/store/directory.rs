//! The store's directory: a medium with names for people.
//!
//! Owns the path that errors name. Promises that an error says what was attempted on which file, and that
//! a page which the medium cannot read comes back as zeros: every reader of this store checks what it
//! reads, and a bad sector is damage, not a failure.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::error::StoreError;
use super::medium::disk::Disk;
use super::medium::{Medium, MediumFile, Opening};

/// The store's directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: PathBuf,
    medium: Arc<dyn Medium>,
}

impl Directory {
    /// Opens it, or makes it; nobody but the owner may enter.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self::on(path, Arc::new(Disk::open(path)?)))
    }

    /// Any medium, under the name that errors say.
    pub(super) fn on(path: &Path, medium: Arc<dyn Medium>) -> Self {
        let path = path.to_owned();
        Self { path, medium }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock for as long as the returned file lives.
    pub(super) fn lock(&self, name: &str) -> Result<StoreFile, StoreError> {
        let file = self.open_with(name, Opening::Lasting)?;
        match file.file.try_lock() {
            Ok(true) => Ok(file),
            Ok(false) => Err(StoreError::InUse {
                path: self.path.clone(),
            }),
            Err(e) => Err(StoreError::medium("lock", &file.path, e)),
        }
    }

    /// The names in it; what is no text is none of ours.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        self.medium
            .names()
            .map_err(|e| StoreError::medium("list", &self.path, e))
    }

    pub(super) fn open_file(&self, name: &str) -> Result<StoreFile, StoreError> {
        self.open_with(name, Opening::Existing)
    }

    /// The file, or none if there is no such file.
    pub(super) fn find_file(&self, name: &str) -> Result<Option<StoreFile>, StoreError> {
        match self.open_file(name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An empty file, also where one was.
    pub(super) fn create_file(&self, name: &str) -> Result<StoreFile, StoreError> {
        self.open_with(name, Opening::Empty)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.medium
            .rename(from, to)
            .map_err(|e| StoreError::medium("rename", &self.path.join(from), e))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.medium
            .remove(name)
            .map_err(|e| StoreError::medium("remove", &self.path.join(name), e))
    }

    /// Makes creations, renames and removals durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.medium
            .sync()
            .map_err(|e| StoreError::medium("sync the directory", &self.path, e))
    }

    /// A file that refuses every write.
    #[cfg(test)]
    pub(super) fn open_refusing(&self, name: &str) -> StoreFile {
        let path = self.path.join(name);
        let file = super::medium::disk::refusing(&path);
        StoreFile { file, path }
    }

    /// The identity of this boot, if the system tells: the page cache does not outlive it.
    pub(super) fn boot(&self) -> Option<[u8; 16]> {
        self.medium.boot()
    }

    fn open_with(&self, name: &str, opening: Opening) -> Result<StoreFile, StoreError> {
        let path = self.path.join(name);
        match self.medium.open(name, opening) {
            Ok(file) => Ok(StoreFile { file, path }),
            Err(e) => Err(StoreError::medium("open", &path, e)),
        }
    }
}

/// One file of the store.
#[derive(Debug)]
pub(super) struct StoreFile {
    file: Box<dyn MediumFile>,
    path: PathBuf,
}

impl StoreFile {
    /// Bytes in the file.
    pub(super) fn length(&self) -> Result<u64, StoreError> {
        self.file
            .length()
            .map_err(|e| StoreError::medium("look at", &self.path, e))
    }

    /// Fills the buffer from an offset on; what lies beyond the end of the file is missing from the count.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(rest, at) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    filled = filled.saturating_add(self.read_around_bad_page(rest, at));
                }
                Err(e) => return Err(StoreError::medium("read", &self.path, e)),
            }
        }
        Ok(filled)
    }

    /// Reads the rest of one page, or zeros in its place.
    fn read_around_bad_page(&self, buffer: &mut [u8], offset: u64) -> usize {
        let to_boundary = usize::try_from(PAGE - offset % PAGE).unwrap_or(buffer.len());
        let take = to_boundary.min(buffer.len());
        let page = buffer.get_mut(..take).unwrap_or_default();
        match self.file.read_at(page, offset) {
            Ok(count) if count > 0 => count,
            _ => {
                page.fill(0);
                page.len()
            }
        }
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.file
            .write_at(bytes, offset)
            .map_err(|e| StoreError::medium("write", &self.path, e))
    }

    /// Makes the written bytes durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync()
            .map_err(|e| StoreError::medium("sync", &self.path, e))
    }

    /// Gives the file its length and, where the file system can, its blocks.
    pub(super) fn allocate(&self, length: u64) -> Result<(), StoreError> {
        self.file
            .allocate(length)
            .map_err(|e| StoreError::medium("allocate", &self.path, e))
    }

    /// Bytes from the start that were written before: writing there again changes no metadata.
    pub(super) fn written(&self) -> Result<u64, StoreError> {
        self.file
            .written()
            .map_err(|e| StoreError::medium("look at", &self.path, e))
    }

    /// Asks the system to read no further than it is told to.
    pub(super) fn expect_random_reads(&self) {
        self.file.expect_random_reads();
    }
}

const PAGE: u64 = 4096;
