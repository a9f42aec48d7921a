//! Where the engines write: a file system of their own if that can be had.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A directory that is empty to begin with, and goes with this.
#[derive(Debug)]
pub(crate) struct Place {
    scratch: TempDir,
    /// The loop device below it; none if it shares a device with everything else.
    pub(crate) device: Option<String>,
    folders: Cell<u32>,
}

impl Place {
    /// On a disk, not in the temporary directory, which may be memory.
    pub(crate) fn prepare(backlog_mib: u64) -> anyhow::Result<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(target)?;
        let scratch = tempfile::tempdir_in(target)?;
        let device = match rustix::process::geteuid().is_root() {
            true => own_file_system(scratch.path(), backlog_mib).ok(),
            false => None,
        };
        let folders = Cell::new(0);
        Ok(Self {
            scratch,
            device,
            folders,
        })
    }

    /// A directory that nobody used before.
    pub(crate) fn fresh(&self) -> anyhow::Result<PathBuf> {
        let number = self.folders.get() + 1;
        self.folders.set(number);
        let root = match self.device {
            Some(_) => self.scratch.path().join(MOUNTED),
            None => self.scratch.path().to_owned(),
        };
        let folder = root.join(format!("run-{number}"));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// Writes everything out, so that one run does not pay for the one before it.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let root = match self.device {
            Some(_) => self.scratch.path().join(MOUNTED),
            None => self.scratch.path().to_owned(),
        };
        Ok(rustix::fs::syncfs(File::open(root)?)?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.device.is_some() {
            drop(run(
                "umount",
                &[self.scratch.path().join(MOUNTED).as_path()],
            ));
        }
    }
}

/// ext4 on a loop device over a sparse file; the device's name.
fn own_file_system(scratch: &Path, backlog_mib: u64) -> anyhow::Result<String> {
    let (image, mounted) = (scratch.join("image"), scratch.join(MOUNTED));
    File::create(&image)?.set_len((8 * backlog_mib + 1024) << 20)?;
    fs::create_dir(&mounted)?;
    run(
        "mkfs.ext4",
        &[
            Path::new("-q"),
            Path::new("-Elazy_itable_init=0,lazy_journal_init=0"),
            &image,
        ],
    )?;
    run("mount", &[Path::new("-oloop"), &image, &mounted])?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let shown = mounted.to_string_lossy();
    let line = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some(&shown));
    let device = line.and_then(|line| line.split(' ').next()?.strip_prefix("/dev/"));
    Ok(device.context("the mount is not listed")?.to_owned())
}

fn run(program: &str, arguments: &[&Path]) -> anyhow::Result<()> {
    let said = Command::new(program).args(arguments).output()?;
    ensure!(
        said.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}

const MOUNTED: &str = "ext4";
