//! Profiles: what gateways measure in these tests.

use std::fmt::Write as _;
use std::path::Path;

/// The four simulated devices, each faster than life by a factor; lanes close their batches quickly.
#[must_use]
pub fn four_devices(speed: u32) -> String {
    let mut text = lanes("100ms");
    for (id, settings) in [
        ("temperature", "driver = \"tmp117\"\nperiod = \"50ms\""),
        ("ppg", "driver = \"max30102\"\nrate = 100"),
        ("ecg", "driver = \"ads1292r\"\nrate = 250"),
        ("oximeter", "driver = \"nonin\""),
    ] {
        text.push_str(&simulated(id, settings, speed));
    }
    text
}

/// One thermometer that is read twenty times a second.
#[must_use]
pub fn thermometer() -> String {
    let settings = "driver = \"tmp117\"\nperiod = \"50ms\"";
    lanes("100ms") + &simulated("temperature", settings, 1)
}

/// A front end that plays a recording.
#[must_use]
pub fn recording(header: &Path, speed: u32) -> String {
    let settings = format!(
        "driver = \"frontend\"\nrecording = {:?}",
        header.display().to_string()
    );
    lanes("200ms") + &simulated("frontend", &settings, speed)
}

/// A Nonin oximeter on a line of this machine.
#[must_use]
pub fn oximeter(line: &Path) -> String {
    let bus = line.display().to_string();
    lanes("100ms") + &format!("[[device]]\nid = \"oximeter\"\ndriver = \"nonin\"\nbus = {bus:?}\n")
}

/// The head of a profile whose lanes close their batches after `age`.
#[must_use]
pub fn lanes(age: &str) -> String {
    let mut text = "schema = 1\n".to_owned();
    for lane in ["vital", "event", "wave"] {
        write!(text, "[lanes.{lane}]\nage = \"{age}\"\n").expect("a string takes everything");
    }
    text
}

/// One simulated device.
#[must_use]
pub fn simulated(id: &str, settings: &str, speed: u32) -> String {
    format!(
        "[[device]]\nid = \"{id}\"\n{settings}\nbus = \"sim\"\n[device.simulation]\nspeed = {speed}.0\n"
    )
}
