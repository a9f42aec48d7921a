//! SPI buses of Linux (`/dev/spidev0.0`).

use std::path::{Path, PathBuf};

use linux_embedded_hal::SpidevDevice;
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};

use super::unopened;
use crate::device::Fault;
use crate::drivers::Port;

/// A bus with its chip select, by path, set up for the ADS1292R: mode 1, 500 kHz.
#[derive(Debug)]
pub(super) struct SpiPort {
    path: PathBuf,
}

impl SpiPort {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

impl Port for SpiPort {
    type Bus = SpidevDevice;

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn open(&mut self) -> Result<SpidevDevice, Fault> {
        let mut bus = SpidevDevice::open(&self.path)
            .map_err(|error| unopened(&self.path, "spi", error.inner()))?;
        let options = SpidevOptions::new()
            .bits_per_word(8)
            .max_speed_hz(SPEED_HZ)
            .mode(SpiModeFlags::SPI_MODE_1)
            .build();
        bus.configure(&options)
            .map_err(|error| unopened(&self.path, "spi", &error))?;
        Ok(bus)
    }
}

/// The chip needs 4 of its 512 kHz clocks to decode a byte of a command; a byte then takes twice that long.
const SPEED_HZ: u32 = 500_000;
