//! One bus: a thread that starts, polls and restarts the devices on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as commands;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::reading::{Absence, Body, Reading};
use wardlink_wire::id::DeviceId;
use wardlink_wire::record::EventKind;

use crate::clock;
use crate::devices::Attached;
use crate::health::{DeviceState, Health};
use crate::record::{Capture, Content};

/// What a bus thread is told.
pub(super) enum Command {
    /// Another device is on the bus.
    Add(Box<dyn Device>, Arc<Attached>),
    /// A device is to be left alone from now on.
    Remove(DeviceId),
}

/// A running bus thread. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct BusThread {
    commands: commands::SyncSender<Command>,
    /// Monotonic milliseconds since when the thread is inside a call to a device; 0 when it is not.
    inside_since: Arc<AtomicU64>,
    reported: bool,
}

impl BusThread {
    pub(super) fn start(
        threads: &mut JoinSet<()>,
        captures: mpsc::Sender<Capture>,
        health: Health,
    ) -> Self {
        let (sender, receiver) = commands::sync_channel(COMMANDS);
        let inside_since = Arc::new(AtomicU64::new(0));
        let bus = Bus {
            commands: receiver,
            inside_since: Arc::clone(&inside_since),
            captures,
            health,
            slots: Vec::new(),
        };
        threads.spawn_blocking(move || bus.run());
        Self {
            commands: sender,
            inside_since,
            reported: false,
        }
    }

    pub(super) fn send(&self, command: Command) {
        if self.commands.try_send(command).is_err() {
            tracing::error!("a bus thread takes no commands any more");
        }
    }

    pub(super) fn is_stuck(&self) -> bool {
        let since = self.inside_since.load(Ordering::Relaxed);
        since != 0 && millis().saturating_sub(since) > DEADLINE_MS
    }

    /// The words to report a stuck bus with, once until it moves again.
    pub(super) fn newly_stuck(&mut self, name: &str) -> Option<String> {
        let stuck = self.is_stuck();
        let news = stuck && !self.reported;
        self.reported = stuck;
        news.then(|| format!("{name} does not return within {DEADLINE_MS} ms"))
    }
}

struct Bus {
    commands: commands::Receiver<Command>,
    inside_since: Arc<AtomicU64>,
    captures: mpsc::Sender<Capture>,
    health: Health,
    slots: Vec<Slot>,
}

/// One device and what is to be done with it next.
struct Slot {
    device: Box<dyn Device>,
    attached: Arc<Attached>,
    next: Next,
    due: Duration,
    /// How long to wait before starting again.
    patience: Duration,
    ever_started: bool,
    lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Start,
    Poll,
    Nothing,
}

impl Bus {
    fn run(mut self) {
        loop {
            let now = clock::monotonic();
            let due = self
                .slots
                .iter()
                .filter(|slot| slot.next != Next::Nothing)
                .map(|slot| slot.due)
                .min();
            let wait = due.map_or(IDLE, |due| due.saturating_sub(now).min(IDLE));
            match self.commands.recv_timeout(wait) {
                Ok(Command::Add(device, attached)) => self.slots.push(Slot::new(device, attached)),
                Ok(Command::Remove(id)) => self.remove(&id),
                Err(commands::RecvTimeoutError::Timeout) => {}
                Err(commands::RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::monotonic();
            for index in 0..self.slots.len() {
                if !self.serve(index, now) {
                    return;
                }
            }
        }
        for slot in &mut self.slots {
            let capture = slot.flush();
            if self.captures.blocking_send(capture).is_err() {
                return;
            }
        }
    }

    /// Does what is due for one device. False when nobody takes captures any more.
    fn serve(&mut self, index: usize, now: Duration) -> bool {
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.due <= now) else {
            return true;
        };
        self.inside_since.store(millis().max(1), Ordering::Relaxed);
        let captures = match slot.next {
            Next::Start => slot.start(now, &self.health),
            Next::Poll => slot.poll(now, &self.health),
            Next::Nothing => Vec::new(),
        };
        self.inside_since.store(0, Ordering::Relaxed);
        captures
            .into_iter()
            .all(|capture| self.captures.blocking_send(capture).is_ok())
    }

    fn remove(&mut self, id: &DeviceId) {
        let Some(index) = self
            .slots
            .iter()
            .position(|slot| slot.attached.settings.id == *id)
        else {
            return;
        };
        let mut slot = self.slots.remove(index);
        let gone = event(
            &slot.attached,
            EventKind::DeviceRemoved,
            "taken out of the profile".to_owned(),
        );
        for capture in [slot.flush(), gone] {
            if self.captures.blocking_send(capture).is_err() {
                tracing::debug!("nobody takes captures any more");
            }
        }
    }
}

impl Slot {
    fn new(device: Box<dyn Device>, attached: Arc<Attached>) -> Self {
        Self {
            device,
            attached,
            next: Next::Start,
            due: clock::monotonic(),
            patience: FIRST_PATIENCE,
            ever_started: false,
            lost: false,
        }
    }

    fn start(&mut self, now: Duration, health: &Health) -> Vec<Capture> {
        match self.device.start() {
            Ok(()) => {
                self.next = Next::Poll;
                self.due = now;
                self.patience = FIRST_PATIENCE;
                self.say(health, DeviceState::Reading, None);
                let kind = if self.ever_started {
                    EventKind::DeviceBack
                } else {
                    EventKind::DeviceStarted
                };
                self.ever_started = true;
                self.lost = false;
                let text = format!(
                    "{} on {}",
                    self.attached.settings.driver.name(),
                    self.attached.settings.bus.name()
                );
                tracing::info!(device = %self.attached.settings.id, "measuring: {text}");
                vec![event(&self.attached, kind, text)]
            }
            Err(fault) => self.fail(&fault, now, health),
        }
    }

    fn poll(&mut self, now: Duration, health: &Health) -> Vec<Capture> {
        let mut readings = Vec::new();
        let outcome = self.device.poll(&mut readings);
        // The schedule keeps its rhythm, but never tries to catch up on polls that were missed.
        self.due = (self.due + self.device.period()).max(now);
        let count = u64::try_from(readings.len()).unwrap_or(0);
        let mut captures = Vec::new();
        if count > 0 {
            health.update(|snapshot| {
                if let Some(device) = snapshot.devices.get_mut(&self.attached.settings.id) {
                    device.readings = device.readings.saturating_add(count);
                }
            });
            captures.push(capture(&self.attached, Content::Readings(readings)));
        }
        if let Err(fault) = outcome {
            captures.extend(self.fail(&fault, now, health));
        }
        captures
    }

    fn fail(&mut self, fault: &Fault, now: Duration, health: &Health) -> Vec<Capture> {
        if fault.kind == FaultKind::Ended {
            self.next = Next::Nothing;
            self.say(health, DeviceState::Ended, None);
            tracing::info!(device = %self.attached.settings.id, "{}", fault.detail);
            return vec![event(
                &self.attached,
                EventKind::RecordingEnded,
                fault.detail.clone(),
            )];
        }
        self.next = Next::Start;
        self.due = now + self.patience;
        // To open a path costs nothing, and an adapter that is plugged in again should be found soon.
        let longest = match fault.kind {
            FaultKind::Unopened => UNPLUGGED_PATIENCE,
            _ => LAST_PATIENCE,
        };
        self.patience = (self.patience * 2).min(longest);
        self.say(health, DeviceState::Lost, Some(fault.to_string()));
        if self.lost {
            return Vec::new();
        }
        self.lost = true;
        tracing::warn!(device = %self.attached.settings.id, "{fault}");
        let absent = self.absent(absence(fault.kind));
        vec![
            capture(&self.attached, Content::Readings(absent)),
            event(&self.attached, EventKind::DeviceLost, fault.to_string()),
        ]
    }

    /// One stated absence a stream: from here on an unknown number of values is missing.
    fn absent(&self, reason: Absence) -> Vec<Reading> {
        let streams = 0..self.device.streams().len();
        let body = Body::Absent {
            reason,
            first: None,
            count: 0,
            raw: None,
        };
        streams
            .map(|stream| Reading::good(stream, body.clone()))
            .collect()
    }

    fn flush(&mut self) -> Capture {
        let mut readings = Vec::new();
        self.device.flush(&mut readings);
        capture(&self.attached, Content::Readings(readings))
    }

    fn say(&self, health: &Health, state: DeviceState, fault: Option<String>) {
        health.update(|snapshot| {
            if let Some(device) = snapshot.devices.get_mut(&self.attached.settings.id) {
                device.state = state;
                device.fault = fault;
            }
        });
    }
}

/// States that a device is lost, from outside its thread.
pub(super) fn lost(attached: &Arc<Attached>, text: &str, health: &Health) -> Capture {
    tracing::warn!(device = %attached.settings.id, "{text}");
    health.update(|snapshot| {
        if let Some(device) = snapshot.devices.get_mut(&attached.settings.id) {
            device.state = DeviceState::Lost;
            device.fault = Some(text.to_owned());
        }
    });
    event(attached, EventKind::DeviceLost, text.to_owned())
}

fn event(attached: &Arc<Attached>, kind: EventKind, text: String) -> Capture {
    capture(attached, Content::Event(kind, text))
}

fn capture(attached: &Arc<Attached>, content: Content) -> Capture {
    Capture {
        device: Some(Arc::clone(attached)),
        at: clock::now(),
        clock: clock::discipline(),
        content,
    }
}

const fn absence(kind: FaultKind) -> Absence {
    match kind {
        FaultKind::Unopened | FaultKind::Ended => Absence::DeviceOff,
        FaultKind::NoResponse | FaultKind::OtherDevice => Absence::NoResponse,
        FaultKind::Bus => Absence::BusError,
        FaultKind::Garbled => Absence::Garbled,
    }
}

fn millis() -> u64 {
    u64::try_from(clock::monotonic().as_millis()).unwrap_or(u64::MAX)
}

/// The longest a call to a device may take before its bus counts as stuck.
const DEADLINE_MS: u64 = 5_000;
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
const LAST_PATIENCE: Duration = Duration::from_secs(30);
/// The longest between two tries to open what is not there.
const UNPLUGGED_PATIENCE: Duration = Duration::from_secs(5);
/// How long a bus without work sleeps; a command wakes it at once.
const IDLE: Duration = Duration::from_secs(60);
/// Commands that may wait for a bus thread; a profile has fewer devices on one bus.
const COMMANDS: usize = 256;

#[cfg(test)]
mod tests;
