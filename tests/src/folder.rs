//! The folder of one test: short enough for the path of a Unix socket, kept when the test fails.

use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

/// A folder that goes away when the test held.
#[derive(Debug)]
pub struct Folder(Option<TempDir>);

impl Folder {
    /// A new, empty one.
    #[must_use]
    pub fn new() -> Self {
        let usual = std::env::temp_dir();
        let place = if usual.as_os_str().len() > LONGEST {
            PathBuf::from("/tmp")
        } else {
            usual
        };
        let made = tempfile::Builder::new().prefix("wl-").tempdir_in(&place);
        Self(Some(made.unwrap_or_else(|error| {
            panic!("{}: no folder for this test: {error}", place.display())
        })))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.as_ref().expect("held until it is dropped").path()
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take().filter(|_| thread::panicking()) {
            eprintln!("kept: {}", folder.keep().display());
        }
    }
}

/// A Unix socket's path has at most 107 bytes (unix(7)); the longest one here is 40 below the folder.
const LONGEST: usize = 50;
