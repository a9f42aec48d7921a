//! `devices probe`: what answers on one bus or line, by reading only.

use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use wardlink_firmware_shim::device::Device;
use wardlink_firmware_shim::linux;
use wardlink_firmware_shim::reading::{Absence, Body};

use super::{nothing, read};

pub(super) fn run(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let name = path.file_name().and_then(|name| name.to_str());
    let found = if name.is_some_and(|name| name.starts_with("i2c-")) {
        linux::scan_i2c(path).map(|addresses| {
            let answers = addresses.into_iter();
            answers
                .map(|address| (format!("{address:#04x}"), at(address).to_owned()))
                .collect::<Vec<_>>()
        })
    } else {
        listen(path)
    };
    let found = match found {
        Ok(found) => found,
        Err(fault) => return nothing(&fault.to_string()),
    };
    if as_json {
        let answers: Vec<_> = found
            .iter()
            .map(|(what, says)| json!({"answers": what, "says": says}))
            .collect();
        writeln!(
            stdout(),
            "{}",
            json!({"path": path.display().to_string(), "found": answers})
        )?;
    } else {
        for (what, says) in &found {
            writeln!(stdout(), "{what:<12} {says}")?;
        }
    }
    if found.is_empty() {
        return nothing(&format!(
            "{}: nothing that is known answers",
            path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first driver that understands what comes on a line, with something that it read.
fn listen(path: &Path) -> Result<Vec<(String, String)>, wardlink_firmware_shim::device::Fault> {
    let mut found = Vec::new();
    for (driver, make) in LINES {
        let mut device = make(path);
        // A line that cannot be opened fails for all drivers alike.
        device.start()?;
        let streams = device.streams().to_vec();
        let Ok(readings) = read::once(device.as_mut(), PATIENCE) else {
            continue;
        };
        // What a device says of a sensor that is off is understood too.
        let understood = readings.iter().find_map(|reading| {
            let stream = streams.get(reading.stream)?;
            is_said(&reading.body)
                .then(|| format!("{} {}", stream.name, super::text::words(stream, reading)))
        });
        if let Some(words) = understood {
            found.push((driver.to_owned(), words));
            break;
        }
    }
    Ok(found)
}

/// Whether it takes a whole frame to say this.
const fn is_said(body: &Body) -> bool {
    match body {
        Body::Numeric { .. } => true,
        Body::Absent { reason, .. } => matches!(
            reason,
            Absence::NotAvailable | Absence::SensorOff | Absence::BadSignal
        ),
        Body::Samples { .. } | Body::Alarm { .. } => false,
    }
}

/// What is usually found at an address; the datasheets of the drivers here.
const fn at(address: u8) -> &'static str {
    match address {
        0x48..=0x4b => "TMP117, MAX30205 or ADS1115",
        0x57 => "MAX30102",
        0x5a => "MLX90614",
        _ => "unknown",
    }
}

type Make = fn(&Path) -> Box<dyn Device>;
/// Those with checksums and words first: what they understand is no accident.
const LINES: [(&str, Make); 6] = [
    ("masimo", linux::masimo),
    ("ivy450c", linux::ivy450c),
    ("nonin 2", |path| linux::nonin(path, 2)),
    ("nonin 7", |path| linux::nonin(path, 7)),
    ("cms50d", linux::cms50d),
    ("nonin 8", |path| linux::nonin(path, 8)),
];
/// Much longer than the pause of a device that speaks once a second; a silent line gives up before.
const PATIENCE: Duration = Duration::from_secs(10);
