//! Simulated I2C and SPI buses with one chip on each, behind the embedded-hal traits.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::{self, I2c, NoAcknowledgeSource, SevenBitAddress};
use embedded_hal::spi::{self, SpiDevice};

use super::SimClock;
use super::source::Ending;
use crate::device::{Device, Fault};
use crate::drivers::Port;
use crate::reading::{Reading, StreamSpec};

/// A chip that a bus and its owner share, so that it lives on when the bus is reopened.
#[derive(Debug)]
pub(super) struct Shared<C>(Arc<Mutex<C>>);

/// A chip that can be given power.
pub(super) trait Chip: Send {
    /// Gives it power, if it has none yet.
    ///
    /// # Errors
    /// When its signal cannot be had.
    fn power(&mut self) -> Result<(), Fault>;
}

/// A chip on I2C.
pub(super) trait I2cChip: Chip {
    /// The 7-bit address that it acknowledges.
    fn address(&self) -> u8;
    /// What a controller writes between start and stop: the register pointer, then data.
    fn write(&mut self, bytes: &[u8]);
    /// What a controller reads, from the register pointer on.
    fn read(&mut self, bytes: &mut [u8]);
}

/// A chip on SPI.
pub(super) trait SpiChip: Chip {
    /// Chip select falls.
    fn select(&mut self);
    /// One byte each way.
    fn exchange(&mut self, byte: u8) -> u8;
}

impl<C> Shared<C> {
    pub(super) fn new(chip: C) -> Self {
        Self(Arc::new(Mutex::new(chip)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Chip> Port for Shared<C> {
    type Bus = Self;

    fn name(&self) -> String {
        "sim".to_owned()
    }

    fn open(&mut self) -> Result<Self, Fault> {
        self.lock().power()?;
        Ok(self.clone())
    }
}

/// What a simulated I2C bus can fail with: nobody at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAcknowledge;

impl i2c::Error for NoAcknowledge {
    fn kind(&self) -> i2c::ErrorKind {
        i2c::ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

impl<C: I2cChip> i2c::ErrorType for Shared<C> {
    type Error = NoAcknowledge;
}

impl<C: I2cChip> I2c<SevenBitAddress> for Shared<C> {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), NoAcknowledge> {
        let mut chip = self.lock();
        if chip.address() != address {
            return Err(NoAcknowledge);
        }
        for operation in operations {
            match operation {
                i2c::Operation::Write(bytes) => chip.write(bytes),
                i2c::Operation::Read(bytes) => chip.read(bytes),
            }
        }
        Ok(())
    }
}

impl<C: SpiChip> spi::ErrorType for Shared<C> {
    type Error = Infallible;
}

impl<C: SpiChip> SpiDevice for Shared<C> {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Infallible> {
        let mut chip = self.lock();
        chip.select();
        for operation in operations {
            match operation {
                spi::Operation::Read(bytes) => {
                    bytes.iter_mut().for_each(|byte| *byte = chip.exchange(0));
                }
                spi::Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    chip.exchange(*byte);
                }),
                spi::Operation::Transfer(read, write) => {
                    for place in 0..read.len().max(write.len()) {
                        let byte = chip.exchange(write.get(place).copied().unwrap_or(0));
                        if let Some(slot) = read.get_mut(place) {
                            *slot = byte;
                        }
                    }
                }
                spi::Operation::TransferInPlace(bytes) => {
                    bytes
                        .iter_mut()
                        .for_each(|byte| *byte = chip.exchange(*byte));
                }
                // The chip is as fast as the time it is given.
                spi::Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}

/// A driver on a simulated bus, which ends when its recording does.
#[derive(Debug)]
pub(super) struct Simulated<D> {
    device: D,
    clock: SimClock,
    ending: Ending,
}

impl<D: Device> Simulated<D> {
    pub(super) fn new(device: D, clock: SimClock, ending: Ending) -> Self {
        Self {
            device,
            clock,
            ending,
        }
    }
}

impl<D: Device> Device for Simulated<D> {
    fn streams(&self) -> &[StreamSpec] {
        self.device.streams()
    }

    fn period(&self) -> Duration {
        self.device.period()
    }

    fn start(&mut self) -> Result<(), Fault> {
        match self.ending.fault(self.clock.now()) {
            Some(fault) => Err(fault),
            None => self.device.start(),
        }
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        // Asked before the poll, so that the poll still takes what came before the end.
        let ended = self.ending.fault(self.clock.now());
        self.device.poll(readings)?;
        ended.map_or(Ok(()), |fault| {
            self.device.flush(readings);
            Err(fault)
        })
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.device.flush(readings);
    }
}
