//! A pseudo terminal, and the thread that writes to it what is due.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::device::{Fault, FaultKind};

/// What sends by itself.
pub(super) trait Talker: Send + 'static {
    /// The next bytes, if some are due; else nothing.
    fn due(&mut self) -> Vec<u8>;
}

/// A terminal with a device on its other end, until it is dropped.
#[derive(Debug)]
pub(super) struct Line {
    path: PathBuf,
    /// Dropping it tells the thread to stop.
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Line {
    /// Makes a terminal and begins to write.
    pub(super) fn begin(talker: impl Talker) -> Result<Self, Fault> {
        let failed = |error: io::Error| {
            let text = format!("/dev/ptmx: no pseudo terminal to be had: {error}");
            Fault::new(FaultKind::Unopened, text)
        };
        let (terminal, path) = Terminal::open().map_err(failed)?;
        let (stop, stopped) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("sim-serial".to_owned())
            .spawn(move || write(terminal, talker, &stopped))
            .map_err(failed)?;
        Ok(Self {
            path,
            stop: Some(stop),
            writer: Some(writer),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been reported by its own thread already.
            drop(writer.join());
        }
    }
}

/// Both ends; the host's end stays open here so that the terminal keeps its settings between its openings.
struct Terminal {
    ours: File,
    _theirs: OwnedFd,
}

impl Terminal {
    fn open() -> io::Result<(Self, PathBuf)> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?
            .into_string()
            .map_err(io::Error::other)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(path.as_str(), flags, Mode::empty())?;
        // Without this the terminal would edit lines and answer with an echo until the host opens it.
        let mut settings = tcgetattr(&theirs)?;
        settings.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        let terminal = Self {
            ours: File::from(ours),
            _theirs: theirs,
        };
        Ok((terminal, PathBuf::from(path)))
    }
}

/// Writes what is due, looks again a little later, and ends when the device is dropped.
fn write(mut terminal: Terminal, mut talker: impl Talker, stopped: &Receiver<()>) {
    let mut unsent: Vec<u8> = Vec::new();
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        loop {
            if unsent.is_empty() {
                unsent = talker.due();
            }
            match terminal.ours.write(&unsent) {
                // Nothing is due, or the host has not made room yet.
                Ok(0) => break,
                Ok(count) => drop(unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }
}

/// How long the writer waits before it looks at the clock again; a frame lasts 13 ms.
const TICK: Duration = Duration::from_millis(10);
