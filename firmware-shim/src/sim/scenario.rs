//! What goes wrong in a simulated world, and when: faults of devices and buses, episodes of the patient.
//!
//! A scenario is values, whoever read them. Times are simulated times since the device was made.

use std::time::Duration;

/// What a scenario says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scenario {
    /// What goes wrong with the device and its bus.
    pub faults: Vec<Timed<SimFault>>,
    /// What happens to the patient.
    pub episodes: Vec<Timed<Episode>>,
    /// How much faster the converter's own clock runs than it should, millionths.
    pub drift_ppm: i32,
}

/// Something that lasts for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed<T> {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasting: Duration,
    /// What it is.
    pub what: T,
}

/// What can go wrong with a device and its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    /// The chip acknowledges nothing, as one that is busy or wedged.
    NoAcknowledge,
    /// Something holds the bus down: every transfer on it fails after the controller has waited.
    StuckBus {
        /// How long the controller waits.
        hold: Duration,
    },
    /// One bit of one transfer in so many is read wrong.
    BitFlips {
        /// In how many transfers.
        one_in: u32,
    },
    /// Every transfer takes this much longer.
    Slow {
        /// How much.
        by: Duration,
    },
    /// The device is unplugged; when it is plugged in again it has forgotten its settings.
    Unplugged,
    /// Host and chip do not come together: what the chip cannot hold meanwhile is lost.
    Overflow,
    /// An electrode or the whole sensor is off the patient.
    Off(Off),
    /// Bytes that belong to no frame come before each frame; of a serial line only.
    Garbage {
        /// How many.
        bytes: u32,
    },
}

/// What is off the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// An electrode of lead I.
    LeadI,
    /// An electrode of lead II.
    LeadII,
    /// The sensor: every electrode, the finger clip.
    Sensor,
}

/// What can happen to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Episode {
    /// One beat in so many comes early from the ventricle, and a long pause follows it.
    PrematureBeats {
        /// In how many.
        one_in: u32,
    },
    /// No P waves, and no two intervals alike.
    AtrialFibrillation,
    /// The heart leaves out its beats.
    Pause,
    /// The patient moves: the baseline of the ECG wanders and the pulse wave is drowned.
    Motion,
}

impl<T> Timed<T> {
    /// Whether it lasts at a time.
    #[must_use]
    pub fn covers(&self, time: Duration) -> bool {
        time.checked_sub(self.at)
            .is_some_and(|since| since < self.lasting)
    }
}

impl Scenario {
    /// The faults at a time.
    pub(super) fn faults_at(&self, time: Duration) -> impl Iterator<Item = SimFault> {
        let covering = self.faults.iter().filter(move |fault| fault.covers(time));
        covering.map(|fault| fault.what)
    }

    /// Whether the patient has an episode at a time.
    pub(super) fn has(&self, time: Duration, wanted: Episode) -> bool {
        self.episodes_at(time).any(|episode| episode == wanted)
    }

    /// The episodes at a time.
    pub(super) fn episodes_at(&self, time: Duration) -> impl Iterator<Item = Episode> {
        let covering = self.episodes.iter().filter(move |one| one.covers(time));
        covering.map(|one| one.what)
    }

    /// Whether host and chip do not come together.
    pub(super) fn kept_apart(&self, time: Duration) -> bool {
        self.faults_at(time)
            .any(|fault| fault == SimFault::Overflow)
    }

    /// Whether one of these is off.
    pub(super) fn off(&self, time: Duration, wanted: &[Off]) -> bool {
        self.faults_at(time)
            .any(|fault| matches!(fault, SimFault::Off(off) if wanted.contains(&off)))
    }
}
