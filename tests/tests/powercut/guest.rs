//! A small machine in QEMU: one disk whose every write is logged, others to look at, and a line to listen to.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use wardlink_tests::program::run_well;
use wardlink_tests::wait::LONG;

/// A machine that runs. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Guest {
    qemu: Child,
    lines: Receiver<String>,
    console: PathBuf,
}

impl Guest {
    /// Starts it on `disk`, with the log of its writes going to `log`, and `copies` to look at before.
    pub(crate) fn start(
        engine: &str,
        last: bool,
        disk: &Path,
        log: &Path,
        copies: &[PathBuf],
    ) -> Self {
        let console = log.with_extension("console");
        // The log has no room of its own: QEMU lets it grow.
        File::create(log).expect("a log");
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-accel", "tcg", "-cpu", "max", "-m", "256M"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"])
            .arg("-kernel")
            .arg(given("WARDLINK_POWERCUT_KERNEL"))
            .arg("-initrd")
            .arg(given("WARDLINK_POWERCUT_INITRD"))
            .arg("-append")
            .arg(format!(
                "console=ttyS0 panic=-1 quiet engine={engine} place={PROMISES} last={}",
                if last { "yes" } else { "no" }
            ))
            .arg("-blockdev")
            .arg(file("image", disk))
            .arg("-blockdev")
            .arg(file("writes", log))
            .args([
                "-blockdev",
                "driver=blklogwrites,node-name=logged,file=image,log=writes",
            ])
            .args(["-device", "virtio-blk-pci,drive=logged,addr=0x04"]);
        for (number, copy) in copies.iter().enumerate() {
            command
                .arg("-blockdev")
                .arg(file(&format!("copy{number}"), copy))
                .args([
                    "-device".to_owned(),
                    format!("virtio-blk-pci,drive=copy{number},addr={:#x}", 5 + number),
                ]);
        }
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-x86_64 starts");
        let lines = follow(qemu.stdout.take().expect("piped"));
        Self {
            qemu,
            lines,
            console,
        }
    }

    /// The next line it says; none once it has ended.
    pub(crate) fn next(&self) -> Option<String> {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the guest says nothing: {}", self.console()),
        }
    }

    /// What its kernel and its programs complained about.
    pub(crate) fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// Ends it at once, and gives what it had still said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.qemu.kill().expect("a process of ours");
        self.qemu.wait().expect("a process of ours");
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

/// A disk with an empty file system, and room behind it for the promises.
pub(crate) fn make_disk(path: &Path) {
    let disk = File::create(path).expect("a disk");
    disk.set_len(PROMISES + (1 << 20)).expect("room for a disk");
    run_well(
        Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0"])
            .arg(path)
            .arg(format!("{}k", PROMISES >> 10)),
    );
}

fn file(name: &str, path: &Path) -> String {
    // This machine does not fail: that QEMU syncs its files would only take time.
    let path = path.display();
    format!("driver=file,node-name={name},filename={path},cache.no-flush=on")
}

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: use make test-powercut"))
}

fn follow(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        // A line without its end was cut by the kill: it was not said.
        while output.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
            if sender.send(line.trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Where the file system ends and the sector of the promises lies.
pub(crate) const PROMISES: u64 = 24 << 20;
