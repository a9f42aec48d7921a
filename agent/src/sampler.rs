//! Polls devices: one thread a bus, so that a stuck bus stops nobody else.
//!
//! Owns which devices run. Promises that a change of the profile touches only the devices it changes, that
//! a fault is recorded and the device tried again, and that a bus which does not return within its deadline
//! is declared lost. Refuses to end for a sensor's sake.

mod bus;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use wardlink_wire::birth;
use wardlink_wire::id::DeviceId;
use wardlink_wire::profile::{Bus, DeviceSettings, Profile};

use crate::devices::{self, Attached, StreamNumbers};
use crate::health::{DeviceHealth, DeviceState, Health};
use crate::record::Capture;
use bus::{BusThread, Command};

/// The sampler.
#[derive(Debug)]
pub struct Sampler {
    /// The profile in force.
    pub profile: watch::Receiver<Arc<Profile>>,
    /// Where captures go.
    pub captures: mpsc::Sender<Capture>,
    /// Told which devices there are.
    pub attached: watch::Sender<Vec<birth::Device>>,
    /// Where it says how devices do.
    pub health: Health,
}

impl Sampler {
    /// Runs until told to stop; then every device gives out what it held back.
    ///
    /// # Errors
    /// When a bus thread ends by itself, which only a panic in a driver can cause.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), SamplerError> {
        let mut running = Running {
            numbers: StreamNumbers::default(),
            devices: BTreeMap::new(),
            buses: BTreeMap::new(),
            threads: JoinSet::new(),
        };
        let profile = self.profile.borrow_and_update().clone();
        running.apply(&profile, &self);
        let mut watch = interval(WATCH);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = self.profile.changed() => match changed {
                    Ok(()) => {
                        let profile = self.profile.borrow_and_update().clone();
                        running.apply(&profile, &self);
                    }
                    Err(_) => break,
                },
                Some(ended) = running.threads.join_next() => ended.map_err(|_| SamplerError::Panicked)?,
                _ = watch.tick() => running.look_after(&self).await,
            }
        }
        running.stop().await
    }
}

struct Running {
    numbers: StreamNumbers,
    devices: BTreeMap<DeviceId, Arc<Attached>>,
    buses: BTreeMap<String, BusThread>,
    threads: JoinSet<()>,
}

impl Running {
    /// Makes the running devices those of the profile; an unchanged one is not touched.
    fn apply(&mut self, profile: &Profile, sampler: &Sampler) {
        let wanted = |id: &DeviceId| profile.devices.iter().find(|settings| settings.id == *id);
        let obsolete: Vec<_> = self
            .devices
            .iter()
            .filter(|(id, attached)| wanted(id) != Some(&attached.settings))
            .map(|(id, _)| id.clone())
            .collect();
        for id in obsolete {
            self.remove(&id, sampler);
        }
        for settings in &profile.devices {
            if !self.devices.contains_key(&settings.id) {
                self.add(settings, sampler);
            }
        }
        // Only now: a device that was changed keeps its bus thread, which lets go of the old one before it
        // opens the new one. Two threads would share the line for a moment.
        let devices = &self.devices;
        let on_bus = |name: &str| {
            devices
                .values()
                .any(|device| bus_of(&device.settings) == name)
        };
        self.buses.retain(|name, _| on_bus(name));
        let described = self
            .devices
            .values()
            .map(|attached| attached.describe())
            .collect();
        sampler.attached.send_replace(described);
    }

    fn add(&mut self, settings: &DeviceSettings, sampler: &Sampler) {
        let (device, attached) = devices::attach(settings, &self.numbers);
        let health = DeviceHealth {
            driver: settings.driver.name(),
            state: DeviceState::Starting,
            readings: 0,
            fault: None,
        };
        sampler.health.update(|snapshot| {
            snapshot.devices.insert(settings.id.clone(), health);
        });
        self.devices
            .insert(settings.id.clone(), Arc::clone(&attached));
        let threads = &mut self.threads;
        let bus = self.buses.entry(bus_of(settings)).or_insert_with(|| {
            BusThread::start(threads, sampler.captures.clone(), sampler.health.clone())
        });
        bus.send(Command::Add(device, attached));
    }

    fn remove(&mut self, id: &DeviceId, sampler: &Sampler) {
        let Some(attached) = self.devices.remove(id) else {
            return;
        };
        sampler.health.update(|snapshot| {
            snapshot.devices.remove(id);
        });
        let bus = bus_of(&attached.settings);
        if let Some(thread) = self.buses.get(&bus) {
            thread.send(Command::Remove(id.clone()));
        }
    }

    /// Declares lost what hangs on a bus that does not return.
    async fn look_after(&mut self, sampler: &Sampler) {
        for (name, bus) in &mut self.buses {
            let Some(text) = bus.newly_stuck(name) else {
                continue;
            };
            let on_it = self
                .devices
                .values()
                .filter(|attached| bus_of(&attached.settings) == *name);
            for attached in on_it {
                let lost = bus::lost(attached, &text, &sampler.health);
                if sampler.captures.send(lost).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn stop(mut self) -> Result<(), SamplerError> {
        // A bus thread ends when nobody can command it any more; a stuck one is left behind.
        let stuck = self.buses.values().filter(|bus| bus.is_stuck()).count();
        self.buses.clear();
        while self.threads.len() > stuck {
            match self.threads.join_next().await {
                Some(ended) => ended.map_err(|_| SamplerError::Panicked)?,
                None => break,
            }
        }
        self.threads.detach_all();
        Ok(())
    }
}

/// Devices that share a bus share its thread; a simulated device has a bus of its own if it names none. All chip
/// selects of one SPI controller are one bus.
fn bus_of(settings: &DeviceSettings) -> String {
    match &settings.bus {
        Bus::Simulated(simulation) if simulation.shared.is_none() => {
            format!("sim/{}", settings.id)
        }
        Bus::Path(path) => {
            let name = path.display().to_string();
            let controller = name.strip_prefix("/dev/spidev").and(name.split_once('.'));
            controller.map_or(name.clone(), |(controller, _)| controller.to_owned())
        }
        shared => shared.name(),
    }
}

/// Why the sampler ended early.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// A driver's fault in our own code.
    #[error("a bus thread panicked: the log says where")]
    Panicked,
}

/// How often buses are looked after.
const WATCH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
