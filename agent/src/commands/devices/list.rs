//! `devices list`: what is configured, and what this machine has.

use std::fs;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use wardlink_agent::config::Settings;

use super::wrong;

pub(super) fn run(config: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut configured = Vec::new();
    if let Some(config) = config {
        match Settings::load(config) {
            Ok(settings) => {
                let devices = settings.profile.enrolled.devices.iter();
                configured.extend(devices.map(|device| {
                    let (driver, bus) = (device.driver.name(), device.bus.name());
                    (device.id.to_string(), driver, bus)
                }));
            }
            Err(faults) => return wrong(&format!("{}: {faults}", config.display())),
        }
    }
    let machine = PLACES.map(|(kind, folder, prefixes)| (kind, found(folder, prefixes)));
    if as_json {
        let devices: Vec<_> = configured
            .iter()
            .map(|(id, driver, bus)| json!({"id": id, "driver": driver, "bus": bus}))
            .collect();
        let machine: serde_json::Map<_, _> = machine
            .into_iter()
            .map(|(kind, paths)| (kind.to_owned(), json!(paths)))
            .collect();
        let all = json!({"configured": devices, "machine": machine});
        writeln!(stdout(), "{all}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = stdout().lock();
    if config.is_some() {
        writeln!(out, "configured")?;
        for (id, driver, bus) in &configured {
            writeln!(out, "  {id:<20} {driver:<10} {bus}")?;
        }
    }
    for (kind, paths) in machine {
        writeln!(out, "{kind}")?;
        for path in &paths {
            writeln!(out, "  {path}")?;
        }
        if paths.is_empty() {
            writeln!(out, "  none")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The files of a folder whose names begin with one of the prefixes; a link with what it leads to.
fn found(folder: &str, prefixes: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            prefixes
                .iter()
                .any(|prefix| name.starts_with(prefix))
                .then_some(())?;
            let path = entry.path();
            let leads_to = fs::canonicalize(&path)
                .ok()
                .filter(|target| *target != path);
            Some(match leads_to {
                Some(target) => format!("{} -> {}", path.display(), target.display()),
                None => path.display().to_string(),
            })
        })
        .collect();
    paths.sort();
    paths
}

/// Kinds of buses and lines, and where Linux shows them. The names by id survive a replug.
const PLACES: [(&str, &str, &[&str]); 5] = [
    ("i2c", "/dev", &["i2c-"]),
    ("spi", "/dev", &["spidev"]),
    ("gpio", "/dev", &["gpiochip"]),
    ("serial-by-id", "/dev/serial/by-id", &[""]),
    ("serial", "/dev", &["ttyUSB", "ttyACM", "ttyAMA", "ttyS"]),
];
