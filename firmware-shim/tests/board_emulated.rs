//! A sensor board under QEMU, its line read as the gateway reads a serial line: `make test-firmware`.
//!
//! The firmware runs the gateway's own drivers on a Cortex-M4. Its thermometer is QEMU's TMP105, which begins
//! with 9 bits: only a driver that sets 12 reads a quarter of a degree.
#![cfg(feature = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wardlink_firmware_shim::linux::board;
use wardlink_firmware_shim::reading::{Body, Decimal, Reading};

#[test]
#[ignore = "needs the firmware and QEMU: make test-firmware"]
fn a_board_under_emulation_is_read_to_the_last_digit() {
    let firmware = std::env::var("WARDLINK_SENSOR_BOARD").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp");
    let (_emulator, line) = Emulator::start(&firmware, &socket);
    let mut device = board(&line);
    device.start().unwrap();
    set_temperature(&socket, 38_250);
    let mut readings = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !(has_temperature(&readings, Decimal::new(382_500, -4)) && light(&readings).len() > 200) {
        assert!(Instant::now() < deadline, "{readings:?}");
        // An emulator that gets no time for seconds looks like a silent line; what it says to nobody is lost.
        if device.poll(&mut readings).is_err() {
            readings.clear();
            while let Err(fault) = device.start() {
                assert!(Instant::now() < deadline, "{fault}");
            }
        }
    }
    // The model's light counts up, over 255 from 0 again; the line may have been joined in the middle.
    let light = light(&readings);
    for pair in light.windows(2) {
        assert_eq!((pair[0] - 1000 + 1) % 256, pair[1] - 1000);
    }
    eprintln!(
        "{} readings of the board, 38.25 degrees among them, {} samples of light without a gap",
        readings.len(),
        light.len()
    );
}

/// QEMU, until it is dropped.
struct Emulator(Child);

impl Emulator {
    /// Starts it and says where its serial line is.
    fn start(firmware: &str, socket: &Path) -> (Self, PathBuf) {
        let qmp = format!("unix:{},server=on,wait=off", socket.display());
        let mut child = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an386", "-display", "none", "-nic", "none"])
            .args(["-monitor", "none", "-serial", "pty", "-qmp", &qmp])
            .args(["-device", "tmp105,id=skin,address=0x48"])
            .args(["-kernel", firmware])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let emulator = Self(child);
        // "char device redirected to /dev/pts/3 (label serial0)"
        let line = said.find_map(|line| {
            let path = line
                .unwrap()
                .split(' ')
                .find(|word| word.starts_with("/dev/"))?
                .to_owned();
            Some(PathBuf::from(path))
        });
        (emulator, line.unwrap())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Warms the emulated chip, once QEMU listens.
fn set_temperature(socket: &Path, millicelsius: i32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "QEMU does not listen: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let set = format!(
        "{{\"execute\":\"qom-set\",\"arguments\":{{\"path\":\"/machine/peripheral/skin\",\
         \"property\":\"temperature\",\"value\":{millicelsius}}}}}\n"
    );
    for command in ["{\"execute\":\"qmp_capabilities\"}\n", &set] {
        stream.write_all(command.as_bytes()).unwrap();
    }
    // The greeting, then an answer to each.
    for _ in 0..3 {
        let answer = answers.next().unwrap().unwrap();
        assert!(!answer.contains("\"error\""), "{answer}");
    }
}

fn has_temperature(readings: &[Reading], wanted: Decimal) -> bool {
    readings.iter().any(|reading| {
        reading.stream == 0
            && matches!(reading.body, Body::Numeric { value, .. } if value == wanted)
    })
}

/// Samples of the red diode since the last that is missing.
fn light(readings: &[Reading]) -> Vec<i32> {
    let mut samples = Vec::new();
    for reading in readings.iter().filter(|reading| reading.stream == 1) {
        match &reading.body {
            Body::Samples { values, .. } => samples.extend(values),
            _ => samples.clear(),
        }
    }
    samples
}
