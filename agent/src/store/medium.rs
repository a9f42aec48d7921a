//! The only file that touches files.
//!
//! Owns directory, files and lock. Promises mode 0700 and 0600, errors with the path in them, and that
//! what was synced was handed to the medium. A page that the medium cannot read comes back as zeros:
//! every reader of this store checks what it reads, and a bad sector is damage, not a failure.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::error::StoreError;

/// The store's directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: File,
}

impl Directory {
    /// Opens it, or makes it; nobody but the owner may enter.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let made = !path.exists();
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path)
            .map_err(|e| StoreError::medium("create the store directory", path, e))?;
        let open = |path: &Path| {
            File::open(path).map_err(|e| StoreError::medium("open the store directory", path, e))
        };
        let handle = open(path)?;
        let metadata = handle
            .metadata()
            .map_err(|e| StoreError::medium("look at", path, e))?;
        if metadata.permissions().mode() & OTHERS != 0 {
            handle
                .set_permissions(Permissions::from_mode(DIRECTORY_MODE))
                .map_err(|e| StoreError::medium("close to other users", path, e))?;
        }
        if made && let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_directory(&open(parent)?, parent)?;
        }
        let path = path.to_owned();
        Ok(Self { path, handle })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock for as long as the returned file lives.
    pub(super) fn lock(&self, name: &str) -> Result<File, StoreError> {
        let file = self.open_with(name, OpenOptions::new().create(true).truncate(false))?;
        match file.file.try_lock() {
            Ok(()) => Ok(file.file),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: self.path.clone(),
            }),
            Err(TryLockError::Error(e)) => Err(StoreError::medium("lock", &file.path, e)),
        }
    }

    /// The names in it; what is no text is none of ours.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        let failed = |e| StoreError::medium("list", &self.path, e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    pub(super) fn open_file(&self, name: &str) -> Result<StoreFile, StoreError> {
        self.open_with(name, &mut OpenOptions::new())
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
        self.open_with(name, OpenOptions::new().create(true).truncate(true))
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let from = self.path.join(from);
        std::fs::rename(&from, self.path.join(to))
            .map_err(|e| StoreError::medium("rename", &from, e))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        std::fs::remove_file(&path).map_err(|e| StoreError::medium("remove", &path, e))
    }

    /// Makes creations, renames and removals durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.handle, &self.path)
    }

    /// A file that refuses every write.
    #[cfg(test)]
    pub(super) fn open_refusing(&self, name: &str) -> StoreFile {
        let path = self.path.join(name);
        let file = File::open(&path).unwrap();
        StoreFile { file, path }
    }

    fn open_with(&self, name: &str, options: &mut OpenOptions) -> Result<StoreFile, StoreError> {
        let path = self.path.join(name);
        let file = options
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|e| StoreError::medium("open", &path, e))?;
        Ok(StoreFile { file, path })
    }
}

/// One file of the store.
#[derive(Debug)]
pub(super) struct StoreFile {
    file: File,
    path: PathBuf,
}

impl StoreFile {
    /// Bytes in the file.
    pub(super) fn length(&self) -> Result<u64, StoreError> {
        match self.file.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(e) => Err(StoreError::medium("look at", &self.path, e)),
        }
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
            .write_all_at(bytes, offset)
            .map_err(|e| StoreError::medium("write", &self.path, e))
    }

    /// Makes the written bytes durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|e| StoreError::medium("sync", &self.path, e))
    }

    /// Gives the file its length and, where the file system can, its blocks.
    pub(super) fn allocate(&self, length: u64) -> Result<(), StoreError> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self
                .file
                .set_len(length)
                .map_err(|e| StoreError::medium("allocate", &self.path, e)),
            Err(e) => Err(StoreError::medium("allocate", &self.path, e)),
        }
    }

    /// Bytes from the start that were written before: writing there again changes no metadata. A file
    /// system that cannot say counts the whole file, which costs speed and nothing else.
    pub(super) fn written(&self) -> Result<u64, StoreError> {
        match rustix::fs::seek(&self.file, SeekFrom::Hole(0)) {
            Ok(offset) => Ok(offset),
            Err(_) => self.length(),
        }
    }

    /// Asks the system to read no further than it is told to.
    pub(super) fn expect_random_reads(&self) {
        // Advice only: a file system that ignores it reads more and gives the same bytes.
        _ = rustix::fs::fadvise(&self.file, 0, None, Advice::Random);
    }
}

fn sync_directory(handle: &File, path: &Path) -> Result<(), StoreError> {
    handle
        .sync_all()
        .map_err(|e| StoreError::medium("sync the directory", path, e))
}

/// The identity of this boot, if the system tells: the page cache does not outlive it.
pub(super) fn boot_id() -> Option<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16)
        .ok()
        .map(u128::to_be_bytes)
}

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
const PAGE: u64 = 4096;
