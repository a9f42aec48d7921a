//! Masimo Rad-8 and Radical-7, serial output "ASCII 1": one line of text a second, 9600 8N1.
//!
//! `03/19/16 13:37:12 SN=0000093112 SPO2=098% BPM=072 PI=05.52% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000000`
//! (Masimo Rad-8 Operator's Manual, serial interface). Dashes say that there is no value. `EXC` holds
//! exceptions as hexadecimal bits: 1 no sensor, 2 defective sensor, 4 low perfusion, 8 pulse search, 10
//! interference, 20 sensor off, 40 ambient light, 80 unrecognised sensor, 400 low signal quality. `ALARM` is
//! forwarded as it comes when it changes, without a priority, for the device gives none. A line that lacks
//! one of the fields read here is no line of ASCII 1 and gives nothing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::line::{Protocol, Settings};
use super::numeric;
use super::text::{Lines, decimal};
use crate::reading::{Absence, Body, Priority, Quality, Reading, StreamKind, StreamSpec};

/// The oximeter's decoder.
#[derive(Debug)]
pub struct Masimo {
    streams: [StreamSpec; 4],
    lines: Lines,
    heard: u64,
    /// The alarm word of the last line.
    alarm: u32,
}

impl Default for Masimo {
    fn default() -> Self {
        let alarms = StreamSpec {
            kind: StreamKind::Event,
            ..numeric::stream("alarms", 0, "1")
        };
        Self {
            streams: [
                numeric::stream("spo2", MDC_PULS_OXIM_SAT_O2, "%"),
                numeric::stream("pulse-rate", MDC_PULS_OXIM_PULS_RATE, "/min"),
                numeric::stream("perfusion-index", MDC_BLD_PERF_INDEX, "%"),
                alarms,
            ],
            lines: Lines::new(LONGEST),
            heard: 0,
            alarm: 0,
        }
    }
}

impl Masimo {
    /// What a line says, if it is one of ASCII 1.
    fn line(&mut self, line: &str, readings: &mut Vec<Reading>) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let (date, time) = (words.next()?, words.next()?);
        let field = |name: &str| {
            let mut words = line.split_ascii_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let hexadecimal = |name| u32::from_str_radix(field(name)?, 16).ok();
        let (exceptions, alarm) = (hexadecimal("EXC")?, hexadecimal("ALARM")?);
        let values = [field("SPO2")?, field("BPM")?, field("PI")?];
        let time: String = format!("{date} {time}");
        let quality = Quality {
            questionable: exceptions & (PULSE_SEARCH | LOW_SIGNAL_QUALITY) != 0,
            artefact: exceptions & (INTERFERENCE | AMBIENT_LIGHT) != 0,
            low_perfusion: exceptions & LOW_PERFUSION != 0,
            ..Quality::default()
        };
        let off = exceptions & NO_SENSOR != 0;
        for (stream, value) in values.into_iter().enumerate() {
            let value = value.trim_end_matches('%');
            let reading = match decimal(value) {
                _ if off => numeric::absent(stream, Absence::SensorOff, 1, None),
                Some(value) => numeric::value(stream, value, quality),
                None if value.bytes().all(|byte| b"-.".contains(&byte)) => {
                    let reason = if quality.questionable || quality.artefact {
                        Absence::BadSignal
                    } else {
                        Absence::NotAvailable
                    };
                    numeric::absent(stream, reason, 1, None)
                }
                None => numeric::absent(stream, Absence::Garbled, 1, None),
            };
            readings.push(Reading {
                device_time: Some(time.clone()),
                ..reading
            });
        }
        if alarm != self.alarm {
            self.alarm = alarm;
            readings.push(Reading {
                device_time: Some(time),
                ..Reading::good(
                    ALARMS,
                    Body::Alarm {
                        code: alarm,
                        priority: Priority::None,
                        active: alarm != 0,
                        text: format!("ALARM={}", field("ALARM")?),
                    },
                )
            });
        }
        self.heard = self.heard.saturating_add(1);
        Some(())
    }
}

impl Protocol for Masimo {
    fn name(&self) -> &'static str {
        "Masimo ASCII 1"
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
            let Some(line) = self.lines.push(*byte) else {
                continue;
            };
            if self.line(&line, readings).is_some() {
                self.lines.understood();
            }
        }
    }

    fn heard(&self) -> u64 {
        self.heard
    }

    fn astray(&self) -> u64 {
        self.lines.astray()
    }

    fn most_astray(&self) -> u64 {
        1000
    }

    fn restart(&mut self) {
        self.lines = Lines::new(LONGEST);
        self.heard = 0;
    }
}

const ALARMS: usize = 3;
/// No sensor, defective, off or unrecognised.
const NO_SENSOR: u32 = 0x01 | 0x02 | 0x20 | 0x80;
const LOW_PERFUSION: u32 = 0x04;
const PULSE_SEARCH: u32 = 0x08;
const INTERFERENCE: u32 = 0x10;
const AMBIENT_LIGHT: u32 = 0x40;
const LOW_SIGNAL_QUALITY: u32 = 0x400;
/// Bytes of the longest line.
const LONGEST: usize = 256;

const MDC_PULS_OXIM_SAT_O2: u32 = 150_456;
const MDC_PULS_OXIM_PULS_RATE: u32 = 149_530;
const MDC_BLD_PERF_INDEX: u32 = 150_488;
