//! The wires between a host and a simulated device: here a scenario's faults of buses and lines happen.
//!
//! Several chips may share a bus; one that holds it down holds it for all of them. What is random comes from
//! the seed and the number of the transfer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::random::Random;
use super::scenario::{Scenario, SimFault};
use super::{SimClock, World};

/// A simulated bus, which more than one device may hang on.
#[derive(Debug, Clone, Default)]
pub struct SimBus(Arc<Mutex<Hanging>>);

/// The scenarios of the devices on one bus; one whose device is gone says nothing any more.
type Hanging = Vec<(SimClock, Weak<Scenario>)>;

/// What lies between the host and one device.
#[derive(Debug)]
pub(super) struct Wires {
    clock: SimClock,
    scenario: Arc<Scenario>,
    bus: SimBus,
    random: Random,
    /// Whether the device has lost its power since it was last set up.
    unplugged: bool,
}

/// How a transfer fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Nothing acknowledges.
    NoAcknowledge,
    /// The bus is held down.
    Stuck,
}

impl SimBus {
    /// The bus of this name, as `/dev/i2c-1` is the same bus for whoever opens it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
        buses.retain(|_, bus| bus.strong_count() > 0);
        if let Some(bus) = buses.get(name).and_then(Weak::upgrade) {
            return Self(bus);
        }
        let bus = Self::default();
        buses.insert(name.to_owned(), Arc::downgrade(&bus.0));
        bus
    }

    /// How long the controller waits before it gives up, if anything on the bus holds it down.
    fn held(&self) -> Option<Duration> {
        self.hanging().iter().find_map(|(clock, scenario)| {
            let scenario = scenario.upgrade()?;
            let mut faults = scenario.faults_at(clock.now());
            faults.find_map(|fault| match fault {
                SimFault::StuckBus { hold } => Some(hold),
                _ => None,
            })
        })
    }

    fn hanging(&self) -> MutexGuard<'_, Hanging> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    /// The wires of one device in its world.
    pub(super) fn new(world: &World) -> Self {
        let (clock, scenario) = (world.clock.clone(), Arc::clone(&world.scenario));
        let mut hanging = world.bus.hanging();
        hanging.retain(|(_, scenario)| scenario.strong_count() > 0);
        hanging.push((clock.clone(), Arc::downgrade(&scenario)));
        drop(hanging);
        Self {
            clock,
            scenario,
            bus: world.bus.clone(),
            random: Random::new(world.seed, WIRES),
            unplugged: false,
        }
    }

    /// What happens to a transfer before any byte of it.
    pub(super) fn begin(&mut self) -> Result<(), Broken> {
        self.answers()?;
        thread::sleep(self.slow());
        Ok(())
    }

    /// Whether the device is there to be spoken to.
    pub(super) fn answers(&mut self) -> Result<(), Broken> {
        if let Some(hold) = self.bus.held() {
            thread::sleep(hold);
            return Err(Broken::Stuck);
        }
        for fault in self.scenario.faults_at(self.clock.now()) {
            match fault {
                SimFault::NoAcknowledge => return Err(Broken::NoAcknowledge),
                SimFault::Unplugged => {
                    self.unplugged = true;
                    return Err(Broken::NoAcknowledge);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How much longer everything takes now.
    pub(super) fn slow(&self) -> Duration {
        let faults = self.scenario.faults_at(self.clock.now());
        faults
            .map(|fault| match fault {
                SimFault::Slow { by } => by,
                _ => Duration::ZERO,
            })
            .sum()
    }

    /// Whether the device was unplugged since the last call of this.
    pub(super) fn take_unplugged(&mut self) -> bool {
        std::mem::take(&mut self.unplugged)
    }

    /// What becomes of the bytes that the device sends in one transfer.
    pub(super) fn carry(&mut self, bytes: &mut [u8]) {
        self.carry_at(self.clock.now(), bytes);
    }

    fn carry_at(&mut self, time: Duration, bytes: &mut [u8]) {
        for fault in self.scenario.faults_at(time) {
            let SimFault::BitFlips { one_in } = fault else {
                continue;
            };
            if bytes.is_empty() || self.random.below(one_in.into()) != 0 {
                continue;
            }
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let place = usize::try_from(self.random.below(length)).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << self.random.below(8);
            }
        }
    }

    /// What becomes of a frame that is sent by itself at a time, whenever the host looks. Nothing is left of one
    /// that a device says into the void.
    pub(super) fn send(&mut self, time: Duration, frame: &mut Vec<u8>) {
        self.carry_at(time, frame);
        for fault in self.scenario.faults_at(time) {
            match fault {
                SimFault::Unplugged | SimFault::NoAcknowledge => {
                    frame.clear();
                    return;
                }
                SimFault::Garbage { bytes } => {
                    for _ in 0..bytes {
                        let [byte, ..] = self.random.bits().to_be_bytes();
                        frame.insert(0, byte);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The buses that have a name and a device.
static BUSES: Mutex<BTreeMap<String, Weak<Mutex<Hanging>>>> = Mutex::new(BTreeMap::new());
/// What the random numbers are for.
const WIRES: u64 = 0x7769_7265;
