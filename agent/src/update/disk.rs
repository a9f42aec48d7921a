//! The few things that the updater asks of a disk, and the one way in which it replaces a file.
//!
//! Owns [`replace`]: write under another name, sync, rename, sync. Promises that after a power cut the old
//! or the new content is there, whole. The trait exists so that a test can cut the power between any two of
//! these steps.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// A folder of small files.
pub trait Disk: Debug + Send + Sync {
    /// The content of a file; none if there is no such file.
    ///
    /// # Errors
    /// When the system refuses.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// The files there are.
    ///
    /// # Errors
    /// When the system refuses.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Makes or empties a file and writes it; not durable yet.
    ///
    /// # Errors
    /// When the system refuses.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Writes at the end of a file, and makes it if it is not there; not durable yet.
    ///
    /// # Errors
    /// When the system refuses.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content of a file durable.
    ///
    /// # Errors
    /// When the system refuses.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in place of what has it; not durable yet.
    ///
    /// # Errors
    /// When the system refuses.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; not durable yet.
    ///
    /// # Errors
    /// When the system refuses.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes the names of all files durable.
    ///
    /// # Errors
    /// When the system refuses.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Replaces a file: after a power cut the old or the new one is there, whole.
///
/// # Errors
/// When the system refuses; then the old one is there, or the new one.
pub fn replace(disk: &mut dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let staged = format!("{name}.new");
    disk.write(&staged, bytes)?;
    disk.sync(&staged)?;
    disk.rename(&staged, name)?;
    disk.sync_names()
}

/// A folder of this machine, for the agent's user only.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path; it is made when something is written.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
    }
}

impl Disk for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make()?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.0.join(name))?
            .write_all(bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make()?;
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.0.join(name))?
            .write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.0.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}
