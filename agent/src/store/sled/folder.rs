//! The sled directories of a store: their names, and how one comes and goes.
//!
//! A header file is durable before its directory is made, and a directory is renamed before it is removed:
//! a power cut leaves nothing half made that could be taken for a segment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::super::directory::Directory;
use super::super::error::StoreError;
use super::super::log::segment::Facts;

/// The sled directory of a segment.
pub(super) fn path(directory: &Directory, id: u64) -> PathBuf {
    directory.path().join(name(id))
}

fn name(id: u64) -> String {
    format!("{PREFIX}{id:016x}")
}

/// The header file of a segment.
pub(super) fn head_name(id: u64) -> String {
    format!("{PREFIX}{id:016x}{HEAD}")
}

/// The numbers of all segments that have a directory or a header, in order.
pub(super) fn ids(directory: &Directory) -> Result<Vec<u64>, StoreError> {
    let names = directory.names()?;
    let ids = names.iter().filter_map(|file| {
        let digits = file.strip_prefix(PREFIX)?;
        let digits = digits.strip_suffix(HEAD).unwrap_or(digits);
        let id = u64::from_str_radix(digits, 16).ok()?;
        (name(id) == *file || head_name(id) == *file).then_some(id)
    });
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The `segment_size` of sled in a segment of this length: 8 MiB unless the budget is small. Below that,
/// sled puts large values into files of their own, which [`super::tree`] syncs.
pub(in super::super) fn sled_segment(facts: &Facts) -> usize {
    let share = (facts.length / SHARES).clamp(LEAST, MOST);
    // sled wants a power of two.
    usize::try_from(1_u64 << share.ilog2()).unwrap_or(usize::MAX)
}

/// Bytes of all files in a directory and below.
pub(super) fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

/// What a directory that is not written any more may come to: sled pads one when it opens it.
pub(super) fn settled_length(size: u64, facts: &Facts) -> u64 {
    let step = u64::try_from(sled_segment(facts)).unwrap_or(u64::MAX);
    size.saturating_add(step).min(facts.length)
}

/// Takes a directory and its header away; not durable before the store's directory is synced.
pub(super) fn remove(directory: &Directory, id: u64) -> Result<(), StoreError> {
    let (from, to) = (path(directory, id), directory.path().join(TRASH));
    if from.exists() {
        clear_trash(directory);
        fs::rename(&from, &to).map_err(|e| StoreError::medium("rename", &from, e))?;
    }
    match directory.remove(&head_name(id)) {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    clear_trash(directory);
    directory.sync()
}

/// Removes what an interrupted removal left.
pub(super) fn clear_trash(directory: &Directory) {
    // Nearly always there is none.
    drop(fs::remove_dir_all(directory.path().join(TRASH)));
}

/// Sets a directory that cannot be read aside, with a copy of its header, for `store salvage`. Only the last
/// one is kept, so that damage cannot fill the disk.
pub(super) fn quarantine(directory: &Directory, id: u64) -> Result<(), StoreError> {
    let from = path(directory, id);
    if !from.exists() {
        return Ok(());
    }
    for old in directory.names()? {
        if old.starts_with(QUARANTINE) {
            let old = directory.path().join(old);
            let removed = fs::remove_dir_all(&old).or_else(|_| fs::remove_file(&old));
            removed.map_err(|e| StoreError::medium("remove", &old, e))?;
        }
    }
    let to = directory.path().join(format!("{QUARANTINE}{id:016x}"));
    let head = directory.path().join(head_name(id));
    if head.exists() {
        let kept = directory
            .path()
            .join(format!("{QUARANTINE}{id:016x}{HEAD}"));
        fs::copy(&head, &kept).map_err(|e| StoreError::medium("copy", &head, e))?;
    }
    fs::rename(&from, &to).map_err(|e| StoreError::medium("rename", &from, e))?;
    directory.sync()
}

/// Makes what lies in a directory durable: its names, not its files.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| StoreError::medium("sync the directory", path, e))
}

const PREFIX: &str = "sled-";
const HEAD: &str = ".head";
const TRASH: &str = "trash";
const QUARANTINE: &str = "quarantine-";
/// sled segments of one directory.
pub(super) const SHARES: u64 = 8;
const LEAST: u64 = 512 << 10;
const MOST: u64 = 8 << 20;
