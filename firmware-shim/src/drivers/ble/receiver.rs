//! A health device on Bluetooth Low Energy that is only listened to: a characteristic's values behind a port.
//!
//! A [`Notifications`] gives the values that a device sends; a [`Receiver`] makes readings of them. Promises that a
//! value of another length than its flags announce is an absence (not understood), that a device which measures
//! all the time and falls silent says so once in every stream that had values, and that a link which breaks is a
//! fault: connecting again is the next start.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::Characteristic;
use crate::device::{Device, Fault};
use crate::drivers::numeric;
use crate::drivers::port::{Port, not_started};
use crate::reading::{Absence, Reading, StreamSpec};

/// A connected device whose characteristic is subscribed to.
pub trait Notifications: Send {
    /// Takes the oldest value that was notified and not taken yet; false if there is none. Never waits.
    ///
    /// # Errors
    /// When the device has disconnected, or whoever receives for us has failed.
    fn take(&mut self, value: &mut Vec<u8>) -> Result<bool, Fault>;
}

/// One characteristic of a device.
#[derive(Debug)]
pub struct Receiver<P: Port> {
    port: P,
    link: Option<P::Bus>,
    characteristic: Characteristic,
    streams: Vec<StreamSpec>,
    /// Which streams had a value since the last silence.
    alive: Vec<bool>,
    /// Polls in a row without a value.
    quiet: u32,
    value: Vec<u8>,
}

impl<P: Port> Receiver<P>
where
    P::Bus: Notifications,
{
    /// Receives one characteristic of the device behind a port.
    #[must_use]
    pub fn new(port: P, characteristic: Characteristic) -> Self {
        let streams = characteristic.streams();
        Self {
            port,
            link: None,
            characteristic,
            alive: vec![false; streams.len()],
            streams,
            quiet: 0,
            value: Vec::new(),
        }
    }

    fn receive(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let Some(link) = &mut self.link else {
            return Err(not_started(&self.port.name()));
        };
        self.quiet = self.quiet.saturating_add(1);
        for _ in 0..MOST_VALUES {
            if !link.take(&mut self.value)? {
                break;
            }
            self.quiet = 0;
            if self.characteristic.decode(&self.value, readings).is_err() {
                readings.push(numeric::absent(0, Absence::Garbled, 1, None));
            }
        }
        Ok(())
    }

    fn say_silence(&mut self, readings: &mut Vec<Reading>) {
        for (stream, alive) in self.alive.iter_mut().enumerate() {
            if mem::take(alive) {
                readings.push(numeric::absent(stream, Absence::NoResponse, 0, None));
            }
        }
    }
}

impl<P: Port> Device for Receiver<P>
where
    P::Bus: Notifications,
{
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.link = None;
        self.quiet = 0;
        self.link = Some(self.port.open()?);
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let before = readings.len();
        let received = self.receive(readings);
        for reading in readings.get(before..).unwrap_or_default() {
            if let Some(alive) = self.alive.get_mut(reading.stream) {
                *alive = true;
            }
        }
        if self.quiet >= MOST_QUIET && self.characteristic.is_continuous() {
            self.say_silence(readings);
        }
        received.inspect_err(|_| self.link = None)
    }

    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

/// Values of one poll, so that a device which never pauses gives the thread back.
const MOST_VALUES: usize = 256;
/// Ten seconds: such devices notify once a second.
const MOST_QUIET: u32 = 100;
