//! The real medium: a directory of a file system. The only file that touches files.
//!
//! Owns directory and files. Promises mode 0700 and 0600, and that what was synced was handed to the device.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::{Medium, MediumFile, Opening};
use crate::store::error::StoreError;

/// A directory of a file system.
#[derive(Debug)]
pub(in crate::store) struct Disk {
    path: PathBuf,
    handle: File,
    writable: bool,
}

impl Disk {
    /// Opens it, or makes it; nobody but the owner may enter.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let made = !path.exists();
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path)
            .map_err(|e| StoreError::medium("create the store directory", path, e))?;
        let mut disk = Self::open_existing(path)?;
        disk.writable = true;
        let metadata = disk
            .handle
            .metadata()
            .map_err(|e| StoreError::medium("look at", path, e))?;
        if metadata.permissions().mode() & OTHERS != 0 {
            disk.handle
                .set_permissions(Permissions::from_mode(DIRECTORY_MODE))
                .map_err(|e| StoreError::medium("close to other users", path, e))?;
        }
        if made && let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            Self::open_existing(parent)?
                .sync()
                .map_err(|e| StoreError::medium("sync the directory", parent, e))?;
        }
        Ok(disk)
    }

    /// Opens one that is there, for reading only.
    pub(in crate::store) fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let handle = File::open(path)
            .map_err(|e| StoreError::medium("open the store directory", path, e))?;
        Ok(Self {
            path: path.to_owned(),
            handle,
            writable: false,
        })
    }
}

impl Medium for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str, opening: Opening) -> io::Result<Box<dyn MediumFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(self.writable).mode(FILE_MODE);
        match opening {
            Opening::Existing => {}
            Opening::Lasting => _ = options.create(true).truncate(false),
            Opening::Empty => _ = options.create(true).truncate(true),
        }
        let file = options.open(self.path.join(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn boot(&self) -> Option<[u8; 16]> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16)
            .ok()
            .map(u128::to_be_bytes)
    }
}

#[derive(Debug)]
struct DiskFile(File);

/// A file that refuses every write.
#[cfg(test)]
pub(in crate::store) fn refusing(path: &Path) -> Box<dyn MediumFile> {
    Box::new(DiskFile(File::open(path).unwrap()))
}

impl MediumFile for DiskFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(length),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A file system that cannot say counts the whole file, which costs speed and nothing else.
    fn written(&self) -> io::Result<u64> {
        match rustix::fs::seek(&self.0, SeekFrom::Hole(0)) {
            Ok(offset) => Ok(offset),
            Err(_) => self.length(),
        }
    }

    fn expect_random_reads(&self) {
        // A file system that ignores it reads more and gives the same bytes.
        _ = rustix::fs::fadvise(&self.0, 0, None, Advice::Random);
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
