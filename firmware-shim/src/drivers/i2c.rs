//! One chip on I2C, let go after every fault and taken again by `start`.
//!
//! Owns the bus value while the driver measures. Words are made only when something fails: a poll that goes
//! well takes no memory. [`Asked`] is what the slow chips have in common: set up once, then asked for one value of each
//! stream at every poll.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_hal::i2c::I2c;

use super::numeric::absent;
use super::port::{Port, absence_of, i2c_fault, not_started};
use crate::device::{Fault, FaultKind};
use crate::reading::Reading;

/// A chip that is set up once and then asked for one value of each stream at every poll.
pub(super) trait Asked {
    /// Where it is attached.
    type Port: Port<Bus: I2c>;
    /// How many streams it has.
    const STREAMS: usize;

    /// The chip.
    fn chip(&mut self) -> &mut Chip<Self::Port>;

    /// Identifies the chip and sets it up, as if it was never polled.
    fn configure(&mut self) -> Result<(), Fault>;

    /// Appends what one poll gives, in the order of the streams.
    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault>;
}

/// Opens the bus and sets the chip up; the bus is let go if that fails.
pub(super) fn start(asked: &mut impl Asked) -> Result<(), Fault> {
    asked.chip().open()?;
    asked.configure().inspect_err(|_| {
        asked.chip().release();
    })
}

/// One poll: after a fault the bus is let go, and every stream that was not served has an absence.
pub(super) fn poll<C: Asked>(asked: &mut C, readings: &mut Vec<Reading>) -> Result<(), Fault> {
    let before = readings.len();
    asked.measure(readings).inspect_err(|fault| {
        if asked.chip().release() {
            for stream in readings.len() - before..C::STREAMS {
                readings.push(absent(stream, absence_of(fault.kind), 1, None));
            }
        }
    })
}

/// A chip at its address.
pub(super) struct Chip<P: Port> {
    what: &'static str,
    address: u8,
    port: P,
    bus: Option<P::Bus>,
}

impl<P: Port> fmt::Debug for Chip<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#04x}", self.what, self.address)
    }
}

impl<P: Port> Chip<P>
where
    P::Bus: I2c,
{
    /// A `what` at a 7-bit address.
    pub(super) const fn new(what: &'static str, address: u8, port: P) -> Self {
        Self {
            what,
            address,
            port,
            bus: None,
        }
    }

    /// Opens the bus anew.
    pub(super) fn open(&mut self) -> Result<(), Fault> {
        self.bus = None;
        self.bus = Some(self.port.open()?);
        Ok(())
    }

    /// Whether it holds the bus.
    pub(super) fn is_open(&self) -> Result<(), Fault> {
        match self.bus {
            Some(_) => Ok(()),
            None => Err(not_started(&self.name())),
        }
    }

    /// Lets the bus go. Whether it was held.
    pub(super) fn release(&mut self) -> bool {
        self.bus.take().is_some()
    }

    /// `N` bytes from a register on.
    pub(super) fn read<const N: usize>(&mut self, register: u8) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.read_into(register, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` from a register on.
    pub(super) fn read_into(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), Fault> {
        let Some(bus) = &mut self.bus else {
            return Err(not_started(&self.name()));
        };
        bus.write_read(self.address, &[register], bytes)
            .map_err(|error| {
                i2c_fault(
                    &self.name(),
                    &format!("reading register {register:#04x}"),
                    &error,
                )
            })
    }

    /// Writes a register pointer and what follows it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(bus) = &mut self.bus else {
            return Err(not_started(&self.name()));
        };
        bus.write(self.address, bytes)
            .map_err(|error| i2c_fault(&self.name(), &format!("writing {bytes:02x?}"), &error))
    }

    /// Its 7-bit address.
    pub(super) const fn address(&self) -> u8 {
        self.address
    }

    /// A fault of this chip.
    pub(super) fn fault(&self, kind: FaultKind, why: impl fmt::Display) -> Fault {
        Fault::new(kind, format!("{}: {why}", self.name()))
    }

    /// What and where it is, for people.
    pub(super) fn name(&self) -> String {
        format!(
            "{} at {:#04x} on {}",
            self.what,
            self.address,
            self.port.name()
        )
    }
}
