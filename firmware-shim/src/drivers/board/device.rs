//! The board behind a serial line: it is only listened to, never commanded.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Board, LONGEST, TEMPERATURE};
use crate::device::{Device, Fault, FaultKind};
use crate::drivers::nonin::ByteSource;
use crate::drivers::numeric;
use crate::drivers::port::{Port, absence_of, not_started};
use crate::reading::{Reading, StreamSpec};

/// A sensor board on a port.
#[derive(Debug)]
pub struct SensorBoard<P: Port> {
    port: P,
    line: Option<P::Bus>,
    board: Board,
    /// Polls in a row without a byte.
    silent: u32,
}

impl<P: Port> SensorBoard<P>
where
    P::Bus: ByteSource,
{
    /// The board on a port.
    pub fn new(port: P) -> Self {
        Self {
            port,
            line: None,
            board: Board::default(),
            silent: 0,
        }
    }

    fn listen(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let mut buffer = [0; 512];
        for _ in 0..MOST_READS {
            let Some(line) = &mut self.line else {
                return Err(not_started(&self.name()));
            };
            let count = line.read(&mut buffer)?;
            self.silent = if count > 0 { 0 } else { self.silent + 1 };
            self.board
                .push(buffer.get(..count).unwrap_or(&[]), readings);
            if count < buffer.len() {
                break;
            }
        }
        if self.silent >= MOST_SILENT {
            let text = format!("{}: the line is silent, check cable and power", self.name());
            return Err(Fault::new(FaultKind::NoResponse, text));
        }
        if self.board.astray() >= MOST_ASTRAY {
            let text = format!(
                "{}: bytes come, but no frames of a sensor board, check its version and rate",
                self.name()
            );
            return Err(Fault::new(FaultKind::Garbled, text));
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("board on {}", self.port.name())
    }
}

impl<P: Port> Device for SensorBoard<P>
where
    P::Bus: ByteSource,
{
    fn streams(&self) -> &[StreamSpec] {
        self.board.streams()
    }

    fn period(&self) -> Duration {
        Duration::from_millis(250)
    }

    /// Opens the line. Whether a board is on it shows within the first seconds of polling.
    fn start(&mut self) -> Result<(), Fault> {
        self.line = None;
        self.board.restart();
        self.silent = 0;
        self.line = Some(self.port.open()?);
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let listened = self.listen(readings);
        if let Err(fault) = &listened
            && self.line.take().is_some()
        {
            let reason = absence_of(fault.kind);
            self.board.broken_off(reason, readings);
            readings.push(numeric::absent(TEMPERATURE, reason, 0, None));
        }
        listened
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.board.flush(readings);
    }
}

/// Five seconds: a board with a thermometer alone may send only one frame in a while.
const MOST_SILENT: u32 = 20;
/// Reads of one poll, so that a line that never pauses gives the thread back.
const MOST_READS: usize = 128;
/// Bytes of eight of the longest frames without one whole frame.
const MOST_ASTRAY: u64 = 8 * LONGEST as u64;
