//! The trait every device keeps, whether chip, serial line or simulation.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::reading::{Reading, StreamSpec};

/// One attached device.
///
/// A caller asks for [`streams`](Self::streams), calls [`start`](Self::start) until it succeeds, then
/// [`poll`](Self::poll) every [`period`](Self::period). After a fault it calls `start` again before the
/// next `poll`. A call never blocks longer than the bus's own deadline.
pub trait Device: Send {
    /// What it measures. Fixed for the life of the value; readings name streams by their index here.
    fn streams(&self) -> &[StreamSpec];

    /// How often it wants to be polled so that nothing overflows.
    fn period(&self) -> Duration;

    /// Identifies the device, sets it up and starts measuring.
    ///
    /// # Errors
    /// When the device does not answer, is another one, or refuses.
    fn start(&mut self) -> Result<(), Fault>;

    /// Takes what is ready and appends it to `readings`. What was appended before a fault is valid.
    ///
    /// # Errors
    /// When the device or its bus fails; whatever can be said of the values lost thereby is appended as an
    /// absence first.
    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault>;

    /// Gives out samples held back for a block that is not yet full. Called before the device is dropped.
    fn flush(&mut self, readings: &mut Vec<Reading>);
}

/// Why a device gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure it is.
    pub kind: FaultKind,
    /// For the person who must act: what was tried and what came back.
    pub detail: String,
}

/// The kinds of failure a caller tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The bus or line cannot be opened: no such file, no permission, in use.
    Unopened,
    /// Nothing answers at the address, or the line is silent.
    NoResponse,
    /// The bus gave an error in the middle.
    Bus,
    /// Something answers, but it is not this device.
    OtherDevice,
    /// What came cannot be understood.
    Garbled,
    /// A source of samples has come to its end; there will be no more.
    Ended,
}

impl Fault {
    /// A fault of a kind, in words.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FaultKind::Unopened => "cannot be opened",
            FaultKind::NoResponse => "no response",
            FaultKind::Bus => "bus error",
            FaultKind::OtherDevice => "another device answers",
            FaultKind::Garbled => "not understood",
            FaultKind::Ended => "ended",
        };
        write!(f, "{kind}: {}", self.detail)
    }
}

impl core::error::Error for Fault {}
