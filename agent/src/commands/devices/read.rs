//! `devices read-once`: one reading of one device.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::json;
use wardlink_agent::clock;
use wardlink_agent::devices::{StreamNumbers, attach};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::reading::{Reading, StreamKind, StreamSpec};
use wardlink_wire::profile::DeviceSettings;

use super::{Selection, nothing, text, wrong};

pub(super) fn run(selection: &Selection, timeout: u64, as_json: bool) -> anyhow::Result<ExitCode> {
    let settings = match selection.settings() {
        Ok(settings) => settings,
        Err(faults) => return wrong(&faults),
    };
    let (mut device, _) = attach(&settings, &StreamNumbers::default());
    let streams = device.streams().to_vec();
    match once(device.as_mut(), Duration::from_secs(timeout)) {
        Ok(readings) => {
            say(&settings, &streams, &readings, as_json)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => nothing(&why),
    }
}

/// The first reading of each stream that said something; waits a little for the slower ones.
pub(super) fn once(device: &mut dyn Device, patience: Duration) -> Result<Vec<Reading>, String> {
    let deadline = clock::monotonic().saturating_add(patience);
    while let Err(fault) = device.start() {
        // What cannot be opened or is another device will not be another one by waiting.
        let hopeless = matches!(fault.kind, FaultKind::Unopened | FaultKind::OtherDevice);
        if hopeless || clock::monotonic() >= deadline {
            return Err(fault.to_string());
        }
        thread::sleep(PAUSE);
    }
    let mut first: Vec<Option<Reading>> = vec![None; device.streams().len()];
    let mut enough = deadline;
    loop {
        let mut readings = Vec::new();
        let polled = device.poll(&mut readings);
        let heard = first.iter().any(Option::is_some);
        if let (Err(fault), false) = (&polled, heard) {
            return Err(fault.to_string());
        }
        for reading in readings {
            if let Some(slot @ None) = first.get_mut(reading.stream) {
                *slot = Some(reading);
            }
        }
        if !heard && first.iter().any(Option::is_some) {
            enough = clock::monotonic().saturating_add(REST).min(deadline);
        }
        let mut numbers = device.streams().iter().zip(&first);
        let complete =
            numbers.all(|(spec, said)| spec.kind != StreamKind::Numeric || said.is_some());
        if complete || polled.is_err() || clock::monotonic() >= enough {
            break;
        }
        thread::sleep(device.period().min(PAUSE));
    }
    let readings: Vec<_> = first.into_iter().flatten().collect();
    if readings.is_empty() {
        let seconds = patience.as_secs();
        return Err(format!("the device gave nothing within {seconds} s"));
    }
    Ok(readings)
}

fn say(
    settings: &DeviceSettings,
    streams: &[StreamSpec],
    readings: &[Reading],
    as_json: bool,
) -> anyhow::Result<()> {
    let said = readings
        .iter()
        .filter_map(|reading| Some((streams.get(reading.stream)?, reading)));
    let (driver, bus) = (settings.driver.name(), settings.bus.name());
    if as_json {
        let readings: Vec<_> = said
            .map(|(stream, reading)| text::json(stream, reading))
            .collect();
        let all = json!({"driver": driver, "bus": bus, "readings": readings});
        writeln!(stdout(), "{all}")?;
        return Ok(());
    }
    writeln!(stdout(), "{driver} on {bus}")?;
    for (stream, reading) in said {
        let words = text::words(stream, reading);
        writeln!(stdout(), "  {:<28} {words}", stream.name)?;
    }
    Ok(())
}

const PAUSE: Duration = Duration::from_millis(100);
/// How long the slower streams are waited for after the first reading.
const REST: Duration = Duration::from_secs(2);
