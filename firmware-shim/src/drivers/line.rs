//! A device on a serial line that is only listened to: a protocol's decoder behind a port.
//!
//! A [`Protocol`] is a state machine without I/O: bytes in, readings out. A [`Listener`] gives it the bytes of
//! a line. Promises that a line which falls silent, and one whose bytes are not understood (another format,
//! another rate), become a fault that says so and an absence in every stream; after such a fault the device
//! counts as started only when a whole frame was heard again.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::time::Duration;

use super::numeric;
use super::port::{Port, absence_of, not_started};
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Absence, Reading, StreamKind, StreamSpec};

/// Where bytes come from.
pub trait ByteSource: Send {
    /// Waits for bytes, no longer than its own deadline, and takes what is there; 0 if nothing came.
    ///
    /// # Errors
    /// When the line fails or is gone.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault>;
}

/// How a line is set: 8 data bits and one stop bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bits per second.
    pub baud: u32,
    /// Whether each byte carries an odd parity bit; else it carries none.
    pub odd_parity: bool,
}

impl fmt::Display for Settings {
    /// As technicians write it: `19200 8O1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = if self.odd_parity { 'O' } else { 'N' };
        write!(f, "{} 8{parity}1", self.baud)
    }
}

/// A protocol's decoder. It does no I/O and gives the same readings however the bytes are cut into pieces.
pub trait Protocol: Send {
    /// Its name for people, in faults: `Nonin data format 2`.
    fn name(&self) -> &'static str;

    /// How the maker's devices set the line.
    fn settings(&self) -> Settings;

    /// What it gives. Fixed for the life of the value.
    fn streams(&self) -> &[StreamSpec];

    /// Takes bytes as they come and appends what they complete.
    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>);

    /// Whole frames understood since the line was opened.
    fn heard(&self) -> u64;

    /// Bytes since the last frame that was understood.
    fn astray(&self) -> u64;

    /// Bytes that may go astray before the line counts as not understood.
    fn most_astray(&self) -> u64;

    /// Whether it is silent between measurements, so that silence says nothing.
    fn speaks_rarely(&self) -> bool {
        false
    }

    /// The line was opened anew: what is held of half a frame is worth nothing. Sample indices go on.
    fn restart(&mut self);

    /// An unknown number of samples is missing here, for this reason.
    fn broken_off(&mut self, _reason: Absence, _readings: &mut Vec<Reading>) {}

    /// Gives out samples held back for a block that is not yet full.
    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

/// A device on a line. It is only listened to, never commanded.
#[derive(Debug)]
pub struct Listener<P: Port, D> {
    port: P,
    line: Option<P::Bus>,
    protocol: D,
    /// Heard while starting, given by the next poll.
    early: Vec<Reading>,
    /// Polls in a row without a byte.
    silent: u32,
    /// The last fault was silence or bytes that were not understood.
    doubted: bool,
}

impl<P: Port, D: Protocol> Listener<P, D>
where
    P::Bus: ByteSource,
{
    /// Listens on a port.
    pub const fn new(port: P, protocol: D) -> Self {
        Self {
            port,
            line: None,
            protocol,
            early: Vec::new(),
            silent: 0,
            doubted: false,
        }
    }

    fn who(&self) -> String {
        format!("{} on {}", self.protocol.name(), self.port.name())
    }

    fn listen(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let mut buffer = [0; 512];
        for _ in 0..MOST_READS {
            let Some(line) = self.line.as_mut() else {
                return Err(not_started(&self.who()));
            };
            let count = line.read(&mut buffer)?;
            self.silent = if count > 0 { 0 } else { self.silent + 1 };
            self.protocol
                .push(buffer.get(..count).unwrap_or(&[]), readings);
            if count < buffer.len() {
                break;
            }
        }
        if self.silent >= MOST_SILENT && !self.protocol.speaks_rarely() {
            return Err(self.silence());
        }
        if self.protocol.astray() >= self.protocol.most_astray() {
            let text = format!(
                "{}: bytes come, but not {}: check the device's output format, and that its line is set to {}",
                self.who(),
                self.protocol.name(),
                self.protocol.settings()
            );
            return Err(Fault::new(FaultKind::Garbled, text));
        }
        Ok(())
    }

    fn silence(&self) -> Fault {
        let text = format!("{}: the line is silent, check cable and power", self.who());
        Fault::new(FaultKind::NoResponse, text)
    }

    /// Waits until the line proves itself, after it was doubted.
    fn hear_out(&mut self) -> Result<(), Fault> {
        let mut early = Vec::new();
        for _ in 0..PROVING_READS {
            self.listen(&mut early)?;
            if self.protocol.heard() > 0 {
                self.early = early;
                return Ok(());
            }
        }
        Err(self.silence())
    }
}

impl<P: Port, D: Protocol> Device for Listener<P, D>
where
    P::Bus: ByteSource,
{
    fn streams(&self) -> &[StreamSpec] {
        self.protocol.streams()
    }

    fn period(&self) -> Duration {
        Duration::from_millis(250)
    }

    /// Opens the line. Whether a device is on it shows within the first seconds of polling, or here if it was
    /// silent before.
    fn start(&mut self) -> Result<(), Fault> {
        self.line = None;
        self.protocol.restart();
        self.silent = 0;
        self.line = Some(self.port.open()?);
        if self.doubted && !self.protocol.speaks_rarely() {
            self.hear_out().inspect_err(|_| self.line = None)?;
        }
        self.doubted = false;
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        readings.append(&mut self.early);
        let listened = self.listen(readings);
        if let Err(fault) = &listened
            && self.line.take().is_some()
        {
            self.doubted = matches!(fault.kind, FaultKind::NoResponse | FaultKind::Garbled);
            let reason = absence_of(fault.kind);
            self.protocol.broken_off(reason, readings);
            let streams = self.protocol.streams().iter().enumerate();
            for (stream, _) in streams.filter(|(_, spec)| spec.kind == StreamKind::Numeric) {
                readings.push(numeric::absent(stream, reason, 1, None));
            }
        }
        listened
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        readings.append(&mut mem::take(&mut self.early));
        self.protocol.flush(readings);
    }
}

/// Three seconds at the deadline of a quarter second that a serial line waits.
const MOST_SILENT: u32 = 12;
/// Reads of one poll, so that a line that never pauses gives the thread back.
const MOST_READS: usize = 128;
/// Two and a half seconds of silence at most: less than a bus may take.
const PROVING_READS: usize = 10;
