//! What packets of data formats 2 and 7 become: saturation, pulse rate and pulse wave.

use alloc::vec::Vec;

use super::{Decoder, FRAME, FRAMES, Layout, Packet, Status};
use crate::drivers::blocks::Blocks;
use crate::drivers::line::{Protocol, Settings};
use crate::drivers::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};

/// An oximeter that sends data format 2 or 7 by itself.
#[derive(Debug)]
pub struct Packets {
    layout: Layout,
    decoder: Decoder,
    packets: Vec<Packet>,
    heard: u64,
    streams: [StreamSpec; 3],
    pleth: Blocks,
}

impl Packets {
    /// Of a format's frames.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let pleth = StreamSpec {
            kind: StreamKind::Waveform,
            sampling: Some(Sampling {
                rate_numerator: PLETH_RATE,
                rate_denominator: 1,
                scale: Decimal::new(1, 0),
                offset: Decimal::new(0, 0),
            }),
            ..numeric::stream("plethysmogram", MDC_PULS_OXIM_PLETH, "1")
        };
        let [spo2, pulse_rate] = super::vitals();
        Self {
            layout,
            decoder: Decoder::new(layout),
            packets: Vec::new(),
            heard: 0,
            streams: [spo2, pulse_rate, pleth],
            pleth: Blocks::new(PLETH, FRAMES * PACKETS_A_SECOND),
        }
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
        let why = Why {
            unusable: unusable(status),
            out_of_track: status.out_of_track(),
        };
        readings.push(why.spo2(spo2, quality));
        readings.push(why.pulse_rate(packet.heart_rate(), quality));
    }
}

impl Protocol for Packets {
    fn name(&self) -> &'static str {
        match self.layout {
            Layout::Format2 => "Nonin data format 2",
            Layout::Format7 => "Nonin data format 7",
        }
    }

    fn settings(&self) -> Settings {
        super::SETTINGS
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        let mut packets = core::mem::take(&mut self.packets);
        self.decoder.push(bytes, &mut packets);
        for packet in packets.drain(..) {
            self.heard = self.heard.saturating_add(1);
            self.give(&packet, readings);
        }
        self.packets = packets;
    }

    fn heard(&self) -> u64 {
        self.heard
    }

    fn astray(&self) -> u64 {
        self.decoder.astray()
    }

    fn most_astray(&self) -> u64 {
        MOST_ASTRAY
    }

    fn restart(&mut self) {
        self.decoder = Decoder::new(self.layout);
        self.heard = 0;
    }

    fn broken_off(&mut self, reason: Absence, readings: &mut Vec<Reading>) {
        self.pleth.broken_off(reason, readings);
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.pleth.flush(readings);
    }
}

/// Why a vital sign may have no value, common to all formats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why {
    /// Nothing the sensor gives now is a measurement.
    pub(super) unusable: Option<Absence>,
    /// No consecutive good pulses.
    pub(super) out_of_track: bool,
}

impl Why {
    /// Saturation as sent, or its absence; `None` was lost on the line.
    pub(super) fn spo2(self, raw: Option<u16>, quality: Quality) -> Reading {
        self.reading(SPO2, raw, (NO_SPO2, HIGHEST_SPO2), quality)
    }

    /// Pulse rate as sent, or its absence.
    pub(super) fn pulse_rate(self, raw: Option<u16>, quality: Quality) -> Reading {
        self.reading(
            PULSE_RATE,
            raw,
            (NO_HEART_RATE, HIGHEST_HEART_RATE),
            quality,
        )
    }

    fn reading(
        self,
        stream: usize,
        raw: Option<u16>,
        (none, highest): (u16, u16),
        quality: Quality,
    ) -> Reading {
        let Some(raw) = raw else {
            return numeric::absent(stream, Absence::Garbled, 1, None);
        };
        let reason = self.unusable.or(if raw == none && self.out_of_track {
            Some(Absence::BadSignal)
        } else if raw > highest {
            Some(Absence::NotAvailable)
        } else {
            None
        });
        match reason {
            Some(reason) => numeric::absent(stream, reason, 1, Some(i32::from(raw))),
            None => numeric::value(stream, Decimal::new(i64::from(raw), 0), quality),
        }
    }
}

/// Why nothing the sensor gives now is a measurement.
const fn unusable(status: Status) -> Option<Absence> {
    if status.sensor_disconnected() {
        Some(Absence::SensorOff)
    } else if status.sensor_alarm() {
        Some(Absence::BadSignal)
    } else {
        None
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
/// Five packets of bytes without one frame in its place.
const MOST_ASTRAY: u64 = (5 * FRAMES * FRAME) as u64;

const MDC_PULS_OXIM_PLETH: u32 = 150_452;
