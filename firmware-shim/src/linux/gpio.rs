//! Data-ready edges on a GPIO line, counted by the kernel's interrupt times.
//!
//! The kernel keeps sixteen edges and drops what comes after, so edges are counted by the time between
//! them, in conversions: that counts the dropped ones too. The times are those of the interrupt, never of
//! the reading.

mod edges;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linux_embedded_hal::gpio_cdev::{
    Chip, EventRequestFlags, LineEventHandle, LineRequestFlags, errors,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::edges::Edges;
use super::unopened;
use crate::device::{Fault, FaultKind};
use crate::drivers::Port;
use crate::drivers::ads1292r::DataReady;

/// A line of a GPIO chip that falls `rate` times a second.
#[derive(Debug)]
pub(super) struct EdgePort {
    chip: PathBuf,
    line: u32,
    rate: u32,
}

impl EdgePort {
    pub(super) fn new(chip: &Path, line: u32, rate: u32) -> Self {
        Self {
            chip: chip.to_owned(),
            line,
            rate,
        }
    }

    fn request(&self) -> Result<LineEventHandle, errors::Error> {
        let line = Chip::new(&self.chip)?.get_line(self.line)?;
        line.events(
            LineRequestFlags::INPUT,
            EventRequestFlags::FALLING_EDGE,
            "wardlink",
        )
    }
}

impl Port for EdgePort {
    type Bus = EdgeLine;

    fn name(&self) -> String {
        format!("{} line {}", self.chip.display(), self.line)
    }

    fn open(&mut self) -> Result<EdgeLine, Fault> {
        let handle = self
            .request()
            .map_err(|error| unopened(&self.chip, "gpio", &cause(&error)))?;
        let in_round = (self.rate / ROUNDS_A_SECOND).max(1);
        Ok(EdgeLine {
            handle,
            name: self.name(),
            edges: Edges::at_rate(self.rate),
            in_round,
            left: in_round,
        })
    }
}

/// An open line.
#[derive(Debug)]
pub(super) struct EdgeLine {
    handle: LineEventHandle,
    name: String,
    edges: Edges,
    in_round: u32,
    left: u32,
}

impl DataReady for EdgeLine {
    fn begin(&mut self) -> Result<(), Fault> {
        while self.waits(Duration::ZERO)? {
            self.handle
                .get_event()
                .map_err(|error| self.failed(&error))?;
        }
        self.edges.begin();
        self.left = self.in_round;
        Ok(())
    }

    fn next(&mut self) -> Result<u64, Fault> {
        let Some(left) = self.left.checked_sub(1) else {
            self.left = self.in_round;
            return Ok(0);
        };
        self.left = left;
        if !self.waits(SILENCE)? {
            let text = format!(
                "{}: no edge for {} ms, check the data-ready wire and the chip's power",
                self.name,
                SILENCE.as_millis()
            );
            return Err(Fault::new(FaultKind::NoResponse, text));
        }
        self.drain()
    }

    fn meanwhile(&mut self) -> Result<u64, Fault> {
        self.drain()
    }
}

impl EdgeLine {
    fn drain(&mut self) -> Result<u64, Fault> {
        let mut conversions: u64 = 0;
        let mut taken = 0;
        // A full queue may have dropped edges; the time of one more edge tells how many.
        while self.waits(if taken == QUEUE {
            SILENCE
        } else {
            Duration::ZERO
        })? {
            let event = self
                .handle
                .get_event()
                .map_err(|error| self.failed(&error))?;
            conversions = conversions.saturating_add(self.edges.count(event.timestamp()));
            taken += 1;
            if taken > QUEUE {
                break;
            }
        }
        Ok(conversions)
    }

    /// Whether an edge is there, at the latest after `longest`.
    fn waits(&self, longest: Duration) -> Result<bool, Fault> {
        let mut lines = [PollFd::from_borrowed_fd(
            self.handle.as_fd(),
            PollFlags::IN | PollFlags::PRI,
        )];
        let timeout = Timespec::try_from(longest).unwrap_or_default();
        match poll(&mut lines, Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Fault {
        Fault::new(FaultKind::Bus, format!("{}: {why}", self.name))
    }
}

fn cause(error: &errors::Error) -> std::io::Error {
    use std::error::Error as _;
    let kind = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    kind.map_or_else(|| std::io::Error::other(error.to_string()), Into::into)
}

/// Edges that the kernel keeps.
const QUEUE: usize = 16;
/// Longest wait for an edge: 31 conversions at the slowest rate.
const SILENCE: Duration = Duration::from_millis(250);
const ROUNDS_A_SECOND: u32 = 25;
