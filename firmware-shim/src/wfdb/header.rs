//! Header files, line by line (header(5) of the WFDB Applications Guide).
//!
//! Owns the text: fields, defaults and their faults, each with its line. Knows nothing of sample files.
//! Base time and date are left alone, and so is whatever follows the last line the record line asks for.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::format::{Format, SUPPORTED};
use super::{WfdbError, number, open_file};
use crate::reading::Decimal;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) path: PathBuf,
    /// The record line's own line number.
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) signal_count: usize,
    /// Frames per second as a ratio, when given.
    pub(super) rate: Option<(u64, u64)>,
    /// Number of frames; given and not 0.
    pub(super) frames: Option<u64>,
    pub(super) body: Body,
}

/// What the lines after the record line describe.
#[derive(Debug)]
pub(super) enum Body {
    Signals(Vec<SignalLine>),
    Segments(Vec<SegmentLine>),
}

/// One signal specification line.
#[derive(Debug)]
pub(super) struct SignalLine {
    pub(super) line: usize,
    pub(super) file: String,
    pub(super) format: Format,
    pub(super) per_frame: u64,
    /// Frames of this signal that precede frame 0.
    pub(super) skew: u64,
    pub(super) offset: u64,
    pub(super) gain: Decimal,
    pub(super) baseline: i32,
    pub(super) unit: String,
    pub(super) checksum: Option<i16>,
    pub(super) description: Option<String>,
}

/// One segment specification line.
#[derive(Debug)]
pub(super) struct SegmentLine {
    pub(super) line: usize,
    /// Nothing for `~`: a time without any signal.
    pub(super) name: Option<String>,
    pub(super) frames: u64,
}

impl Header {
    /// Reads and parses a header file.
    pub(super) fn read(path: &Path) -> Result<Self, WfdbError> {
        let mut bytes = Vec::new();
        open_file(path)?
            .take(LARGEST_HEADER + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| WfdbError::file(path, source))?;
        if bytes.len() as u64 > LARGEST_HEADER {
            let reason = format!("longer than {LARGEST_HEADER} bytes, so it is no header");
            return Err(WfdbError::header(path, reason));
        }
        // Units such as a Latin-1 micro sign occur; everything that is interpreted is ASCII.
        Self::parse(path, &String::from_utf8_lossy(&bytes))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, WfdbError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let Some((line, record_line)) = lines.next() else {
            return Err(WfdbError::header(path, "no record line; the file is empty"));
        };
        let (mut header, segments) = record(record_line)
            .map(|(header, segments)| (Self { line, ..header }, segments))
            .map_err(|reason| WfdbError::line(path, line, reason))?;
        path.clone_into(&mut header.path);

        let wanted = segments.unwrap_or(header.signal_count);
        let lines: Vec<_> = lines.take(wanted).collect();
        if lines.len() < wanted {
            let what = segments.map_or("signal", |_| "segment");
            let found = lines.len();
            let reason = format!("promises {wanted} {what} lines, but only {found} follow");
            return Err(WfdbError::line(path, line, reason));
        }
        let at = |line| move |reason: String| WfdbError::line(path, line, reason);
        header.body = if segments.is_some() {
            let parsed = lines
                .into_iter()
                .map(|(n, text)| segment(n, text).map_err(at(n)));
            Body::Segments(parsed.collect::<Result<_, _>>()?)
        } else {
            let parsed = lines
                .into_iter()
                .map(|(n, text)| signal(n, text).map_err(at(n)));
            Body::Signals(parsed.collect::<Result<_, _>>()?)
        };
        Ok(header)
    }
}

/// The record line: `name[/segments] signals [frequency[/counter[(base)]] [samples [time [date]]]]`.
fn record(text: &str) -> Result<(Header, Option<usize>), String> {
    let mut fields = text.split_whitespace();
    let name = fields.next().unwrap_or_default();
    let (name, segments) = match name.rsplit_once('/') {
        Some((name, segments)) => {
            let count = integer::<usize>("number of segments", segments)?;
            if count == 0 {
                return Err("number of segments is 0; leave `/0` out for a plain record".into());
            }
            (name, Some(count))
        }
        None => (name, None),
    };
    let Some(signals) = fields.next() else {
        return Err("no number of signals after the record name".into());
    };
    let signal_count = integer("number of signals", signals)?;
    let rate = match fields.next() {
        Some(field) => {
            let text = field.split_once('/').map_or(field, |(rate, _)| rate);
            let ratio = number::decimal(text).and_then(number::ratio);
            Some(ratio.ok_or_else(|| {
                format!("sampling frequency `{text}` is not a decimal number above 0")
            })?)
        }
        None => None,
    };
    let frames = match fields.next() {
        Some(field) => Some(integer::<u64>("number of samples", field)?).filter(|n| *n > 0),
        None => None,
    };
    let header = Header {
        path: PathBuf::new(),
        line: 0,
        name: name.to_owned(),
        signal_count,
        rate,
        frames,
        body: Body::Signals(Vec::new()),
    };
    Ok((header, segments))
}

/// A segment line: `name frames`.
fn segment(line: usize, text: &str) -> Result<SegmentLine, String> {
    let mut fields = text.split_whitespace();
    let name = fields.next().unwrap_or_default();
    let frames = fields
        .next()
        .ok_or("no number of samples after the segment name")?;
    Ok(SegmentLine {
        line,
        name: (name != NOTHING).then(|| name.to_owned()),
        frames: integer("number of samples", frames)?,
    })
}

/// A signal line: `file format[xN][:skew][+offset] [gain[(baseline)][/unit] [resolution [zero [initial
/// [checksum [block [description]]]]]]]`. A field may be left out only with all that follow it.
fn signal(line: usize, text: &str) -> Result<SignalLine, String> {
    let mut rest = text;
    let mut field = || {
        let (field, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        Some(field).filter(|field| !field.is_empty())
    };
    let file = field().unwrap_or_default().to_owned();
    if file == "-" {
        return Err("samples from standard input (`-`) are not read; name a file".into());
    }
    let storage = Storage::parse(field().ok_or("no format after the file name")?)?;
    let calibration = field().map(Calibration::parse).transpose()?;
    field().map_or(Ok(0), |text| integer::<u32>("ADC resolution", text))?;
    let zero = field().map_or(Ok(0), |text| integer::<i32>("ADC zero", text))?;
    // Only difference formats need the initial value, and none of them is read here.
    field().map_or(Ok(0), |text| integer::<i64>("initial value", text))?;
    let checksum = field()
        .map(|text| integer::<i64>("checksum", text))
        .transpose()?;
    field().map_or(Ok(0), |text| integer::<i64>("block size", text))?;
    let calibration = calibration.unwrap_or_default();
    Ok(SignalLine {
        line,
        file,
        format: storage.format,
        per_frame: storage.per_frame,
        skew: storage.skew,
        offset: storage.offset,
        gain: calibration.gain,
        baseline: calibration.baseline.unwrap_or(zero),
        unit: calibration.unit,
        checksum: checksum.map(sixteen_bits),
        description: Some(rest.to_owned()).filter(|text| !text.is_empty()),
    })
}

/// `format[xN][:skew][+offset]`.
struct Storage {
    format: Format,
    per_frame: u64,
    skew: u64,
    offset: u64,
}

impl Storage {
    fn parse(text: &str) -> Result<Self, String> {
        let (number, modifiers) = text.split_at(text.find(['x', ':', '+']).unwrap_or(text.len()));
        let format = integer::<u32>("format", number)?;
        let format = Format::from_number(format)
            .ok_or_else(|| format!("format {format} is not supported; {SUPPORTED}"))?;
        let mut storage = Self {
            format,
            per_frame: 1,
            skew: 0,
            offset: 0,
        };
        let mut rest = modifiers;
        while let Some(mark) = rest.chars().next() {
            let after = rest.strip_prefix(mark).unwrap_or_default();
            let end = after.find(['x', ':', '+']).unwrap_or(after.len());
            let (value, next) = after.split_at(end);
            match mark {
                'x' => storage.per_frame = integer("number of samples per frame", value)?,
                ':' => storage.skew = integer("skew", value)?,
                _ => storage.offset = integer("byte offset", value)?,
            }
            rest = next;
        }
        if storage.per_frame == 0 {
            return Err("number of samples per frame is 0".into());
        }
        Ok(storage)
    }
}

/// `gain[(baseline)][/unit]`.
struct Calibration {
    gain: Decimal,
    baseline: Option<i32>,
    unit: String,
}

impl Calibration {
    fn parse(text: &str) -> Result<Self, String> {
        let (numbers, unit) = text.split_once('/').unwrap_or((text, DEFAULT_UNIT));
        let (gain, baseline) = match numbers.split_once('(') {
            Some((gain, baseline)) => {
                let baseline = baseline
                    .strip_suffix(')')
                    .ok_or_else(|| format!("`)` missing after the baseline in `{text}`"))?;
                (gain, Some(integer("baseline", baseline)?))
            }
            None => (numbers, None),
        };
        let gain = number::decimal(gain)
            .ok_or_else(|| format!("ADC gain `{gain}` is not a decimal number"))?;
        Ok(Self {
            gain: if gain.mantissa == 0 {
                DEFAULT_GAIN
            } else {
                gain
            },
            baseline,
            unit: if unit.is_empty() { DEFAULT_UNIT } else { unit }.to_owned(),
        })
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            gain: DEFAULT_GAIN,
            baseline: None,
            unit: DEFAULT_UNIT.to_owned(),
        }
    }
}

fn integer<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{what} `{text}` is not a whole number in its range"))
}

/// Checksums count modulo 2^16; some programs write them without sign.
fn sixteen_bits(checksum: i64) -> i16 {
    let [low, high, ..] = checksum.to_le_bytes();
    i16::from_le_bytes([low, high])
}

/// Frames per second where the header gives none.
pub(super) const DEFAULT_RATE: (u64, u64) = (250, 1);
/// Stands for no file and for no segment.
pub(super) const NOTHING: &str = "~";
/// Steps per unit where the header gives none.
const DEFAULT_GAIN: Decimal = Decimal::new(200, 0);
const DEFAULT_UNIT: &str = "mV";
/// A header of 100,000 segments is about a tenth of this.
const LARGEST_HEADER: u64 = 16 * 1024 * 1024;
