//! Ivy 450C patient monitor: a second of waves as bytes, then a line of text for each parameter, 9600 8N1.
//!
//! The maker publishes nothing; the layout was read from a recorded stream of a real one. A packet begins with
//! FE FF and the words `ANSAR-B `; 200 samples of ECG and four waves of 50 samples follow, then lines ended
//! by a carriage return: `HR=1;80;ECG-II-DIAG;`, `SPO2=1;100;PR=80 ;`, `NIBP=4;121;75;92;80;;`,
//! `P1=3;111;73;88;;`. The first number is a state, empty fields are values that the monitor has not. That a
//! packet is one second long follows from its heart rate: 150 samples lie between two beats at 80 a minute.
//!
//! The gain of the waves is not known, so they have no unit; which of the four is which is not known either,
//! so they have no code. A wave of nothing but FB is that of a transducer which is not there. The lines of CO2
//! and of temperature name no unit, so nothing is made of them. A cuff measurement is given once, when its
//! line changes.

mod lines;

use alloc::format;
use alloc::vec::Vec;
use core::mem;

use super::blocks::Blocks;
use super::line::{Protocol, Settings};
use super::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};
use lines::Numbers;

/// The monitor's decoder.
#[derive(Debug)]
pub struct Ivy450c {
    streams: Vec<StreamSpec>,
    held: Vec<u8>,
    heard: u64,
    astray: u64,
    /// Bytes were skipped since the last packet: an unknown number of samples with them.
    lost: bool,
    numbers: Numbers,
    waves: Vec<Blocks>,
}

impl Default for Ivy450c {
    fn default() -> Self {
        let mut streams = lines::streams();
        let first = streams.len();
        let wave = |name: &str, code, rate: usize| StreamSpec {
            kind: StreamKind::Waveform,
            sampling: Some(Sampling {
                rate_numerator: rate as u64,
                rate_denominator: 1,
                scale: Decimal::new(1, 0),
                offset: Decimal::new(0, 0),
            }),
            ..numeric::stream(name, code, "1")
        };
        streams.push(wave("ecg", MDC_ECG_ELEC_POTL, ECG));
        for number in 2..=5 {
            streams.push(wave(&format!("wave-{number}"), 0, WAVE));
        }
        let waves = WAVES.iter().enumerate();
        Self {
            streams,
            held: Vec::new(),
            heard: 0,
            astray: 0,
            lost: false,
            numbers: Numbers::default(),
            waves: waves
                .map(|(place, length)| Blocks::new(first + place, *length))
                .collect(),
        }
    }
}

impl Ivy450c {
    /// How many bytes the packet has that the held bytes begin with: none yet, or that it is no packet.
    fn look(&self) -> Option<Option<usize>> {
        let begins = self.held.iter().zip(HEAD).all(|(held, head)| held == head);
        // A packet within the waves of another: the first one was cut off.
        let cut_off = self.held.ends_with(HEAD) && self.held.len() > HEAD.len();
        if !begins || cut_off {
            return None;
        }
        let Some(text) = self.held.get(FRONT..) else {
            return Some(None);
        };
        // Waves of the right length end where the first line begins.
        if !text
            .iter()
            .zip(FIRST_LINE)
            .all(|(text, first)| text == first)
        {
            return None;
        }
        // The lines are text; what is none ends them: the next packet's first byte, or garbage.
        match text.iter().position(|byte| !is_text(*byte)) {
            Some(end) if end < FIRST_LINE.len() => None,
            Some(end) => Some(Some(FRONT + end)),
            None if last_line(text) => Some(Some(FRONT + text.len())),
            None if text.len() > MOST_TEXT => None,
            None => Some(None),
        }
    }

    fn packet(&mut self, length: usize, readings: &mut Vec<Reading>) {
        if mem::take(&mut self.lost) && self.heard > 0 {
            self.broken_off(Absence::Garbled, readings);
        }
        let mut rest = self.held.get(HEAD.len()..FRONT).unwrap_or_default();
        for (wave, length) in self.waves.iter_mut().zip(WAVES) {
            let (samples, others) = rest.split_at_checked(length).unwrap_or_default();
            rest = others;
            if samples.iter().all(|sample| *sample == NO_TRANSDUCER) {
                wave.absent(Absence::SensorOff, samples.len() as u64, readings);
                continue;
            }
            for sample in samples {
                wave.value(i32::from(*sample), Quality::default(), readings);
            }
        }
        let text = self.held.get(FRONT..length).unwrap_or_default();
        // A line without an end was cut off: its last digits may be missing.
        for line in text.split_inclusive(|byte| *byte == b'\r') {
            let Some(line) = line.strip_suffix(b"\r") else {
                continue;
            };
            if let Ok(line) = core::str::from_utf8(line) {
                self.numbers.line(line, readings);
            }
        }
    }
}

impl Protocol for Ivy450c {
    fn name(&self) -> &'static str {
        "Ivy 450C"
    }

    fn settings(&self) -> Settings {
        Settings {
            baud: 9600,
            odd_parity: false,
        }
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        for byte in bytes {
            self.held.push(*byte);
            self.astray = self.astray.saturating_add(1);
            while !self.held.is_empty() {
                match self.look() {
                    Some(None) => break,
                    Some(Some(length)) => {
                        self.packet(length, readings);
                        self.held.drain(..length.min(self.held.len()));
                        self.heard = self.heard.saturating_add(1);
                        self.astray = self.held.len() as u64;
                    }
                    None => {
                        // Straight to the next byte that may begin a packet.
                        let begins = |byte: &u8| Some(byte) == HEAD.first();
                        let next = self.held.iter().skip(1).position(begins);
                        let skip = next.map_or(self.held.len(), |next| next + 1);
                        self.held.drain(..skip);
                        self.lost = true;
                    }
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
        3000
    }

    fn restart(&mut self) {
        self.held.clear();
        self.heard = 0;
        self.astray = 0;
        self.lost = false;
    }

    fn broken_off(&mut self, reason: Absence, readings: &mut Vec<Reading>) {
        for wave in &mut self.waves {
            wave.broken_off(reason, readings);
        }
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        for wave in &mut self.waves {
            wave.flush(readings);
        }
    }
}

const fn is_text(byte: u8) -> bool {
    byte == b'\r' || (b' ' <= byte && byte <= b'~')
}

/// Whether the text ends with the line of the last parameter.
fn last_line(text: &[u8]) -> bool {
    let line = text.strip_suffix(b"\r").unwrap_or_default();
    let mut lines = line.rsplit(|byte| *byte == b'\r');
    lines.next().is_some_and(|line| line.starts_with(LAST_LINE))
}

const HEAD: &[u8; 10] = b"\xfe\xffANSAR-B ";
/// Samples of ECG in a packet.
const ECG: usize = 200;
/// Samples of each other wave.
const WAVE: usize = 50;
const WAVES: [usize; 5] = [ECG, WAVE, WAVE, WAVE, WAVE];
/// Bytes before the text.
const FRONT: usize = HEAD.len() + ECG + 4 * WAVE;
const MOST_TEXT: usize = 512;
const FIRST_LINE: &[u8; 3] = b"HR=";
const LAST_LINE: &[u8] = b"T2=";
const NO_TRANSDUCER: u8 = 0xfb;

const MDC_ECG_ELEC_POTL: u32 = 131_328;
