//! A sensor board: a microcontroller that runs these drivers and sends their readings over a serial line.
//!
//! The decoder does no I/O; any byte stream gives the same readings however it is cut. It resynchronises at
//! the next zero byte after garbage. Promises that a number which was lost on the line is an absence, and that
//! a sample's place is the board's own count: lost frames of a waveform are an absence of exactly as many. A
//! board that started anew counts from 0 again; the gateway's count goes on behind an absence of unknown
//! number. The format and its fixed table of channels are in docs/sensor-board.md.

mod frame;

use alloc::string::ToString;
use alloc::vec::Vec;

pub use frame::{BOARD, Content, END, Error, Frame, MOST_BYTES, MOST_SAMPLES, VERSION};

use super::blocks::Blocks;
use super::line::{Protocol, Settings};
use super::numeric::{self, MDC_TEMP_BODY};
use crate::reading::{Absence, Decimal, Reading, Sampling, StreamKind, StreamSpec};

/// What the frames of one board say.
#[derive(Debug)]
pub struct Board {
    streams: [StreamSpec; CHANNELS],
    waves: [Wave; CHANNELS - 1],
    /// Bytes since the last zero.
    held: Vec<u8>,
    /// What the next frame's sequence must be; none before the first.
    next: Option<u16>,
    heard: u64,
    astray: u64,
    /// Whether the line was joined in the middle of a frame: its rest is no loss.
    joining: bool,
}

/// The samples of one channel.
#[derive(Debug)]
struct Wave {
    blocks: Blocks,
    /// The board's place of the next sample; none until the first.
    due: Option<u64>,
}

impl Default for Board {
    fn default() -> Self {
        let [red, infrared, lead_i, lead_ii] = WAVES;
        let temperature = numeric::stream("temperature", MDC_TEMP_BODY, "Cel");
        let waves = [1, 2, 3, 4].map(|stream| Wave {
            blocks: Blocks::new(stream, MOST_SAMPLES),
            due: None,
        });
        Self {
            streams: [
                temperature,
                red.spec(),
                infrared.spec(),
                lead_i.spec(),
                lead_ii.spec(),
            ],
            waves,
            held: Vec::with_capacity(LONGEST),
            next: None,
            heard: 0,
            astray: 0,
            joining: true,
        }
    }
}

impl Protocol for Board {
    fn name(&self) -> &'static str {
        "sensor board format 1"
    }

    fn settings(&self) -> Settings {
        Settings {
            baud: BAUD,
            odd_parity: false,
        }
    }

    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn push(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) {
        for byte in bytes {
            if *byte != END {
                // What is longer than any frame is none; it is counted, not kept.
                if self.held.len() < LONGEST {
                    self.held.push(*byte);
                } else {
                    self.astray = self.astray.saturating_add(1);
                }
                continue;
            }
            if self.held.is_empty() {
                continue;
            }
            match Frame::decode(&self.held) {
                Ok(frame) => {
                    self.astray = 0;
                    self.heard = self.heard.saturating_add(1);
                    self.take(frame, readings);
                }
                Err(_) if self.joining => {}
                Err(_) => {
                    let length = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
                    self.astray = self.astray.saturating_add(length);
                }
            }
            self.joining = false;
            self.held.clear();
        }
    }

    fn heard(&self) -> u64 {
        self.heard
    }

    fn astray(&self) -> u64 {
        self.astray
    }

    fn most_astray(&self) -> u64 {
        8 * LONGEST as u64
    }

    fn restart(&mut self) {
        self.held.clear();
        self.next = None;
        self.heard = 0;
        self.astray = 0;
        self.joining = true;
        for wave in &mut self.waves {
            wave.due = None;
        }
    }

    fn broken_off(&mut self, reason: Absence, readings: &mut Vec<Reading>) {
        for wave in &mut self.waves {
            if wave.due.take().is_some() {
                wave.blocks.broken_off(reason, readings);
            }
        }
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        for wave in &mut self.waves {
            wave.blocks.flush(readings);
        }
    }
}

impl Board {
    fn take(&mut self, frame: Frame, readings: &mut Vec<Reading>) {
        let started = frame.content == Content::Started;
        let lost = self.next.is_some_and(|next| next != frame.sequence);
        self.next = Some(frame.sequence.wrapping_add(1));
        if started {
            self.broken_off(Absence::DeviceOff, readings);
            return;
        }
        if lost {
            // Of the waveforms the places say what is missing; a number has none.
            readings.push(numeric::absent(TEMPERATURE, Absence::Garbled, 0, None));
        }
        match (frame.channel, frame.content) {
            (0, Content::Numeric(value, quality)) => {
                readings.push(numeric::value(TEMPERATURE, value, quality));
            }
            (0, Content::Absent(reason, _, count)) => {
                readings.push(numeric::absent(TEMPERATURE, reason, count, None));
            }
            (channel, content) => {
                let wave = usize::from(channel).checked_sub(1);
                if let Some(wave) = wave.and_then(|wave| self.waves.get_mut(wave)) {
                    wave.take(content, readings);
                }
            }
        }
    }
}

impl Wave {
    fn take(&mut self, content: Content, readings: &mut Vec<Reading>) {
        match content {
            Content::Samples(first, values, quality) => {
                self.come_to(first, readings);
                for value in values {
                    self.blocks.value(value, quality, readings);
                    self.due = self.due.map(|due| due.saturating_add(1));
                }
            }
            Content::Absent(reason, first, count) => {
                if let Some(first) = first {
                    self.come_to(first, readings);
                }
                match count {
                    0 => self.blocks.broken_off(reason, readings),
                    count => self.blocks.absent(reason, count, readings),
                }
                self.due = self.due.map(|due| due.saturating_add(count));
            }
            // A waveform has no numbers.
            Content::Numeric(..) | Content::Started => {}
        }
    }

    /// What lies between the sample that is due and this one was lost on the line. One of before has no
    /// place in the gateway's count: the board must have started anew.
    fn come_to(&mut self, first: u64, readings: &mut Vec<Reading>) {
        match self.due.map(|due| first.checked_sub(due)) {
            Some(Some(lost)) => self.blocks.absent(Absence::Garbled, lost, readings),
            Some(None) => self.blocks.broken_off(Absence::DeviceOff, readings),
            None => {}
        }
        self.due = Some(first);
    }
}

/// A waveform of the table.
struct Channel {
    name: &'static str,
    code: u32,
    unit: &'static str,
    rate: u64,
    scale: Decimal,
}

impl Channel {
    fn spec(&self) -> StreamSpec {
        StreamSpec {
            name: self.name.to_string(),
            code: self.code,
            unit: self.unit.to_string(),
            kind: StreamKind::Waveform,
            sampling: Some(Sampling {
                rate_numerator: self.rate,
                rate_denominator: 1,
                scale: self.scale,
                offset: Decimal::new(0, 0),
            }),
        }
    }
}

const BAUD: u32 = 115_200;
/// Temperature, then the waveforms.
const CHANNELS: usize = 5;
const TEMPERATURE: usize = 0;
/// Bytes of the longest frame on the line: one more for every 254, and the first.
const LONGEST: usize = MOST_BYTES + MOST_BYTES / 254 + 1;
/// A MAX30102 at 100 and an ADS1292R at 250 samples a second.
const WAVES: [Channel; CHANNELS - 1] = [
    light("ppg-red"),
    light("ppg-infrared"),
    lead("ecg-i", 131_329),
    lead("ecg-ii", 131_330),
];

const fn light(name: &'static str) -> Channel {
    Channel {
        name,
        code: 0,
        unit: "1",
        rate: 100,
        scale: Decimal::new(1, 0),
    }
}

const fn lead(name: &'static str, code: u32) -> Channel {
    Channel {
        name,
        code,
        unit: "mV",
        rate: 250,
        scale: Decimal::new(4_808_108_585_053, -17),
    }
}
