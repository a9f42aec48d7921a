//! A listener on a line: silence, wrong bytes, and coming back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::line::{ByteSource, Listener};
use wardlink_firmware_shim::drivers::masimo::Masimo;
use wardlink_firmware_shim::drivers::nonin::Format13;
use wardlink_firmware_shim::reading::Absence;

use super::{numbers, oximeters, whole};

#[test]
fn a_line_that_fell_silent_counts_as_found_when_a_whole_frame_was_heard_and_not_before() {
    let line = Line::default();
    let mut device = Listener::new(Ready::new("line", line.clone()), Masimo::default());
    device.start().unwrap();
    let mut readings = Vec::new();
    let fault = (0..100)
        .find_map(|_| device.poll(&mut readings).err())
        .unwrap();
    assert_eq!(fault.kind, FaultKind::NoResponse);
    assert_eq!(numbers(&readings, 0), [Err(Absence::NoResponse)]);
    // The adapter still opens, but nothing speaks: that is no device found.
    for _ in 0..3 {
        assert_eq!(device.start().unwrap_err().kind, FaultKind::NoResponse);
    }
    let said = oximeters::masimo("098", "072", "05.52", 0, 0);
    line.say(&said[..20]);
    assert_eq!(device.start().unwrap_err().kind, FaultKind::NoResponse);
    line.say(&said);
    device.start().unwrap();
    // What proved it is not lost.
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    assert_eq!(numbers(&readings, 0), [whole(98)]);
}

#[test]
fn bytes_of_another_rate_are_named_with_the_settings_to_check() {
    let line = Line::default();
    line.say(&[0x55; 4000]);
    let mut device = Listener::new(Ready::new("line", line), Masimo::default());
    device.start().unwrap();
    let mut readings = Vec::new();
    let fault = (0..100)
        .find_map(|_| device.poll(&mut readings).err())
        .unwrap();
    assert_eq!(fault.kind, FaultKind::Garbled);
    assert!(
        fault.detail.contains("Masimo ASCII 1") && fault.detail.contains("9600 8N1"),
        "{fault}"
    );
    assert_eq!(numbers(&readings, 1), [Err(Absence::Garbled)]);
}

#[test]
fn an_oximeter_of_spot_checks_may_be_silent() {
    let line = Line::default();
    let mut device = Listener::new(Ready::new("line", line.clone()), Format13::default());
    device.start().unwrap();
    let mut readings = Vec::new();
    for _ in 0..100 {
        device.poll(&mut readings).unwrap();
    }
    assert!(readings.is_empty());
    line.say(&oximeters::format13(72, 97, 0));
    device.poll(&mut readings).unwrap();
    assert_eq!(numbers(&readings, 0), [whole(97)]);
}

/// A line that gives what was said into it, and is quiet after that.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<VecDeque<u8>>>);

impl Line {
    fn say(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend(bytes);
    }
}

impl ByteSource for Line {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut held = self.0.lock().unwrap();
        let count = held.len().min(buffer.len());
        for (slot, byte) in buffer.iter_mut().zip(held.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}
