//! Serial lines of Linux, and pseudo terminals, which the library beneath opens the same way.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serialport::{Parity, TTYPort};

use super::unopened;
use crate::device::{Fault, FaultKind};
use crate::drivers::Port;
use crate::drivers::line::{ByteSource, Settings};

/// A line by its path, opened with a protocol's settings.
#[derive(Debug)]
pub(crate) struct SerialPort {
    path: PathBuf,
    settings: Settings,
}

impl SerialPort {
    pub(crate) fn new(path: &Path, settings: Settings) -> Self {
        Self {
            path: path.to_owned(),
            settings,
        }
    }
}

impl Port for SerialPort {
    type Bus = SerialLine;

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&mut self) -> Result<SerialLine, Fault> {
        let parity = if self.settings.odd_parity {
            Parity::Odd
        } else {
            Parity::None
        };
        let builder = serialport::new(self.path.to_string_lossy(), self.settings.baud)
            .parity(parity)
            .timeout(DEADLINE);
        let line = TTYPort::open(&builder)
            .map_err(|error| unopened(&self.path, "dialout", &cause(&self.path, error)))?;
        Ok(SerialLine {
            line,
            path: self.path.clone(),
        })
    }
}

/// An open line.
#[derive(Debug)]
pub(crate) struct SerialLine {
    line: TTYPort,
    path: PathBuf,
}

impl ByteSource for SerialLine {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        match self.line.read(buffer) {
            // A terminal that says "end" has been hung up.
            Ok(0) => Err(self.gone(&"the other end is gone")),
            Ok(count) => Ok(count),
            Err(error) if is_quiet(&error) => Ok(0),
            Err(error) => Err(self.gone(&error)),
        }
    }
}

impl SerialLine {
    fn gone(&self, why: &dyn std::fmt::Display) -> Fault {
        let text = format!(
            "{}: {why}, check that the adapter is plugged in",
            self.path.display()
        );
        Fault::new(FaultKind::Bus, text)
    }
}

fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// The library says "no device" for any path that does not open; the system knows why.
fn cause(path: &Path, error: serialport::Error) -> io::Error {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(plain) => plain.into(),
        Ok(_) => error.into(),
    }
}

/// How long one read waits for the first byte.
const DEADLINE: Duration = Duration::from_millis(250);
