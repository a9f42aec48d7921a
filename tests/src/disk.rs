//! What a test does to a disk: making a small one, filling it, and damaging what lies on it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{run, run_well};

/// A file system of its own, in memory, of a few MiB. It is taken away when it is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one; `None`, with the reason on stderr, where this user may not.
    #[must_use]
    pub fn mount(place: &Path, mebibytes: u32) -> Option<Self> {
        fs::create_dir_all(place).expect("a place for the disk");
        let size = format!("size={mebibytes}m");
        let said = run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(place));
        if said.code == Some(0) {
            return Some(Self(place.to_owned()));
        }
        eprintln!("no disk can be mounted here: {}", said.stderr.trim());
        None
    }

    /// Fills it to the last byte, but for so many KiB.
    pub fn fill_but(&self, kibibytes: u64) {
        let mut ballast = fs::File::create(self.ballast()).expect("the ballast");
        while ballast.write_all(&[0xb7; 1024]).is_ok() {}
        let length = ballast.metadata().expect("the ballast").len();
        ballast
            .set_len(length.saturating_sub(kibibytes << 10))
            .expect("shorter ballast");
    }

    /// Lets nobody write it any more, root included.
    pub fn freeze(&self) {
        run_well(
            Command::new("mount")
                .args(["-o", "remount,ro"])
                .arg(&self.0),
        );
    }

    /// Takes away what filled it.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, should a program that failed still have something open on it.
        run_well(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

/// Every file in a directory and below.
#[must_use]
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The file in a directory that holds most data, and how many bytes of it are in use.
#[must_use]
pub fn fullest_file(directory: &Path) -> (PathBuf, u64) {
    let in_use = |path: &PathBuf| {
        let bytes = fs::read(path).expect("a file of the store");
        let last = bytes.iter().rposition(|byte| *byte != 0);
        last.map_or(0, |last| last as u64 + 1)
    };
    let files = files_below(directory)
        .into_iter()
        .map(|path| (in_use(&path), path));
    let (used, path) = files.max().expect("a store has files");
    (path, used)
}

/// The first place from `at` on that is no padding between two entries: sealed bytes are hardly ever 0.
#[must_use]
pub fn inside_an_entry(path: &Path, at: u64) -> u64 {
    let bytes = fs::read(path).expect("a file of the store");
    let from = usize::try_from(at).expect("a place in memory");
    let sealed = bytes[from..]
        .windows(17)
        .position(|window| !window.contains(&0));
    at + 8 + sealed.expect("sealed bytes behind this place") as u64
}

/// Turns every bit of some bytes of a file.
pub fn flip(path: &Path, at: u64, count: usize) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("a file of the store");
    let mut bytes = vec![0; count];
    file.read_exact_at(&mut bytes, at).expect("bytes in use");
    for byte in &mut bytes {
        *byte = !*byte;
    }
    file.write_all_at(&bytes, at).expect("the damage is done");
}

/// Whether any file below a directory holds these bytes.
#[must_use]
pub fn holds(directory: &Path, bytes: &[u8]) -> Option<PathBuf> {
    let held = |path: &PathBuf| contains(&fs::read(path).expect("a file"), bytes);
    files_below(directory).into_iter().find(held)
}

/// Whether some bytes are among others.
#[must_use]
pub fn contains(all: &[u8], bytes: &[u8]) -> bool {
    all.windows(bytes.len()).any(|window| window == bytes)
}
