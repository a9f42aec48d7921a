//! ADS1292R two-channel ECG front end on SPI mode 1 (Texas Instruments data sheet SBAS502).
//!
//! Channel 1 is lead I, channel 2 lead II, gain 6, internal reference of 2.42 V; the respiration circuit
//! stays off. The chip keeps one conversion only: the next overwrites it. So a sample's index counts
//! edges of data-ready through [`DataReady`], and a conversion that was overwritten before it was read, or
//! while it was read, is an absence. An electrode that is off makes its lead absent, and only that lead.

mod chip;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::spi::SpiDevice;

pub use chip::{Error, FRAME, Frame, convert, signed};

use super::blocks::Blocks;
use super::port::{Port, absence_of, not_started};
use crate::device::{Device, Fault};
use crate::reading::{Absence, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};

/// What counts the edges of the chip's data-ready output.
pub trait DataReady: Send {
    /// Forgets all edges of before: conversions count from here on.
    ///
    /// # Errors
    /// When edges cannot be counted any more.
    fn begin(&mut self) -> Result<(), Fault>;

    /// How many conversions completed since the last call of either method. May wait for one, no longer
    /// than its own deadline. 0 ends the round: the caller gets its thread back.
    ///
    /// # Errors
    /// When edges that must come do not, or cannot be counted any more.
    fn next(&mut self) -> Result<u64, Fault>;

    /// How many completed since the last call of either method, without waiting.
    ///
    /// # Errors
    /// When edges cannot be counted any more.
    fn meanwhile(&mut self) -> Result<u64, Fault>;
}

/// The front end on an SPI port, with its data-ready output on another.
#[derive(Debug)]
pub struct Ads1292r<P: Port, Q: Port> {
    port: P,
    ready_port: Q,
    wired: Option<(P::Bus, Q::Bus)>,
    rate: u32,
    streams: [StreamSpec; 2],
    leads: [Blocks; 2],
    /// Conversions that completed while the last one was read.
    owed: u64,
}

impl<P: Port, Q: Port> Ads1292r<P, Q>
where
    P::Bus: SpiDevice,
    Q::Bus: DataReady,
{
    /// The front end at `rate` conversions per second: 125, 250, 500 or 1000. Another is refused at start.
    pub fn new(port: P, ready_port: Q, rate: u32) -> Self {
        let longest = usize::try_from(rate.max(1)).unwrap_or(usize::MAX);
        Self {
            port,
            ready_port,
            wired: None,
            rate,
            streams: [
                lead("ecg-i", MDC_ECG_ELEC_POTL_I, rate),
                lead("ecg-ii", MDC_ECG_ELEC_POTL_II, rate),
            ],
            leads: [Blocks::new(0, longest), Blocks::new(1, longest)],
            owed: 0,
        }
    }

    fn round(
        &mut self,
        spi: &mut P::Bus,
        ready: &mut Q::Bus,
        readings: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        for _ in 0..MOST_BEHIND {
            loop {
                let due = match core::mem::take(&mut self.owed) {
                    0 => ready.next()?,
                    owed => owed,
                };
                let Some(overwritten) = due.checked_sub(1) else {
                    return Ok(());
                };
                self.absent(Absence::Overrun, overwritten, readings);
                let frame = self.frame(spi, readings)?;
                self.owed = ready.meanwhile()?;
                if self.owed > 0 {
                    // The data may be this conversion or the next: neither can be said.
                    self.absent(Absence::Overrun, 1, readings);
                    break;
                }
                self.give(frame, readings);
            }
        }
        Ok(())
    }

    fn frame(&mut self, spi: &mut P::Bus, readings: &mut Vec<Reading>) -> Result<Frame, Fault> {
        chip::read(spi).map_err(|error| {
            let fault = error.fault(&self.name());
            self.absent(absence_of(fault.kind), 1, readings);
            fault
        })
    }

    fn give(&mut self, frame: Frame, readings: &mut Vec<Reading>) {
        for (lead, channel) in self.leads.iter_mut().zip(frame.channels) {
            match channel {
                Some(value) => lead.value(value, range(value), readings),
                None => lead.absent(Absence::LeadOff, 1, readings),
            }
        }
    }

    fn absent(&mut self, reason: Absence, count: u64, readings: &mut Vec<Reading>) {
        for lead in &mut self.leads {
            lead.absent(reason, count, readings);
        }
    }

    fn name(&self) -> String {
        format!("ads1292r on {}", self.port.name())
    }
}

impl<P: Port, Q: Port> Device for Ads1292r<P, Q>
where
    P::Bus: SpiDevice,
    Q::Bus: DataReady,
{
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    /// As long as a round of [`DataReady`] lasts on hardware: the caller polls again at once.
    fn period(&self) -> Duration {
        ROUND
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.wired = None;
        self.owed = 0;
        let mut spi = self.port.open()?;
        let mut ready = self.ready_port.open()?;
        chip::configure(&mut spi, self.rate).map_err(|error| error.fault(&self.name()))?;
        // Edges of before the reset are not of this measurement.
        ready.begin()?;
        chip::start(&mut spi).map_err(|error| error.fault(&self.name()))?;
        self.wired = Some((spi, ready));
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let (mut spi, mut ready) = self.wired.take().ok_or_else(|| not_started(&self.name()))?;
        if let Err(fault) = self.round(&mut spi, &mut ready, readings) {
            for lead in &mut self.leads {
                lead.broken_off(absence_of(fault.kind), readings);
            }
            return Err(fault);
        }
        self.wired = Some((spi, ready));
        Ok(())
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        for lead in &mut self.leads {
            lead.flush(readings);
        }
    }
}

fn lead(name: &str, code: u32, rate: u32) -> StreamSpec {
    StreamSpec {
        name: name.to_string(),
        code,
        unit: "mV".to_string(),
        kind: StreamKind::Waveform,
        sampling: Some(Sampling {
            rate_numerator: u64::from(rate),
            rate_denominator: 1,
            scale: STEP,
            offset: Decimal::new(0, 0),
        }),
    }
}

fn range(value: i32) -> Quality {
    Quality {
        over_range: value == (1 << 23) - 1,
        under_range: value == -(1 << 23),
        ..Quality::default()
    }
}

/// 2420 mV / (6 * (2^23 - 1)), to thirteen digits: the error over the whole range is below 1 fV.
const STEP: Decimal = Decimal::new(4_808_108_585_053, -17);
/// How long the caller may leave the chip to a round.
const ROUND: Duration = Duration::from_millis(40);
/// Times in one poll that the host may find itself overtaken while reading.
const MOST_BEHIND: usize = 64;

const MDC_ECG_ELEC_POTL_I: u32 = 131_329;
const MDC_ECG_ELEC_POTL_II: u32 = 131_330;
