//! The devices of a Linux machine: drivers on its I2C, SPI, GPIO and serial lines.
//!
//! A constructor touches no hardware and never fails; the bus is opened by `start`, and again by `start`
//! after a fault. What cannot be opened is a fault that names the path and says what to do.

mod bluetooth;
#[cfg(feature = "bluez")]
mod bluez;
mod gpio;
mod i2c;
mod mllp;
mod serial;
mod shared;
mod spi;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::device::{Device, Fault, FaultKind};
use crate::drivers::ads1115::Ads1115;
use crate::drivers::ads1292r::Ads1292r;
use crate::drivers::ble::Characteristic;
use crate::drivers::board::Board;
use crate::drivers::cms50d::Cms50d;
use crate::drivers::ivy450c::Ivy450c;
use crate::drivers::line::{Listener, Protocol};
use crate::drivers::masimo::Masimo;
use crate::drivers::max30102::Max30102;
use crate::drivers::max30205::Max30205;
use crate::drivers::mlx90614::Mlx90614;
use crate::drivers::nonin::{Format8, Format13, Layout, Packets};
use crate::drivers::tmp10x::{Part, Tmp10x};
use crate::drivers::tmp117::Tmp117;

pub(crate) use mllp::Mllp;
pub(crate) use serial::SerialPort;

/// A TMP117 at a 7-bit address of an I2C bus (`/dev/i2c-1`), read every `period`.
#[must_use]
pub fn tmp117(bus: &Path, address: u8, period: Duration) -> Box<dyn Device> {
    Box::new(Tmp117::new(i2c::I2cPort::new(bus), address, period))
}

/// A TMP102 or TMP105 at a 7-bit address of an I2C bus, read every `period`.
#[must_use]
pub fn tmp10x(bus: &Path, part: Part, address: u8, period: Duration) -> Box<dyn Device> {
    let port = i2c::I2cPort::new(bus);
    Box::new(Tmp10x::new(part, port, address, period))
}

/// A MAX30205 at a 7-bit address of an I2C bus, read every `period`.
#[must_use]
pub fn max30205(bus: &Path, address: u8, period: Duration) -> Box<dyn Device> {
    Box::new(Max30205::new(i2c::I2cPort::new(bus), address, period))
}

/// A MLX90614 at a 7-bit address of an I2C bus, read every `period`.
#[must_use]
pub fn mlx90614(bus: &Path, address: u8, period: Duration) -> Box<dyn Device> {
    Box::new(Mlx90614::new(i2c::I2cPort::new(bus), address, period))
}

/// An ADS1115 at a 7-bit address of an I2C bus, its input 0 to 3 read every `period`.
#[must_use]
pub fn ads1115(bus: &Path, address: u8, input: u8, period: Duration) -> Box<dyn Device> {
    let port = i2c::I2cPort::new(bus);
    Box::new(Ads1115::new(port, address, input, period))
}

/// A MAX30102 on an I2C bus, at `rate` samples per second.
#[must_use]
pub fn max30102(bus: &Path, rate: u32) -> Box<dyn Device> {
    Box::new(Max30102::new(i2c::I2cPort::new(bus), rate))
}

/// An ADS1292R on an SPI bus (`/dev/spidev0.0`) with its data-ready output on a line of a GPIO chip
/// (`/dev/gpiochip0`, 25), at `rate` samples per second.
#[must_use]
pub fn ads1292r(bus: &Path, ready: (&Path, u32), rate: u32) -> Box<dyn Device> {
    let (chip, line) = ready;
    let ready = gpio::EdgePort::new(chip, line, rate);
    Box::new(Ads1292r::new(spi::SpiPort::new(bus), ready, rate))
}

/// A Nonin oximeter on a serial line (`/dev/ttyUSB0`) that sends data format 2, 7, 8 or 13; 2 for any other
/// number.
#[must_use]
pub fn nonin(path: &Path, format: u8) -> Box<dyn Device> {
    match format {
        7 => on_line(path, Packets::new(Layout::Format7)),
        8 => on_line(path, Format8::default()),
        13 => on_line(path, Format13::default()),
        _ => on_line(path, Packets::new(Layout::Format2)),
    }
}

/// A Contec CMS50D+ oximeter on a serial line.
#[must_use]
pub fn cms50d(path: &Path) -> Box<dyn Device> {
    on_line(path, Cms50d::default())
}

/// A Masimo oximeter on a serial line, set to ASCII 1.
#[must_use]
pub fn masimo(path: &Path) -> Box<dyn Device> {
    on_line(path, Masimo::default())
}

/// An Ivy 450C monitor on a serial line.
#[must_use]
pub fn ivy450c(path: &Path) -> Box<dyn Device> {
    on_line(path, Ivy450c::default())
}

/// What monitors send to an address as HL7 v2 over MLLP; of one sender only, the first if it is not said.
#[must_use]
pub fn hl7(address: SocketAddr, sender: Option<&str>) -> Box<dyn Device> {
    Box::new(Mllp::new(address, sender))
}

/// One characteristic of a health device on Bluetooth, by the device's address (`AA:BB:CC:DD:EE:FF`). Received by
/// BlueZ; a program that was built without the feature `bluez` says so at every start.
#[must_use]
pub fn bluetooth(address: &str, characteristic: Characteristic) -> Box<dyn Device> {
    bluetooth::device(address, characteristic)
}

/// The addresses of an I2C bus that answer when one byte is read from them; nothing is written. A chip whose
/// registers change by being read (a FIFO) may lose a value: ask only where nothing measures.
///
/// # Errors
/// When the bus cannot be opened, or fails in the middle.
pub fn scan_i2c(path: &Path) -> Result<Vec<u8>, Fault> {
    i2c::scan(path)
}

fn on_line(path: &Path, protocol: impl Protocol + 'static) -> Box<dyn Device> {
    let port = SerialPort::new(path, protocol.settings());
    Box::new(Listener::new(port, protocol))
}

/// A sensor board on a serial line: 115200 baud, 8 bits, no parity (docs/sensor-board.md).
#[must_use]
pub fn board(path: &Path) -> Box<dyn Device> {
    on_line(path, Board::default())
}

/// What is wrong with a path that does not open, and what to do. `group` usually owns such devices.
fn unopened(path: &Path, group: &str, error: &io::Error) -> Fault {
    let why = if error.kind() == io::ErrorKind::NotFound {
        "no such file, check the path and that the bus is enabled".to_owned()
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        format!("permission denied: add the user to group {group}")
    } else if error.kind() == io::ErrorKind::ResourceBusy {
        "in use by another program or driver".to_owned()
    } else {
        error.to_string()
    };
    Fault::new(FaultKind::Unopened, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_named_in_the_fault() {
        let nowhere = Path::new("/dev/not-there");
        for mut device in [
            tmp117(nowhere, 0x48, Duration::from_secs(1)),
            tmp10x(nowhere, Part::Tmp102, 0x48, Duration::from_secs(1)),
            max30205(nowhere, 0x48, Duration::from_secs(1)),
            mlx90614(nowhere, 0x5a, Duration::from_secs(1)),
            ads1115(nowhere, 0x48, 0, Duration::from_secs(1)),
            max30102(nowhere, 100),
            ads1292r(nowhere, (nowhere, 25), 250),
            board(nowhere),
            nonin(nowhere, 2),
            cms50d(nowhere),
        ] {
            let fault = device.start().unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unopened);
            assert!(
                fault.detail.contains("/dev/not-there: no such file"),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_bus_is_refused_by_name() {
        let null = Path::new("/dev/null");
        for mut device in [
            tmp117(null, 0x48, Duration::from_secs(1)),
            ads1292r(null, (null, 25), 250),
            nonin(null, 2),
        ] {
            let fault = device.start().unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unopened);
            assert!(fault.detail.contains("/dev/null: "), "{fault}");
        }
    }
}
