//! What the kernel counts of this process and of its block device.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads of this process so far.
pub(crate) fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// Bytes this process has read by calls, from the medium or the page cache, and bytes it made the kernel
/// write to storage (`/proc/self/io`, proc(5): rchar and write_bytes).
pub(crate) fn io() -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/io")?;
    Ok((field(&text, "rchar:")?, field(&text, "write_bytes:")?))
}

/// KiB of memory of its own that this process has in RAM (`/proc/self/status`, RssAnon).
pub(crate) fn memory() -> anyhow::Result<u64> {
    field(&fs::read_to_string("/proc/self/status")?, "RssAnon:")
}

fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    Ok(word.with_context(|| format!("no {name} here"))?.parse()?)
}

/// Bytes written to a block device and flushes of its cache (`/sys/block/*/stat`, kernel's
/// Documentation/block/stat.rst).
pub(crate) fn device(name: &str) -> anyhow::Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/sys/block/{name}/stat"))?;
    let words: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    let words = words?;
    let word = |index: usize| words.get(index).copied().unwrap_or_default();
    Ok((word(6) * 512, word(15)))
}

/// Bytes that a directory takes on the medium.
pub(crate) fn taken(path: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => taken(&entry.path())?,
            false => entry.metadata()?.blocks() * 512,
        };
    }
    Ok(bytes)
}
