//! A sensor board under QEMU, read by the gateway's decoder: `make test-firmware`.
//!
//! The firmware runs the gateway's own drivers on a Cortex-M4. Its thermometer is QEMU's TMP105, which begins
//! with 9 bits: only a driver that sets 12 reads a quarter of a degree.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use wardlink_firmware_shim::drivers::board::Board;
use wardlink_firmware_shim::reading::{Body, Decimal, Reading};

#[test]
#[ignore = "needs the firmware and QEMU: make test-firmware"]
fn a_board_under_emulation_is_read_to_the_last_digit() {
    let firmware = std::env::var("WARDLINK_SENSOR_BOARD").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp");
    let mut emulator = Emulator::start(&firmware, &socket);
    let mut line = emulator.0.stdout.take().unwrap();
    let (sender, bytes) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = line.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    set_temperature(&socket, 38_250);
    let mut board = Board::default();
    let mut readings = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !(has_temperature(&readings, Decimal::new(382_500, -4)) && light(&readings).len() > 200) {
        let left = deadline.saturating_duration_since(Instant::now());
        let more = bytes.recv_timeout(left);
        board.push(
            &more.unwrap_or_else(|_| panic!("{readings:?}")),
            &mut readings,
        );
    }
    assert_eq!(board.astray(), 0);
    for (place, value) in light(&readings).into_iter().enumerate() {
        assert_eq!(value, 1000 + i32::try_from(place % 256).unwrap());
    }
    eprintln!(
        "{} readings of the board, 38.25 degrees among them, {} samples of light without a gap",
        readings.len(),
        light(&readings).len()
    );
}

/// QEMU, until it is dropped.
struct Emulator(Child);

impl Emulator {
    fn start(firmware: &str, socket: &Path) -> Self {
        let qmp = format!("unix:{},server=on,wait=off", socket.display());
        let child = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an386", "-display", "none", "-nic", "none"])
            .args(["-monitor", "none", "-serial", "stdio", "-qmp", &qmp])
            .args(["-device", "tmp105,id=skin,address=0x48"])
            .args(["-kernel", firmware])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
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

/// Samples of the red diode, none of which may be missing.
fn light(readings: &[Reading]) -> Vec<i32> {
    let red = readings.iter().filter(|reading| reading.stream == 1);
    red.flat_map(|reading| match &reading.body {
        Body::Samples { values, .. } => values.clone(),
        other => panic!("{other:?}"),
    })
    .collect()
}
