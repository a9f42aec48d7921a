//! The oximeter behind a serial line: packets become saturation, pulse rate and pulse wave.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::{Decoder, FRAME, FRAMES, Packet};
use crate::device::{Device, Fault, FaultKind};
use crate::drivers::blocks::Blocks;
use crate::drivers::port::{Port, absence_of, not_started};
use crate::reading::{Absence, Body, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};

/// Where bytes come from.
pub trait ByteSource: Send {
    /// Waits for bytes, no longer than its own deadline, and takes what is there; 0 if nothing came.
    ///
    /// # Errors
    /// When the line fails or is gone.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault>;
}

/// A Nonin oximeter that sends data format 2 by itself. It is only listened to, never commanded.
#[derive(Debug)]
pub struct Nonin<P: Port> {
    port: P,
    line: Option<P::Bus>,
    decoder: Decoder,
    streams: [StreamSpec; 3],
    pleth: Blocks,
    /// Polls in a row without a byte.
    silent: u32,
}

impl<P: Port> Nonin<P>
where
    P::Bus: ByteSource,
{
    /// The oximeter on a port.
    pub fn new(port: P) -> Self {
        let numeric = |name: &str, code, unit: &str| StreamSpec {
            name: name.to_string(),
            code,
            unit: unit.to_string(),
            kind: StreamKind::Numeric,
            sampling: None,
        };
        let pleth = StreamSpec {
            kind: StreamKind::Waveform,
            sampling: Some(Sampling {
                rate_numerator: PLETH_RATE,
                rate_denominator: 1,
                scale: Decimal::new(1, 0),
                offset: Decimal::new(0, 0),
            }),
            ..numeric("plethysmogram", MDC_PULS_OXIM_PLETH, "1")
        };
        Self {
            port,
            line: None,
            decoder: Decoder::default(),
            streams: [
                numeric("spo2", MDC_PULS_OXIM_SAT_O2, "%"),
                numeric("pulse-rate", MDC_PULS_OXIM_PULS_RATE, "/min"),
                pleth,
            ],
            pleth: Blocks::new(PLETH, FRAMES * PACKETS_A_SECOND),
            silent: 0,
        }
    }

    fn listen(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let name = self.name();
        let mut packets = Vec::new();
        let mut buffer = [0; 512];
        for _ in 0..MOST_READS {
            let line = self.line.as_mut().ok_or_else(|| not_started(&name))?;
            let count = line.read(&mut buffer)?;
            self.silent = if count > 0 { 0 } else { self.silent + 1 };
            self.decoder
                .push(buffer.get(..count).unwrap_or(&[]), &mut packets);
            for packet in packets.drain(..) {
                self.give(&packet, readings);
            }
            if count < buffer.len() {
                break;
            }
        }
        if self.silent >= MOST_SILENT {
            let text = format!("{name}: the line is silent, check cable and power");
            return Err(Fault::new(FaultKind::NoResponse, text));
        }
        if self.decoder.astray() >= MOST_ASTRAY {
            let text = format!(
                "{name}: bytes come, but not in Nonin data format 2, check the oximeter's format and rate"
            );
            return Err(Fault::new(FaultKind::Garbled, text));
        }
        Ok(())
    }

    fn give(&mut self, packet: &Packet, readings: &mut Vec<Reading>) {
        let status = packet.status();
        let quality = Quality {
            questionable: status.out_of_track(),
            artefact: status.artefact(),
            ..Quality::default()
        };
        for frame in packet.frames {
            let Some(frame) = frame else {
                self.pleth.absent(Absence::Garbled, 1, readings);
                continue;
            };
            match unusable(frame.status) {
                Some(reason) => self.pleth.absent(reason, 1, readings),
                None => self.pleth.value(i32::from(frame.pleth), quality, readings),
            }
        }
        let quality = Quality {
            low_perfusion: status.low_perfusion(),
            ..quality
        };
        let spo2 = packet.spo2().map(u16::from);
        let heart_rate = packet.heart_rate();
        for (stream, raw, none, highest) in [
            (SPO2, spo2, NO_SPO2, HIGHEST_SPO2),
            (PULSE_RATE, heart_rate, NO_HEART_RATE, HIGHEST_HEART_RATE),
        ] {
            let reason = match raw {
                None => Some(Absence::Garbled),
                Some(raw) => unusable(status).or_else(|| {
                    if raw == none && status.out_of_track() {
                        Some(Absence::BadSignal)
                    } else if raw > highest {
                        Some(Absence::NotAvailable)
                    } else {
                        None
                    }
                }),
            };
            let raw = raw.map(i32::from);
            let (body, quality) = match (reason, raw) {
                (None, Some(raw)) => (numeric(raw), quality),
                (reason, raw) => (
                    absent(reason.unwrap_or(Absence::Garbled), raw),
                    Quality::default(),
                ),
            };
            readings.push(Reading {
                quality,
                ..Reading::good(stream, body)
            });
        }
    }

    fn name(&self) -> String {
        format!("nonin on {}", self.port.name())
    }
}

impl<P: Port> Device for Nonin<P>
where
    P::Bus: ByteSource,
{
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        Duration::from_millis(250)
    }

    /// Opens the line. Whether an oximeter is on it shows within the first seconds of polling.
    fn start(&mut self) -> Result<(), Fault> {
        self.line = None;
        self.decoder = Decoder::default();
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
            self.pleth.broken_off(reason, readings);
            for stream in [SPO2, PULSE_RATE] {
                readings.push(Reading::good(stream, absent(reason, None)));
            }
        }
        listened
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.pleth.flush(readings);
    }
}

/// Why nothing the sensor gives now is a measurement.
const fn unusable(status: super::Status) -> Option<Absence> {
    if status.sensor_disconnected() {
        Some(Absence::SensorOff)
    } else if status.sensor_alarm() {
        Some(Absence::BadSignal)
    } else {
        None
    }
}

fn numeric(raw: i32) -> Body {
    Body::Numeric {
        value: Decimal::new(i64::from(raw), 0),
        index: None,
        raw: None,
    }
}

fn absent(reason: Absence, raw: Option<i32>) -> Body {
    Body::Absent {
        reason,
        first: None,
        count: 1,
        raw,
    }
}

const SPO2: usize = 0;
const PULSE_RATE: usize = 1;
const PLETH: usize = 2;
/// Samples per second.
const PLETH_RATE: u64 = 75;
const PACKETS_A_SECOND: usize = 3;
/// The oximeter's word for "none".
const NO_SPO2: u16 = 127;
/// The oximeter's word for "none".
const NO_HEART_RATE: u16 = 511;
const HIGHEST_SPO2: u16 = 100;
const HIGHEST_HEART_RATE: u16 = NO_HEART_RATE - 1;
/// Three seconds at the deadline of a quarter second that a serial line waits.
const MOST_SILENT: u32 = 12;
/// Reads of one poll, so that a line that never pauses gives the thread back.
const MOST_READS: usize = 128;
/// Five packets of bytes without one frame in its place.
const MOST_ASTRAY: u64 = (5 * FRAMES * FRAME) as u64;

const MDC_PULS_OXIM_SAT_O2: u32 = 150_456;
const MDC_PULS_OXIM_PULS_RATE: u32 = 149_530;
const MDC_PULS_OXIM_PLETH: u32 = 150_452;
