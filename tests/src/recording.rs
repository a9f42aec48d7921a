//! Small recordings in the format of WFDB (header(5) and signal(5) of its guide), written for a test that
//! knows every sample.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One signal of a record: `None` is a sample that the source marks as missing.
#[derive(Debug, Clone)]
pub struct Signal {
    /// What the header calls it.
    pub name: &'static str,
    /// Gain, baseline and unit as the header writes them.
    pub calibration: &'static str,
    /// Samples of this signal in each frame.
    pub per_frame: usize,
    /// All of them.
    pub samples: Vec<Option<i32>>,
}

/// Signals that share a file of one format.
#[derive(Debug, Clone)]
pub struct File {
    /// 16, 80 or 212.
    pub format: u32,
    /// Bytes before the first sample.
    pub offset: usize,
    /// The signals, interleaved frame by frame.
    pub signals: Vec<Signal>,
}

/// Writes one record and gives out the path of its header.
#[must_use]
pub fn write(folder: &Path, name: &str, frames_a_second: u32, files: &[File]) -> PathBuf {
    let frames = frames(files);
    let signals: usize = files.iter().map(|file| file.signals.len()).sum();
    let mut header = format!("{name} {signals} {frames_a_second} {frames}\n");
    for (number, file) in files.iter().enumerate() {
        let data = format!("{name}-{number}.dat");
        for signal in &file.signals {
            header.push_str(&signal_line(&data, file, signal));
        }
        let mut bytes = vec![0xa5; file.offset];
        bytes.extend(encode(file.format, &interleaved(file, frames)));
        fs::write(folder.join(data), bytes).expect("samples are written");
    }
    write_header(folder, name, &header)
}

/// Writes a record of segments, whose layout lists every signal; `None` is a pause of so many frames.
#[must_use]
pub fn write_segments(
    folder: &Path,
    name: &str,
    frames_a_second: u32,
    layout: &[Signal],
    segments: &[Result<Vec<File>, usize>],
) -> PathBuf {
    let mut lines = String::new();
    let mut total = 0;
    for (number, segment) in segments.iter().enumerate() {
        let frames = match segment {
            Ok(files) => {
                let part = format!("{name}_{number}");
                let _header: PathBuf = write(folder, &part, frames_a_second, files);
                let frames = frames(files);
                writeln!(lines, "{part} {frames}").expect("a string takes everything");
                frames
            }
            Err(pause) => {
                writeln!(lines, "~ {pause}").expect("a string takes everything");
                *pause
            }
        };
        total += frames;
    }
    let signals = layout.len();
    let mut listed = format!("{name}_layout {signals} {frames_a_second} 0\n");
    for signal in layout {
        let Signal {
            calibration, name, ..
        } = signal;
        let per_frame = match signal.per_frame {
            1 => String::new(),
            more => format!("x{more}"),
        };
        writeln!(listed, "~ 0{per_frame} {calibration} 0 0 0 0 {name}")
            .expect("a string takes everything");
    }
    let _layout: PathBuf = write_header(folder, &format!("{name}_layout"), &listed);
    let count = segments.len() + 1;
    let master =
        format!("{name}/{count} {signals} {frames_a_second} {total}\n{name}_layout 0\n{lines}");
    write_header(folder, name, &master)
}

fn signal_line(data: &str, file: &File, signal: &Signal) -> String {
    let mut format = file.format.to_string();
    if signal.per_frame > 1 {
        write!(format, "x{}", signal.per_frame).expect("a string takes everything");
    }
    if file.offset > 0 {
        write!(format, "+{}", file.offset).expect("a string takes everything");
    }
    let stored = |sample: &Option<i32>| i64::from(sample.unwrap_or(missing(file.format)));
    let sum: i64 = signal.samples.iter().map(stored).sum();
    let checksum = (sum + 32_768).rem_euclid(65_536) - 32_768;
    let first = signal.samples.first().map_or(0, stored);
    let Signal {
        calibration, name, ..
    } = signal;
    format!("{data} {format} {calibration} 0 {first} {checksum} 0 {name}\n")
}

fn write_header(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(format!("{name}.hea"));
    fs::write(&path, text).expect("the header is written");
    path
}

fn frames(files: &[File]) -> usize {
    let first = files.first().and_then(|file| file.signals.first());
    first.map_or(0, |signal| signal.samples.len() / signal.per_frame)
}

fn interleaved(file: &File, frames: usize) -> Vec<i32> {
    let mut flat = Vec::new();
    for frame in 0..frames {
        for signal in &file.signals {
            let samples = signal.samples.iter().skip(frame * signal.per_frame);
            let stored = samples.take(signal.per_frame);
            flat.extend(stored.map(|sample| sample.unwrap_or(missing(file.format))));
        }
    }
    flat
}

/// What stands for a missing sample: the lowest number that the format can write.
fn missing(format: u32) -> i32 {
    match format {
        16 => -32_768,
        80 => -128,
        212 => -2_048,
        other => panic!("format {other} is not written here"),
    }
}

fn encode(format: u32, samples: &[i32]) -> Vec<u8> {
    let byte = |value: i32| u8::try_from(value & 0xff).expect("eight bits");
    match format {
        16 => samples
            .iter()
            .flat_map(|sample| [byte(*sample), byte(sample >> 8)])
            .collect(),
        80 => samples.iter().map(|sample| byte(sample + 128)).collect(),
        212 => samples
            .chunks(2)
            .flat_map(|pair| {
                let (first, second) = (pair[0], pair.get(1).copied().unwrap_or(0));
                let middle = ((first >> 8) & 0x0f) | ((second >> 4) & 0xf0);
                [byte(first), byte(middle), byte(second)]
            })
            .collect(),
        other => panic!("format {other} is not written here"),
    }
}
