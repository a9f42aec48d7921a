//! I2C buses of Linux (`/dev/i2c-1`), through the kernel's i2c-dev interface.
//!
//! The kernel's adapter gives up on a stuck bus by itself (one second by default): that is the deadline. Devices on one
//! path share one open bus.

use std::io;
use std::path::{Path, PathBuf};

use embedded_hal::i2c::{
    Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress,
};
use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
use linux_embedded_hal::{I2CError, I2cdev};

use super::shared::{Buses, Share};
use super::unopened;
use crate::device::{Fault, FaultKind};
use crate::drivers::Port;

/// A bus by its path.
#[derive(Debug)]
pub(super) struct I2cPort {
    path: PathBuf,
}

impl I2cPort {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

impl Port for I2cPort {
    type Bus = Share<I2cBus>;

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&mut self) -> Result<Share<I2cBus>, Fault> {
        BUSES.share(&self.path, || open(&self.path))
    }
}

/// The buses that devices of this program hold.
static BUSES: Buses<I2cBus> = Buses::new();

fn open(path: &Path) -> Result<I2cBus, Fault> {
    let bus = I2cdev::new(path).map_err(|error| {
        let error = match error {
            LinuxI2CError::Io(error) => error,
            LinuxI2CError::Errno(number) => io::Error::from_raw_os_error(number),
        };
        unopened(path, "i2c", &error)
    })?;
    Ok(I2cBus(bus))
}

/// The addresses that acknowledge the read of one byte. Nothing is written.
pub(super) fn scan(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bus = I2cPort::new(path).open()?;
    let mut found = Vec::new();
    for address in FIRST..=LAST {
        match bus.read(address, &mut [0]) {
            Ok(()) => found.push(address),
            Err(error) if matches!(error.kind(), ErrorKind::NoAcknowledge(_)) => {}
            Err(error) => {
                let text = format!("{}: at {address:#04x}: {error:?}", path.display());
                return Err(Fault::new(FaultKind::Bus, text));
            }
        }
    }
    Ok(found)
}

/// The addresses that I2C does not keep for itself.
const FIRST: u8 = 0x08;
const LAST: u8 = 0x77;

/// An open bus.
pub(super) struct I2cBus(I2cdev);

impl ErrorType for I2cBus {
    type Error = BusError;
}

impl I2c<SevenBitAddress> for I2cBus {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), BusError> {
        I2c::<SevenBitAddress>::transaction(&mut self.0, address, operations).map_err(BusError)
    }
}

/// What the kernel said.
#[derive(Debug)]
pub(super) struct BusError(I2CError);

impl Error for BusError {
    /// As the crate beneath says, except that many adapters (the Raspberry Pi's among them) report a missing
    /// acknowledge as EREMOTEIO, which it does not know (kernel documentation, i2c/fault-codes).
    fn kind(&self) -> ErrorKind {
        let number = match self.0.inner() {
            LinuxI2CError::Errno(number) => Some(*number),
            LinuxI2CError::Io(error) => error.raw_os_error(),
        };
        if number == Some(rustix::io::Errno::REMOTEIO.raw_os_error()) {
            return ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown);
        }
        self.0.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_acknowledge_is_known_in_both_of_its_codes() {
        for (number, expected) in [
            (
                rustix::io::Errno::REMOTEIO,
                ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            ),
            (
                rustix::io::Errno::NXIO,
                ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address),
            ),
            (rustix::io::Errno::BUSY, ErrorKind::Bus),
        ] {
            let error = LinuxI2CError::Errno(number.raw_os_error());
            assert_eq!(BusError(I2CError::from(error)).kind(), expected);
        }
    }
}
