//! A directory that comes into being whole or not at all.
//!
//! Owns a private directory (mode 0700) beside the target until [`Staging::commit`] gives it the target's
//! name; dropped before, it takes what was written with it. Refuses a target that exists with content.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory in the making.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl Staging {
    /// Begins; parents of the target are made if they are missing.
    ///
    /// # Errors
    /// When the target exists and is not an empty directory, or nothing can be made beside it.
    pub fn begin(target: &Path) -> Result<Self, StagingError> {
        let failed = |error| StagingError::io(target, error);
        match fs::read_dir(target) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(StagingError::Exists(target.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = target
            .file_name()
            .ok_or_else(|| failed(io::Error::other("this path names no directory to make")))?;
        let parent = target.parent().unwrap_or(Path::new(""));
        private_folders()
            .recursive(true)
            .create(parent_or_here(parent))
            .map_err(failed)?;
        let mut staged = name.to_owned();
        staged.push(format!(".partial-{}", std::process::id()));
        let path = parent.join(staged);
        private_folders()
            .create(&path)
            .map_err(|error| StagingError::io(&path, error))?;
        Ok(Self {
            target: target.to_owned(),
            path,
            committed: false,
        })
    }

    /// Where to write meanwhile.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder inside, for its owner only.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn folder(&self, name: &str) -> Result<PathBuf, StagingError> {
        let path = self.path.join(name);
        private_folders()
            .create(&path)
            .map_err(|error| StagingError::io(&path, error))?;
        Ok(path)
    }

    /// Gives the directory its name, durably.
    ///
    /// # Errors
    /// When somebody else made the target meanwhile, or the system refuses.
    pub fn commit(mut self) -> Result<(), StagingError> {
        let failed = |error| StagingError::io(&self.target, error);
        fs::rename(&self.path, &self.target).map_err(failed)?;
        self.committed = true;
        let parent = self.target.parent().unwrap_or(Path::new(""));
        File::open(parent_or_here(parent))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "half-made directory left behind");
        }
    }
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn parent_or_here(parent: &Path) -> &Path {
    if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    }
}

/// Why a directory did not come into being.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// Something is there already.
    #[error("{} exists already and is left as it is: choose another directory, or move it away", .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl StagingError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_appears_whole_and_private_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b");
        let staging = Staging::begin(&target).unwrap();
        fs::write(staging.path().join("x"), "1").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
        let staging = Staging::begin(&target).unwrap();
        fs::write(staging.path().join("x"), "1").unwrap();
        assert!(!target.exists());
        staging.commit().unwrap();
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "1");
        assert_eq!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(matches!(
            Staging::begin(&target),
            Err(StagingError::Exists(_))
        ));
    }
}
