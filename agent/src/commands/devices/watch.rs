//! `devices watch`: live values and waves of one device.
//!
//! A thread polls the device, the terminal is drawn here. The thread is left behind at the end: a bus that does
//! not return must not keep the terminal. A driver that panics ends the picture, and what it said stays readable.

mod picture;

use std::process::ExitCode;
use std::sync::mpsc::{self, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use wardlink_agent::clock;
use wardlink_agent::devices::{StreamNumbers, attach};
use wardlink_firmware_shim::device::Device;
use wardlink_firmware_shim::reading::Reading;
use wardlink_terminal::Screen;

use super::{Selection, wrong};
use picture::Picture;

/// What the polling thread says.
enum News {
    Readings(Vec<Reading>),
    Fault(String),
}

pub(super) fn run(selection: &Selection) -> anyhow::Result<ExitCode> {
    let settings = match selection.settings() {
        Ok(settings) => settings,
        Err(faults) => return wrong(&faults),
    };
    let (device, _) = attach(&settings, &StreamNumbers::default());
    let title = format!("{} on {}", settings.driver.name(), settings.bus.name());
    show(device, title)
}

fn show(device: Box<dyn Device>, title: String) -> anyhow::Result<ExitCode> {
    let mut picture = Picture::new(title, device.streams().to_vec());
    let mut screen = match Screen::open() {
        Ok(screen) => screen,
        Err(error) => return wrong(&format!("{error}: use read-once")),
    };
    let (said, heard) = mpsc::channel();
    thread::Builder::new()
        .name("device".to_owned())
        .spawn(move || poll(device, &said))
        .context("the device cannot be polled")?;
    loop {
        loop {
            match heard.try_recv() {
                Ok(News::Readings(readings)) => picture.take(readings, clock::monotonic()),
                Ok(News::Fault(fault)) => picture.fault = Some(fault),
                Err(TryRecvError::Empty) => break,
                // It polls as long as it is listened to.
                Err(TryRecvError::Disconnected) => bail!("the driver panicked, as said above"),
            }
        }
        screen.draw(|frame| picture.draw(frame, clock::monotonic()))?;
        if screen.is_left(FRAME)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Polls until nobody listens any more.
fn poll(mut device: Box<dyn Device>, said: &Sender<News>) {
    loop {
        let started = device.start();
        if let Err(fault) = started {
            if said.send(News::Fault(fault.to_string())).is_err() {
                return;
            }
            thread::sleep(AGAIN);
            continue;
        }
        loop {
            let mut readings = Vec::new();
            let polled = device.poll(&mut readings);
            if said.send(News::Readings(readings)).is_err() {
                return;
            }
            if let Err(fault) = polled {
                if said.send(News::Fault(fault.to_string())).is_err() {
                    return;
                }
                thread::sleep(AGAIN);
                break;
            }
            thread::sleep(device.period().min(FRAME));
        }
    }
}

const FRAME: Duration = Duration::from_millis(100);
/// Before a device that failed is started again.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
