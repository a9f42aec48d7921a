//! Where records and bundles are kept: rights, room, key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::config::Settings;

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    vec![
        folder("store", &settings.store.path),
        room(&settings.store.path, settings.store.budget),
        folder("bundles", &settings.profile.state),
    ]
}

/// Whether it can be written, or made where it is not there yet.
fn folder(what: &str, path: &Path) -> Finding {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Finding::wrong(
            what,
            format!("{shown} is no directory"),
            "name a directory, or move the file away",
        ),
        Ok(metadata) => match access(path, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) if metadata.permissions().mode() & 0o077 != 0 => Finding::doubtful(
                what,
                format!("{shown} is open to other users"),
                format!("the agent closes it when it starts; chmod 700 {shown} does it now"),
            ),
            Ok(()) => Finding::well(what, format!("{shown} can be written")),
            Err(error) => Finding::wrong(
                what,
                format!("{shown} cannot be written: {error}"),
                format!("give it to the user of the agent: chown wardlink: {shown}"),
            ),
        },
        Err(_) => match existing(path) {
            Some(parent) if access(parent, Access::WRITE_OK | Access::EXEC_OK).is_ok() => {
                Finding::well(what, format!("{shown} is not there yet and can be made"))
            }
            Some(parent) => Finding::wrong(
                what,
                format!("{shown} is not there and cannot be made"),
                format!("let the user of the agent write {}", parent.display()),
            ),
            None => Finding::wrong(what, format!("{shown} is not there"), "make it"),
        },
    }
}

/// Whether the medium has room for the budget.
fn room(path: &Path, budget: u64) -> Finding {
    let what = "room";
    let Some(found) = existing(path) else {
        return Finding::wrong(
            what,
            "no directory to look at",
            "make the store's directory",
        );
    };
    let medium = match statvfs(found) {
        Ok(medium) => medium,
        Err(error) => {
            return Finding::wrong(
                what,
                format!("{} cannot be asked: {error}", found.display()),
                "look at the medium: is it mounted?",
            );
        }
    };
    let free = medium.f_bavail.saturating_mul(medium.f_frsize);
    let held = held(path);
    let seen = format!(
        "{} MiB free, {} MiB held by the store, budget {} MiB",
        free >> 20,
        held >> 20,
        budget >> 20
    );
    if free.saturating_add(held) < budget {
        let advice = "lower store.budget_mib, or make room: a full disk stops recording before the \
                      oldest records are given up";
        Finding::wrong(what, seen, advice)
    } else {
        Finding::well(what, seen)
    }
}

/// The nearest folder that is there, from the path itself upwards.
pub(super) fn existing(path: &Path) -> Option<&Path> {
    path.ancestors()
        .map(|folder| match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        })
        .find(|folder| folder.is_dir())
}

/// Bytes that the files of a folder take.
fn held(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|metadata| metadata.blocks().saturating_mul(512))
        .sum()
}
