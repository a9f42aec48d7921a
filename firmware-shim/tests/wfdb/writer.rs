//! A writer of small WFDB records, independent of the reader: it packs bits where the reader slices bytes.

#![allow(dead_code, reason = "each test uses its own part")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One signal as stored: `samples` holds `per_frame` samples for each frame, those before the skew too.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) description: String,
    /// Everything between the format field and the checksum, such as `200(0)/mV 12 0 0`.
    pub(crate) calibration: String,
    pub(crate) per_frame: usize,
    pub(crate) skew: usize,
    pub(crate) samples: Vec<i32>,
}

impl Stored {
    pub(crate) fn new(description: &str, calibration: &str, samples: &[i32]) -> Self {
        Self {
            description: description.to_owned(),
            calibration: calibration.to_owned(),
            per_frame: 1,
            skew: 0,
            samples: samples.to_owned(),
        }
    }

    pub(crate) fn per_frame(mut self, per_frame: usize) -> Self {
        self.per_frame = per_frame;
        self
    }

    pub(crate) fn skew(mut self, skew: usize) -> Self {
        self.skew = skew;
        self
    }
}

/// The signals of one sample file.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) file: String,
    pub(crate) format: u32,
    pub(crate) preamble: Vec<u8>,
    pub(crate) signals: Vec<Stored>,
}

impl Group {
    pub(crate) fn new(file: &str, format: u32, signals: &[Stored]) -> Self {
        Self {
            file: file.to_owned(),
            format,
            preamble: Vec::new(),
            signals: signals.to_owned(),
        }
    }

    pub(crate) fn preamble(mut self, preamble: &[u8]) -> Self {
        self.preamble = preamble.to_owned();
        self
    }

    fn frames(&self) -> usize {
        let first = &self.signals[0];
        first.samples.len() / first.per_frame
    }

    /// All samples of the file in their order.
    fn flat(&self) -> Vec<i32> {
        let mut flat = Vec::new();
        for frame in 0..self.frames() {
            for signal in &self.signals {
                let from = frame * signal.per_frame;
                flat.extend(&signal.samples[from..from + signal.per_frame]);
            }
        }
        flat
    }
}

/// Writes a plain record and gives the path of its header. `record` is the record line's name and rate,
/// such as `100 360`; the counts are filled in.
pub(crate) fn write(folder: &Path, name: &str, rate: &str, groups: &[Group]) -> PathBuf {
    let signals: usize = groups.iter().map(|group| group.signals.len()).sum();
    let frames = groups.first().map_or(0, Group::frames);
    let mut text = format!("{name} {signals} {rate} {frames}\n");
    for group in groups {
        for signal in &group.signals {
            let Group { file, format, .. } = group;
            write!(text, "{file} {format}").unwrap();
            if signal.per_frame > 1 {
                write!(text, "x{}", signal.per_frame).unwrap();
            }
            if signal.skew > 0 {
                write!(text, ":{}", signal.skew).unwrap();
            }
            if !group.preamble.is_empty() {
                write!(text, "+{}", group.preamble.len()).unwrap();
            }
            let sum = signal
                .samples
                .iter()
                .fold(0_i64, |sum, s| sum + i64::from(*s));
            let checksum = (sum.rem_euclid(65_536) + 32_768) % 65_536 - 32_768;
            let Stored {
                calibration,
                description,
                ..
            } = signal;
            writeln!(text, " {calibration} {checksum} 0 {description}").unwrap();
        }
        let mut bytes = group.preamble.clone();
        bytes.extend(encode(group.format, &group.flat()));
        fs::write(folder.join(&group.file), bytes).unwrap();
    }
    write_header(folder, name, &text)
}

/// Three plain records, `x1` with a and b, `x2` with only b, `x3` with b and a, of three frames each.
pub(crate) fn write_segments(folder: &Path) {
    let a = |samples: &[i32; 6]| Stored::new("a", "100/uV 12 0 0", samples).per_frame(2);
    let b = |samples: &[i32; 3]| Stored::new("b", "200/mV 12 0 0", samples);
    for (name, format, signals) in [
        (
            "x1",
            212,
            vec![a(&[1, 2, 3, 4, 5, -2_048]), b(&[-1, -2, -3])],
        ),
        ("x2", 16, vec![b(&[-4, -32_768, -6])]),
        ("x3", 80, vec![b(&[-7, -8, -9]), a(&[7, 8, 9, 10, 11, 12])]),
    ] {
        let file = format!("{name}.dat");
        write(folder, name, "125", &[Group::new(&file, format, &signals)]);
    }
}

/// Writes a header as it is given.
pub(crate) fn write_header(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(format!("{name}.hea"));
    fs::write(&path, text).unwrap();
    path
}

/// Packs samples as signal(5) says.
pub(crate) fn encode(format: u32, samples: &[i32]) -> Vec<u8> {
    match format {
        16 => samples
            .iter()
            .flat_map(|sample| [low_byte(*sample), low_byte(*sample >> 8)])
            .collect(),
        80 => samples
            .iter()
            .map(|sample| low_byte(*sample + 128))
            .collect(),
        212 => {
            let mut bytes = Vec::new();
            for pair in samples.chunks(2) {
                let second = pair.get(1).copied();
                let bits = (pair[0] & 0xfff)
                    | (second.unwrap_or(0) & 0xf00) << 4
                    | (second.unwrap_or(0) & 0x0ff) << 16;
                bytes.extend([low_byte(bits), low_byte(bits >> 8)]);
                if second.is_some() {
                    bytes.push(low_byte(bits >> 16));
                }
            }
            bytes
        }
        _ => panic!("format {format} is not written here"),
    }
}

fn low_byte(value: i32) -> u8 {
    u8::try_from(value & 0xff).unwrap()
}
