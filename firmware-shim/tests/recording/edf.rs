//! A writer of EDF and EDF+ for tests, field by field as the standards have them.

use std::fs;
use std::path::{Path, PathBuf};

/// One signal: its records, each of so many samples.
pub(crate) struct Signal {
    pub(crate) label: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) physical: [&'static str; 2],
    pub(crate) digital: [&'static str; 2],
    pub(crate) records: Vec<Vec<i16>>,
}

/// An annotation signal with one text a record.
pub(crate) fn annotations(texts: &[&str]) -> Signal {
    let records = texts.iter().map(|text| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(24, 0);
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    });
    Signal {
        label: "EDF Annotations",
        unit: "",
        physical: ["-1", "1"],
        digital: ["-32768", "32767"],
        records: records.collect(),
    }
}

/// Writes `name` with this reserved field and so many seconds a record.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    reserved: &str,
    seconds: &str,
    signals: &[Signal],
) -> PathBuf {
    let records = signals[0].records.len();
    let mut text = String::new();
    let mut field = |value: &str, width: usize| text.push_str(&format!("{value:width$}"));
    field("0", 8);
    field("X X X X", 80);
    field("Startdate X X X X", 80);
    field("01.01.01", 8);
    field("00.00.00", 8);
    field(&(256 * (signals.len() + 1)).to_string(), 8);
    field(reserved, 44);
    field(&records.to_string(), 8);
    field(seconds, 8);
    field(&signals.len().to_string(), 4);
    let mut each = |width, value: &dyn Fn(&Signal) -> String| {
        for signal in signals {
            field(&value(signal), width);
        }
    };
    each(16, &|signal| signal.label.to_owned());
    each(80, &|_| "electrode".to_owned());
    each(8, &|signal| signal.unit.to_owned());
    each(8, &|signal| signal.physical[0].to_owned());
    each(8, &|signal| signal.physical[1].to_owned());
    each(8, &|signal| signal.digital[0].to_owned());
    each(8, &|signal| signal.digital[1].to_owned());
    each(80, &|_| "HP:0.1Hz".to_owned());
    each(8, &|signal| signal.records[0].len().to_string());
    each(32, &|_| String::new());
    let mut bytes = text.into_bytes();
    for record in 0..records {
        for signal in signals {
            bytes.extend(signal.records[record].iter().flat_map(|s| s.to_le_bytes()));
        }
    }
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}
