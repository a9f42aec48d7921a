//! A Nonin oximeter (serial data format 2) at the other end of a pseudo terminal, in the hands of a test.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// An oximeter that is plugged in. It says "no value" until it is told something better, and is unplugged
/// when it is dropped.
#[derive(Debug)]
pub struct Oximeter {
    orders: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
}

impl Oximeter {
    /// Plugs one in; the line appears at `path`, as a link like those of udev.
    #[must_use]
    pub fn plugged_in(path: &Path) -> Self {
        let (terminal, line) = terminal();
        if path.symlink_metadata().is_ok() {
            fs::remove_file(path).expect("the old link goes away");
        }
        symlink(line, path).expect("the line gets its name");
        let (orders, ordered) = mpsc::channel();
        let writer = thread::spawn(move || write(&terminal, &ordered));
        Self {
            orders: Some(orders),
            writer: Some(writer),
        }
    }

    /// Sends bytes between two packets, as soon as it is their turn.
    pub fn send(&self, bytes: Vec<u8>) {
        let orders = self.orders.as_ref().expect("it is plugged in");
        orders.send(bytes).expect("the writer writes");
    }
}

impl Drop for Oximeter {
    /// Unplugs it: the terminal is hung up.
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// One packet: 25 frames, in which the pleth is the same all the time.
#[must_use]
pub fn packet(spo2: u8, heart_rate: u16, pleth: u8) -> Vec<u8> {
    frames(0, spo2, heart_rate, pleth)
}

/// One packet of an oximeter whose sensor is not connected.
#[must_use]
pub fn packet_without_sensor() -> Vec<u8> {
    frames(1 << 6, NO_SPO2, NO_HEART_RATE, 0)
}

fn frames(status: u8, spo2: u8, heart_rate: u16, pleth: u8) -> Vec<u8> {
    let [high, low] = (heart_rate << 1).to_be_bytes();
    let mut bytes = Vec::with_capacity(FRAMES * 5);
    for place in 0..FRAMES {
        let sync = u8::from(place == 0);
        let other = match place {
            0 => high,
            1 => low >> 1,
            2 => spo2,
            _ => 0,
        };
        let frame = [1, 1 << 7 | status | sync, pleth, other];
        bytes.extend(frame);
        bytes.push(frame.into_iter().fold(0, u8::wrapping_add));
    }
    bytes
}

/// A new terminal: our end, and the path of the other.
fn terminal() -> (OwnedFd, PathBuf) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .expect("a pseudo terminal");
    grantpt(&ours).expect("the terminal is ours");
    unlockpt(&ours).expect("the terminal opens");
    fcntl_setfl(&ours, OFlags::NONBLOCK).expect("writing does not wait");
    let mut modes = tcgetattr(&ours).expect("the terminal's modes");
    modes.make_raw();
    tcsetattr(&ours, OptionalActions::Now, &modes).expect("the terminal takes bytes as they are");
    let name = ptsname(&ours, Vec::new()).expect("the terminal has a name");
    let path = PathBuf::from(name.to_str().expect("the name of a terminal is ASCII"));
    (ours, path)
}

/// Writes what is ordered, and idle packets in between, until nobody orders any more.
fn write(terminal: &OwnedFd, ordered: &mpsc::Receiver<Vec<u8>>) {
    let mut queue = VecDeque::new();
    let mut rest = Vec::new();
    loop {
        match ordered.recv_timeout(PACE) {
            Ok(bytes) => queue.push_back(bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if rest.is_empty() {
            let idle = || packet(NO_SPO2, NO_HEART_RATE, 0);
            rest = queue.pop_front().unwrap_or_else(idle);
        }
        // What finds no room, because nobody listens now, waits for the next time.
        let written = rustix::io::write(terminal, &rest).unwrap_or(0);
        rest.drain(..written);
    }
}

/// The oximeter's word for "none".
pub const NO_SPO2: u8 = 127;
/// The oximeter's word for "none".
pub const NO_HEART_RATE: u16 = 511;
const FRAMES: usize = 25;
/// Ten times as fast as life.
const PACE: Duration = Duration::from_millis(33);
