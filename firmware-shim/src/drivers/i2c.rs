//! One chip on I2C, let go after every fault and taken again by `start`.
//!
//! Owns the bus value while the driver measures. Words are made only when something fails: a poll that goes
//! well takes no memory.

use alloc::format;
use alloc::string::String;
use core::fmt;

use embedded_hal::i2c::I2c;

use super::port::{Port, i2c_fault, not_started};
use crate::device::{Fault, FaultKind};

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
