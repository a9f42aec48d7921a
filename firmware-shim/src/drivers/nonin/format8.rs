//! Data format 8: four bytes a second, without a checksum (Nonin OEM III and WristOx2 specifications).
//!
//! | byte | bit 7 | rest |
//! | --- | --- | --- |
//! | 1 | 1 | sensor off, out of track, low perfusion, marginal perfusion, artefact, heart rate bits 8 and 7 |
//! | 2 | 0 | heart rate bits 6 to 0 |
//! | 3 | 0 | saturation |
//! | 4 | 0 | bit 5 good average, bit 3 sensor fault, bit 0 battery low |
//!
//! Bit 7 is all that marks a frame: a frame counts only if its four bytes carry it rightly.

use alloc::vec::Vec;

use super::packets::Why;
use crate::drivers::line::{Protocol, Settings};
use crate::reading::{Absence, Quality, Reading, StreamSpec};

/// An oximeter that sends data format 8 by itself.
#[derive(Debug)]
pub struct Format8 {
    streams: [StreamSpec; 2],
    held: Vec<u8>,
    heard: u64,
    astray: u64,
}

impl Default for Format8 {
    fn default() -> Self {
        Self {
            streams: super::vitals(),
            held: Vec::new(),
            heard: 0,
            astray: 0,
        }
    }
}

impl Format8 {
    fn frame(&mut self, [status, low, spo2, more]: [u8; 4], readings: &mut Vec<Reading>) {
        let says = |byte: u8, bit: u8| byte & 1 << bit != 0;
        let why = Why {
            unusable: if says(status, 6) {
                Some(Absence::SensorOff)
            } else if says(more, 3) {
                Some(Absence::BadSignal)
            } else {
                None
            },
            out_of_track: says(status, 5),
        };
        let quality = Quality {
            questionable: says(status, 5),
            low_perfusion: says(status, 4) || says(status, 3),
            artefact: says(status, 2),
            ..Quality::default()
        };
        let heart_rate = u16::from(status & 0b11) << 7 | u16::from(low);
        readings.push(why.spo2(Some(u16::from(spo2)), quality));
        readings.push(why.pulse_rate(Some(heart_rate), quality));
    }
}

impl Protocol for Format8 {
    fn name(&self) -> &'static str {
        "Nonin data format 8"
    }

    fn settings(&self) -> Settings {
        super::SETTINGS
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        for byte in bytes {
            let first = byte & 1 << 7 != 0;
            self.astray = self.astray.saturating_add(1);
            if first {
                self.held.clear();
            } else if self.held.is_empty() {
                continue;
            }
            self.held.push(*byte);
            if let Ok(frame) = <[u8; 4]>::try_from(self.held.as_slice()) {
                self.held.clear();
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
        64
    }

    fn restart(&mut self) {
        self.held.clear();
        self.heard = 0;
        self.astray = 0;
    }
}
