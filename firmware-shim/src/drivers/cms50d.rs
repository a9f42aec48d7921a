//! Contec CMS50D+ (firmware before 7.0): five bytes, sixty times a second, 19200 8O1.
//!
//! The maker publishes nothing; the layout is that of A. Brask's CMS50Dplus and of others who watched the line:
//!
//! | byte | bit 7 | rest |
//! | --- | --- | --- |
//! | 1 | 1 | bits 0-3 signal strength, 4 finger out, 5 saturation dropping, 6 beep |
//! | 2 | 0 | pulse wave |
//! | 3 | 0 | bits 0-3 bar graph, 4 probe error, 5 searching, 6 pulse rate bit 7 |
//! | 4 | 0 | pulse rate bits 6-0 |
//! | 5 | 0 | saturation |
//!
//! There is no checksum: a frame counts only if bit 7 marks its first byte and no other. The device repeats
//! its numbers in every frame; they are given when they change, and once in sixty frames otherwise. 0, and 127
//! or 255, are its words for "none".

use alloc::vec::Vec;
use core::mem;

use super::blocks::Blocks;
use super::line::{Protocol, Settings};
use super::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};

/// The oximeter's decoder.
#[derive(Debug)]
pub struct Cms50d {
    streams: [StreamSpec; 3],
    held: Vec<u8>,
    heard: u64,
    astray: u64,
    /// Bytes were skipped since the last frame.
    lost: bool,
    pleth: Blocks,
    /// What was said last of saturation and pulse rate, and how many frames ago.
    said: Option<([Said; 2], u32)>,
}

/// One number of a frame: as sent, and why it is none.
type Said = (u16, Option<Absence>);

impl Default for Cms50d {
    fn default() -> Self {
        let pleth = StreamSpec {
            kind: StreamKind::Waveform,
            sampling: Some(Sampling {
                rate_numerator: u64::from(RATE),
                rate_denominator: 1,
                scale: Decimal::new(1, 0),
                offset: Decimal::new(0, 0),
            }),
            ..numeric::stream("plethysmogram", MDC_PULS_OXIM_PLETH, "1")
        };
        Self {
            streams: [
                numeric::stream("spo2", MDC_PULS_OXIM_SAT_O2, "%"),
                numeric::stream("pulse-rate", MDC_PULS_OXIM_PULS_RATE, "/min"),
                pleth,
            ],
            held: Vec::new(),
            heard: 0,
            astray: 0,
            lost: false,
            pleth: Blocks::new(PLETH, RATE as usize),
            said: None,
        }
    }
}

impl Cms50d {
    fn frame(
        &mut self,
        [first, pleth, third, rate, spo2]: [u8; FRAME],
        readings: &mut Vec<Reading>,
    ) {
        let unusable = if first & FINGER_OUT != 0 || third & PROBE_ERROR != 0 {
            Some(Absence::SensorOff)
        } else {
            None
        };
        match unusable {
            Some(reason) => self.pleth.absent(reason, 1, readings),
            None => self
                .pleth
                .value(i32::from(pleth), Quality::default(), readings),
        }
        let searching = (third & SEARCHING != 0).then_some(Absence::BadSignal);
        let rate = u16::from(third & RATE_BIT_7) << 1 | u16::from(rate);
        let spo2 = u16::from(spo2);
        let spo2_none = (spo2 == 0 || spo2 > 100).then_some(Absence::NotAvailable);
        let rate_none = (rate == 0 || rate == NO_RATE).then_some(Absence::NotAvailable);
        let now = [
            (spo2, unusable.or(searching).or(spo2_none)),
            (rate, unusable.or(searching).or(rate_none)),
        ];
        let ago = match self.said {
            Some((said, ago)) if said == now => ago + 1,
            _ => RATE,
        };
        if ago < RATE {
            self.said = Some((now, ago));
            return;
        }
        self.said = Some((now, 0));
        for (stream, (raw, reason)) in now.into_iter().enumerate() {
            readings.push(match reason {
                Some(reason) => numeric::absent(stream, reason, 1, Some(i32::from(raw))),
                None => numeric::value(stream, Decimal::new(i64::from(raw), 0), Quality::default()),
            });
        }
    }
}

impl Protocol for Cms50d {
    fn name(&self) -> &'static str {
        "Contec CMS50D+"
    }

    fn settings(&self) -> Settings {
        Settings {
            baud: 19_200,
            odd_parity: true,
        }
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        for byte in bytes {
            self.astray = self.astray.saturating_add(1);
            if byte & 1 << 7 != 0 {
                self.lost |= !self.held.is_empty();
                self.held.clear();
            } else if self.held.is_empty() {
                self.lost = true;
                continue;
            }
            self.held.push(*byte);
            if let Ok(frame) = <[u8; FRAME]>::try_from(self.held.as_slice()) {
                self.held.clear();
                // Nobody knows how many frames the skipped bytes were.
                if mem::take(&mut self.lost) && self.heard > 0 {
                    self.pleth.broken_off(Absence::Garbled, readings);
                }
                self.heard = self.heard.saturating_add(1);
                self.astray = 0;
                self.frame(frame, readings);
            }
        }
    }

    fn heard(&self) -> u64 {
        self.heard
    }

    fn astray(&self) -> u64 {
        self.astray
    }

    fn most_astray(&self) -> u64 {
        500
    }

    fn restart(&mut self) {
        self.held.clear();
        self.heard = 0;
        self.astray = 0;
        self.lost = false;
        self.said = None;
    }

    fn broken_off(&mut self, reason: Absence, readings: &mut Vec<Reading>) {
        self.pleth.broken_off(reason, readings);
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.pleth.flush(readings);
    }
}

/// Bytes of a frame.
const FRAME: usize = 5;
/// Frames a second.
const RATE: u32 = 60;
const FINGER_OUT: u8 = 1 << 4;
const PROBE_ERROR: u8 = 1 << 4;
const SEARCHING: u8 = 1 << 5;
const RATE_BIT_7: u8 = 1 << 6;
const NO_RATE: u16 = 255;
const PLETH: usize = 2;

const MDC_PULS_OXIM_SAT_O2: u32 = 150_456;
const MDC_PULS_OXIM_PULS_RATE: u32 = 149_530;
const MDC_PULS_OXIM_PLETH: u32 = 150_452;
