//! One message: its header, and its observations. Everything is a piece of the message's own text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{metrics, quality};
use crate::drivers::numeric;
use crate::drivers::text::decimal;
use crate::reading::{Absence, Quality, Reading};

/// A message whose header was understood.
#[derive(Debug)]
pub(super) struct Message<'a> {
    text: &'a str,
    header: Segment<'a>,
    /// PV1-3.
    location: Option<&'a str>,
}

/// One OBX segment of a number or an array.
#[derive(Debug)]
struct Observation<'a> {
    code: Option<u32>,
    units: [&'a str; 2],
    /// OBX-5; none for an array.
    value: Option<&'a str>,
    flags: &'a str,
    status: &'a str,
    time: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Reads a message; none if it does not begin with MSH.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let header = Segment::header(lines(text).next()?)?;
        let mut message = Self {
            text,
            header,
            location: None,
        };
        let places = message.segments("PV1").map(|visit| visit.field(3));
        message.location = places.filter(|place| !place.is_empty()).last();
        Some(message)
    }

    /// Whether it holds observations: MSH-9 is `ORU^R01`.
    pub(super) fn is_observation(&self) -> bool {
        self.header.component(9, 0) == "ORU" && self.header.component(9, 1) == "R01"
    }

    /// MSH-9 as far as it says what the message is.
    pub(super) fn kind(&self) -> String {
        let parts: Vec<_> = self.header.field(9).split('^').take(2).collect();
        parts.join("^")
    }

    /// `<MSH-3>@<PV1-3>`.
    pub(super) fn sender(&self) -> String {
        let application = self.header.field(3);
        self.location.map_or_else(
            || application.to_string(),
            |location| format!("{application}@{location}"),
        )
    }

    /// Whether that is its sender.
    pub(super) fn is_from(&self, sender: &str) -> bool {
        let rest = sender.strip_prefix(self.header.field(3));
        match self.location {
            None => rest == Some(""),
            Some(location) => rest.and_then(|rest| rest.strip_prefix('@')) == Some(location),
        }
    }

    /// Appends what its observations say, in their order.
    pub(super) fn read(&self, readings: &mut Vec<Reading>) {
        // MSH-11 says whether this is production.
        let demo = self.header.component(11, 0) != "P";
        let mut time = None;
        for segment in self.segments("OB") {
            if segment.is("OBR") {
                time = given(segment.field(7));
            } else if segment.is("OBX") {
                let observation = Observation::of(&segment, time);
                readings.extend(observation.and_then(|one| one.reading(demo)));
            }
        }
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

    /// The segments after the header whose names begin so.
    fn segments(&self, name: &'static str) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let separator = self.header.separator;
        let others = lines(self.text).skip(1);
        others
            .filter(move |line| line.starts_with(name))
            .map(move |line| Segment::of(line, separator))
    }
}

impl<'a> Observation<'a> {
    fn of(segment: &Segment<'a>, group_time: Option<&'a str>) -> Option<Self> {
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
        Some(Self {
            code: coding,
            units: [0, 3].map(|first| segment.component(6, first)),
            value: (!array).then(|| segment.field(5)),
            flags: segment.field(8),
            status: segment.field(11),
            time: given(segment.field(14)).or(group_time),
        })
    }

    /// As a reading; none for an observation that says nothing.
    fn reading(&self, demo: bool) -> Option<Reading> {
        let quality = quality(self.flags, demo);
        let metric = self.code.and_then(metrics::of);
        let (Some((stream, metric)), Some(value)) = (metric, self.value) else {
            let code = self.code.and_then(|code| i32::try_from(code).ok());
            let reading = numeric::absent(metrics::UNMAPPED, Absence::NotAvailable, 1, code);
            return Some(self.finish(reading, quality));
        };
        let reading = match (self.missing(value), decimal(value)) {
            (Some(reason), _) => numeric::absent(stream, reason, 1, None),
            (None, Some(value)) if metric.has_unit(self.units) => {
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
            device_time: self.time.map(ToString::to_string),
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
            || ["X", "D", "W"].contains(&self.status)
            || value.is_empty()
        {
            Some(Absence::NotAvailable)
        } else {
            None
        }
    }
}

/// One segment, as far as anything of it is taken.
#[derive(Debug)]
struct Segment<'a> {
    fields: [&'a str; MOST_FIELDS],
    separator: char,
    is_header: bool,
}

impl<'a> Segment<'a> {
    fn header(line: &'a str) -> Option<Self> {
        let separator = line.strip_prefix("MSH")?.chars().next()?;
        separator.is_ascii_punctuation().then(|| Self {
            is_header: true,
            ..Self::of(line, separator)
        })
    }

    fn of(line: &'a str, separator: char) -> Self {
        let mut fields = [""; MOST_FIELDS];
        for (slot, field) in fields.iter_mut().zip(line.split(separator)) {
            *slot = field.trim();
        }
        Self {
            fields,
            separator,
            is_header: false,
        }
    }

    fn is(&self, name: &str) -> bool {
        self.fields
            .first()
            .is_some_and(|first| first.starts_with(name))
    }

    /// A field by HL7's number; empty if it is not there.
    fn field(&self, number: usize) -> &'a str {
        // The separator itself is the header's first field.
        let place = number.saturating_sub(usize::from(self.is_header));
        self.fields.get(place).copied().unwrap_or_default()
    }

    fn component(&self, number: usize, place: usize) -> &'a str {
        self.field(number).split('^').nth(place).unwrap_or_default()
    }
}

/// Name and fields of the longest segment of which something is taken: OBX-14.
const MOST_FIELDS: usize = 15;

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.split(['\r', '\n']);
    lines.filter(|line| !line.is_empty())
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
