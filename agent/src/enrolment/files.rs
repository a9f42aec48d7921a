//! Files that are replaced whole: after a power cut the old or the new content is there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::EnrolmentError;

/// Makes the gateway's directory, for its owner only.
pub(super) fn make_directory(path: &Path) -> Result<(), EnrolmentError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| failed(path, error))
}

/// Writes a file that everybody may read.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), EnrolmentError> {
    replace(path, bytes, 0o644)
}

/// Writes a file that only its owner may read.
pub(super) fn put_private(path: &Path, bytes: &[u8]) -> Result<(), EnrolmentError> {
    replace(path, bytes, 0o600)
}

/// Gives a file another name, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), EnrolmentError> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(to))
        .map_err(|error| failed(to, error))
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), EnrolmentError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

/// The name of a file with something after it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), EnrolmentError> {
    let partial = beside(path, ".partial");
    let written = || -> io::Result<()> {
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        sync_folder(path)
    };
    written().map_err(|error| failed(path, error))
}

fn sync_folder(of: &Path) -> io::Result<()> {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(path: &Path, error: io::Error) -> EnrolmentError {
    EnrolmentError::Io {
        path: path.to_owned(),
        error,
    }
}
