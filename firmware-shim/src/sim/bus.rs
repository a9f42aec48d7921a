//! Simulated I2C and SPI buses with one chip on each, behind the embedded-hal traits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::{self, I2c, NoAcknowledgeSource, SevenBitAddress};
use embedded_hal::spi::{self, SpiDevice};

use super::source::Ending;
use super::wires::{Broken, Wires};
use super::{SimClock, World};
use crate::device::{Device, Fault};
use crate::drivers::Port;
use crate::reading::{Reading, StreamSpec};

/// A chip on its wires, which a bus and its owner share, so that it lives on when the bus is reopened.
#[derive(Debug)]
pub(super) struct Shared<C>(Arc<Mutex<Wired<C>>>);

/// A chip and the wires it hangs on.
#[derive(Debug)]
pub(super) struct Wired<C> {
    pub(super) chip: C,
    wires: Wires,
}

/// A chip that can be given power.
pub(super) trait Chip: Send {
    /// Gives it power, if it has none yet.
    ///
    /// # Errors
    /// When its signal cannot be had.
    fn power(&mut self) -> Result<(), Fault>;

    /// What it is after its power was taken away and given again.
    fn reset(&mut self);
}

/// A chip on I2C.
pub(super) trait I2cChip: Chip {
    /// The 7-bit address that it acknowledges.
    fn address(&self) -> u8;
    /// Whether it acknowledges anything now: a chip without a word for "no value" has no power instead.
    fn acknowledges(&mut self) -> bool {
        true
    }
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

impl<C: Chip> Shared<C> {
    pub(super) fn new(chip: C, world: &World) -> Self {
        let wires = Wires::new(world);
        Self(Arc::new(Mutex::new(Wired { chip, wires })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Wired<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Chip> Wired<C> {
    /// What happens before the first byte of a transfer.
    fn begin(&mut self) -> Result<(), Broken> {
        self.wires.begin()?;
        if self.wires.take_unplugged() {
            self.chip.reset();
        }
        Ok(())
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
        self.lock().chip.power()?;
        Ok(self.clone())
    }
}

impl i2c::Error for Broken {
    fn kind(&self) -> i2c::ErrorKind {
        match self {
            Self::NoAcknowledge => i2c::ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address),
            Self::Stuck => i2c::ErrorKind::Bus,
        }
    }
}

impl spi::Error for Broken {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl<C: I2cChip> i2c::ErrorType for Shared<C> {
    type Error = Broken;
}

impl<C: I2cChip> I2c<SevenBitAddress> for Shared<C> {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), Broken> {
        let mut wired = self.lock();
        wired.begin()?;
        let Wired { chip, wires } = &mut *wired;
        if chip.address() != address || !chip.acknowledges() {
            return Err(Broken::NoAcknowledge);
        }
        for operation in operations {
            match operation {
                i2c::Operation::Write(bytes) => chip.write(bytes),
                i2c::Operation::Read(bytes) => {
                    chip.read(bytes);
                    wires.carry(bytes);
                }
            }
        }
        Ok(())
    }
}

impl<C: SpiChip> spi::ErrorType for Shared<C> {
    type Error = Broken;
}

impl<C: SpiChip> SpiDevice for Shared<C> {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Broken> {
        let mut wired = self.lock();
        let present = match wired.begin() {
            Ok(()) => true,
            // Nothing acknowledges on SPI: a line that nobody drives reads as ones.
            Err(Broken::NoAcknowledge) => false,
            Err(stuck @ Broken::Stuck) => return Err(stuck),
        };
        let Wired { chip, wires } = &mut *wired;
        chip.select();
        let mut exchange = |byte| if present { chip.exchange(byte) } else { 0xff };
        for operation in operations {
            match operation {
                spi::Operation::Read(bytes) => {
                    bytes.iter_mut().for_each(|byte| *byte = exchange(0));
                    wires.carry(bytes);
                }
                spi::Operation::Write(bytes) => bytes.iter().for_each(|byte| {
                    exchange(*byte);
                }),
                spi::Operation::Transfer(read, write) => {
                    for place in 0..read.len().max(write.len()) {
                        let byte = exchange(write.get(place).copied().unwrap_or(0));
                        if let Some(slot) = read.get_mut(place) {
                            *slot = byte;
                        }
                    }
                    wires.carry(read);
                }
                spi::Operation::TransferInPlace(bytes) => {
                    bytes.iter_mut().for_each(|byte| *byte = exchange(*byte));
                    wires.carry(bytes);
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
