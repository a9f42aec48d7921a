//! One running process: started, watched by what it writes, and ended by its id.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A process of ours. Dropping it kills it; when a test fails, the end of its log is printed.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    stdout: PathBuf,
    /// How long the log was when this process began.
    log_before: usize,
    status: Option<ExitStatus>,
}

impl Program {
    /// Starts a command; what it writes goes to `<name>.log` and `<name>.out` in `folder`, after what an
    /// earlier process of that name wrote.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let (log, stdout) = (
            folder.join(format!("{name}.log")),
            folder.join(format!("{name}.out")),
        );
        let log_before = fs::read(&log).map_or(0, |text| text.len());
        let child = command
            .stdin(Stdio::null())
            .stderr(appended(&log))
            .stdout(appended(&stdout))
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        Self {
            name: name.to_owned(),
            child,
            log,
            stdout,
            log_before,
            status: None,
        }
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it wrote to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(text.get(self.log_before..).unwrap_or_default()).into_owned()
    }

    /// Everything that it and its predecessors wrote to stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("it is a child of ours");
        }
        self.status
    }

    /// Panics if it has ended.
    #[track_caller]
    pub fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended early: {status}", self.name);
        }
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait::until(format!("{} ends", self.name), || self.ended())
    }

    /// Asks it to end (SIGTERM) and waits until it did.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.status = Some(self.child.wait().expect("it is a child of ours"));
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
        if thread::panicking() {
            for path in [&self.log, &self.stdout] {
                let text = read(path);
                let lines: Vec<_> = text.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or(&[]);
                if !tail.is_empty() {
                    eprintln!("--- the end of {}\n{}", path.display(), tail.join("\n"));
                }
            }
        }
    }
}

/// What a command that was run to its end said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that has to succeed.
#[track_caller]
pub fn run_well(command: &mut Command) -> Said {
    let said = run(command);
    assert_eq!(
        said.code,
        Some(0),
        "{command:?}: {}{}",
        said.stdout,
        said.stderr
    );
    said
}

/// One of our own programs, ready for arguments.
///
/// It is looked for in `$WARDLINK_BIN_DIR`, else beside the folder of the test's own executable.
#[must_use]
pub fn ours(name: &str) -> Command {
    let folder = std::env::var_os("WARDLINK_BIN_DIR").map_or_else(beside_this_test, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing, build them first: cargo build --workspace --bins",
        path.display()
    );
    Command::new(path)
}

/// `target/<profile>`, for a test in `target/<profile>/deps`.
fn beside_this_test() -> PathBuf {
    let this = std::env::current_exe().expect("a process knows its program");
    let folder = this.parent().and_then(Path::parent);
    folder
        .expect("a test lies in target/<profile>/deps")
        .to_owned()
}

fn appended(path: &Path) -> File {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

const TAIL: usize = 60;
