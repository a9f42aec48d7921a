//! Data format 13: one packet for each spot check, with the oximeter's time (Nonin 9560 specification).
//!
//! 0, 2, packet type 13 (two bytes), length (two bytes, at least 14), data, the sum of the data modulo 256,
//! 3. The data: century, year, month, day, hour, minute, second, hundredths; status (two bytes); heart rate
//! (two bytes); a reserved byte; saturation; then what later versions add, which is skipped.
//!
//! A measurement from the oximeter's memory carries its own time, as every other does; what it is worth is
//! for the reader of that time.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::packets::Why;
use crate::drivers::line::{Protocol, Settings};
use crate::reading::{Absence, Quality, Reading, StreamSpec};

/// An oximeter that sends data format 13 after each spot check.
#[derive(Debug)]
pub struct Format13 {
    streams: [StreamSpec; 2],
    held: Vec<u8>,
    heard: u64,
    astray: u64,
}

impl Default for Format13 {
    fn default() -> Self {
        Self {
            streams: super::vitals(),
            held: Vec::new(),
            heard: 0,
            astray: 0,
        }
    }
}

/// What the bytes held so far are.
enum Held {
    /// The beginning of a packet.
    Part,
    /// A packet of so many bytes.
    Whole(usize),
    /// Not the beginning of a packet.
    Other,
}

impl Format13 {
    fn look(&self) -> Held {
        let begins = self.held.iter().zip(HEAD).all(|(held, head)| *held == head);
        if !begins {
            return Held::Other;
        }
        let [_, _, _, _, high, low, ..] = *self.held.as_slice() else {
            return Held::Part;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(LEAST..=MOST).contains(&length) {
            return Held::Other;
        }
        let end = FRONT + length;
        match self.held.get(FRONT..end) {
            None => Held::Part,
            Some(data) => {
                let sum = data.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
                match (self.held.get(end), self.held.get(end + 1)) {
                    (Some(check), _) if *check != sum => Held::Other,
                    (Some(_), Some(&ETX)) => Held::Whole(end + 2),
                    (Some(_), Some(_)) => Held::Other,
                    _ => Held::Part,
                }
            }
        }
    }

    fn packet(&self, readings: &mut Vec<Reading>) {
        let data = self.held.get(FRONT..).unwrap_or_default();
        let [
            century,
            year,
            month,
            day,
            hour,
            minute,
            second,
            _,
            status,
            _,
            high,
            low,
            _,
            spo2,
            ..,
        ] = *data
        else {
            return;
        };
        let time: String =
            format!("{century:02}{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        let why = Why {
            unusable: (status & NO_MEASUREMENT != 0).then_some(Absence::BadSignal),
            out_of_track: false,
        };
        let quality = Quality::default();
        for reading in [
            why.spo2(Some(u16::from(spo2)), quality),
            why.pulse_rate(Some(u16::from_be_bytes([high, low])), quality),
        ] {
            readings.push(Reading {
                device_time: Some(time.clone()),
                ..reading
            });
        }
    }
}

impl Protocol for Format13 {
    fn name(&self) -> &'static str {
        "Nonin data format 13"
    }

    fn settings(&self) -> Settings {
        super::SETTINGS
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        for byte in bytes {
            self.held.push(*byte);
            self.astray = self.astray.saturating_add(1);
            loop {
                match self.look() {
                    Held::Part => break,
                    Held::Whole(length) => {
                        self.packet(readings);
                        self.held.drain(..length.min(self.held.len()));
                        self.heard = self.heard.saturating_add(1);
                        self.astray = 0;
                    }
                    Held::Other => drop(self.held.drain(..1)),
                }
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
        256
    }

    fn speaks_rarely(&self) -> bool {
        true
    }

    fn restart(&mut self) {
        self.held.clear();
        self.heard = 0;
        self.astray = 0;
    }
}

const HEAD: [u8; 4] = [0, 2, 0, 13];
const ETX: u8 = 3;
/// Bytes before the data.
const FRONT: usize = 6;
const LEAST: usize = 14;
const MOST: usize = 128;
const NO_MEASUREMENT: u8 = 1;
