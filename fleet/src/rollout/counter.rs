//! The versions of profiles: strictly rising for each gateway, and never given twice.
//!
//! Owns one small file per gateway in the fleet's `versions/`. A version is on the disk before it is
//! handed out, so that a crash can skip a number but not repeat one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use wardlink_wire::id::GatewayId;

/// Draws the next version for a gateway.
///
/// # Errors
/// When the last one cannot be read, or the next one cannot be written.
pub fn draw(folder: &Path, gateway: &GatewayId) -> Result<u64, CounterError> {
    let path = folder.join(gateway.as_str());
    let failed = |error| CounterError::Io {
        path: path.clone(),
        error,
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    // No gateway's name begins with a dot.
    let lock = File::create(folder.join(".lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let last = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(0),
        Err(error) => return Err(failed(error)),
    };
    let next = last
        .and_then(|last: u64| last.checked_add(1))
        .ok_or_else(|| CounterError::Damaged(path.clone()))?;
    let staged = folder.join(".next");
    File::create(&staged)
        .and_then(|mut file| {
            writeln!(file, "{next}")?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&staged, &path))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed)?;
    Ok(next)
}

/// Why no version was drawn.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// Not a number.
    #[error("{}: not a version; write the highest version that was ever signed for this gateway into it", .0.display())]
    Damaged(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_for_each_gateway_and_a_damaged_counter_does_not_start_again() {
        let folder = tempfile::tempdir().unwrap();
        let versions = folder.path().join("versions");
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let drawn = [&a, &a, &b, &a].map(|gateway| draw(&versions, gateway).unwrap());
        assert_eq!(drawn, [1, 2, 1, 3]);
        fs::write(versions.join("a"), "").unwrap();
        assert!(matches!(draw(&versions, &a), Err(CounterError::Damaged(_))));
    }
}
