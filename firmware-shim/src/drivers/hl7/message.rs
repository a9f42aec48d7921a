//! One message: its header, and its observations.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{metrics, quality};
use crate::drivers::numeric;
use crate::drivers::text::decimal;
use crate::reading::{Absence, Quality, Reading};

/// What is taken of a message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// MSH-9: `ORU^R01`.
    pub(super) kind: String,
    /// `<MSH-3>@<PV1-3>`.
    pub(super) sender: String,
    /// MSH-11 says that this is no production.
    pub(super) demo: bool,
    /// In their order.
    pub(super) observations: Vec<Observation>,
    header: Segment,
}

/// One OBX segment of a number or an array.
#[derive(Debug, Default)]
pub(super) struct Observation {
    code: Option<u32>,
    unit: String,
    /// OBX-5; none for an array.
    value: Option<String>,
    flags: String,
    status: String,
    time: Option<String>,
}

impl Message {
    /// Reads a message; none if it does not begin with MSH.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut segments = bytes
            .split(|byte| *byte == b'\r' || *byte == b'\n')
            .filter(|line| !line.is_empty());
        let header = Segment::header(segments.next()?)?;
        let separator = header.separator;
        let kind: Vec<_> = header.field(9).split('^').take(2).collect();
        let mut message = Self {
            kind: kind.join("^"),
            sender: header.field(3).to_string(),
            demo: header.component(11, 0) != "P",
            ..Self::default()
        };
        let mut time = None;
        for line in segments {
            match line.get(..3) {
                Some(b"PV1") => {
                    let location = Segment::of(line, separator).field(3).to_string();
                    if !location.is_empty() {
                        message.sender = format!("{}@{location}", header.field(3));
                    }
                }
                Some(b"OBR") => time = given(Segment::of(line, separator).field(7)),
                Some(b"OBX") => {
                    let observation = Observation::of(&Segment::of(line, separator), time.clone());
                    message.observations.extend(observation);
                }
                _ => {}
            }
        }
        message.header = header;
        Some(message)
    }

    /// The answer: `code` is AA or AR, `text` begins with a separator if there is one.
    pub(super) fn acknowledge(&self, code: &str, text: &str) -> String {
        let field = |number| self.header.field(number);
        let trigger = self.header.component(9, 1);
        format!(
            "MSH|^~\\&|{}|{}|{}|{}|{}||ACK^{trigger}^ACK|A{}|{}|{}\rMSA|{code}|{}{text}\r",
            field(5),
            field(6),
            field(3),
            field(4),
            field(7),
            field(10),
            field(11),
            field(12),
            field(10),
        )
    }
}

impl Observation {
    fn of(segment: &Segment, group_time: Option<String>) -> Option<Self> {
        let array = match segment.field(2) {
            "NM" => false,
            "NA" => true,
            _ => return None,
        };
        // Two codings may stand there; the one of 11073-10101 counts.
        let coding = [0, 3].into_iter().find_map(|first| {
            let code = segment.component(3, first).parse().ok()?;
            (segment.component(3, first + 2) == "MDC").then_some(code)
        });
        let unit = [0, 3].into_iter().map(|first| segment.component(6, first));
        Some(Self {
            code: coding,
            unit: unit
                .filter(|unit| !unit.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            value: (!array).then(|| segment.field(5).to_string()),
            flags: segment.field(8).to_string(),
            status: segment.field(11).to_string(),
            time: given(segment.field(14)).or(group_time),
        })
    }

    /// As a reading; none for an observation that says nothing.
    pub(super) fn reading(&self, demo: bool) -> Option<Reading> {
        let quality = quality(&self.flags, demo);
        let metric = self.code.and_then(metrics::of);
        let (Some((stream, metric)), Some(value)) = (metric, &self.value) else {
            let code = self.code.and_then(|code| i32::try_from(code).ok());
            let reading = numeric::absent(metrics::UNMAPPED, Absence::NotAvailable, 1, code);
            return Some(self.finish(reading, quality));
        };
        let reading = match (self.missing(value), decimal(value)) {
            (Some(reason), _) => numeric::absent(stream, reason, 1, None),
            (None, Some(value)) if metric.has_unit(&self.unit) => {
                numeric::value(stream, value, quality)
            }
            (None, _) => numeric::absent(stream, Absence::Garbled, 1, None),
        };
        Some(self.finish(reading, quality))
    }

    fn finish(&self, reading: Reading, quality: Quality) -> Reading {
        Reading {
            quality: Quality {
                demo: quality.demo,
                ..reading.quality
            },
            device_time: self.time.clone(),
            ..reading
        }
    }

    /// Why the monitor gives no value, if it says so.
    fn missing(&self, value: &str) -> Option<Absence> {
        let says = |flag: &str| self.flags.split('~').any(|word| word.trim() == flag);
        if says("INV") {
            Some(Absence::BadSignal)
        } else if says("OFF") {
            Some(Absence::DeviceOff)
        } else if ["NAV", "NI", "BUSY"].into_iter().any(says)
            || ["X", "D", "W"].contains(&self.status.as_str())
            || value.is_empty()
        {
            Some(Absence::NotAvailable)
        } else {
            None
        }
    }
}

/// One segment, as ASCII: a byte beyond it is a question mark.
#[derive(Debug, Default)]
struct Segment {
    separator: char,
    fields: Vec<String>,
}

impl Segment {
    fn header(line: &[u8]) -> Option<Self> {
        let [b'M', b'S', b'H', separator, ..] = line else {
            return None;
        };
        if !separator.is_ascii_punctuation() {
            return None;
        }
        let mut header = Self::of(line, char::from(*separator));
        // The separator itself is the header's first field.
        header.fields.insert(1, header.separator.to_string());
        Some(header)
    }

    fn of(line: &[u8], separator: char) -> Self {
        let ascii = |byte: &u8| {
            if byte.is_ascii() {
                char::from(*byte)
            } else {
                '?'
            }
        };
        let text: String = line.iter().map(ascii).collect();
        Self {
            separator,
            fields: text.split(separator).map(ToString::to_string).collect(),
        }
    }

    /// A field by HL7's number; empty if it is not there.
    fn field(&self, number: usize) -> &str {
        self.fields.get(number).map_or("", |field| field.trim())
    }

    fn component(&self, number: usize, place: usize) -> &str {
        self.field(number).split('^').nth(place).unwrap_or_default()
    }
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}
