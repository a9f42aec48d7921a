//! What a scenario does to a front end: what comes off, overflows or does not answer, and its own clock.
//!
//! A function of each sample's own time, so that what is lost does not depend on when the host looks.

use std::sync::Arc;
use std::time::Duration;

use super::track::Track;
use super::vocabulary::{LEAD_I, LEAD_II};
use crate::device::{Fault, FaultKind};
use crate::reading::{Absence, StreamSpec};
use crate::sim::World;
use crate::sim::scenario::{Off, Scenario, SimFault};
use crate::sim::wires::{Broken, Wires};

/// The faults of one front end.
pub(super) struct Interference {
    scenario: Arc<Scenario>,
    wires: Wires,
    /// Which lead each signal is, if it is one that a scenario knows.
    leads: Vec<Option<Off>>,
}

impl Interference {
    /// The faults of a front end with these streams; or that its scenario takes off a lead that is not there.
    pub(super) fn of(world: &World, streams: &[StreamSpec]) -> Result<Self, String> {
        let lead = |stream: &StreamSpec| match stream.code {
            LEAD_I => Some(Off::LeadI),
            LEAD_II => Some(Off::LeadII),
            _ => None,
        };
        let leads: Vec<_> = streams.iter().map(lead).collect();
        for fault in &world.scenario.faults {
            let name = match fault.what {
                SimFault::Off(Off::LeadI) if !leads.contains(&Some(Off::LeadI)) => "I",
                SimFault::Off(Off::LeadII) if !leads.contains(&Some(Off::LeadII)) => "II",
                _ => continue,
            };
            return Err(format!(
                "the scenario takes off lead {name}, which the recording does not have"
            ));
        }
        Ok(Self {
            scenario: Arc::clone(&world.scenario),
            wires: Wires::new(world),
            leads,
        })
    }

    /// Whether the front end answers.
    pub(super) fn reach(&mut self) -> Result<(), Fault> {
        self.wires.begin().map_err(|broken| match broken {
            Broken::NoAcknowledge => {
                Fault::new(FaultKind::NoResponse, "sim: the front end does not answer")
            }
            Broken::Stuck => Fault::new(FaultKind::Bus, "sim: the bus is stuck"),
        })
    }

    /// Time of the recording by the front end's own clock.
    pub(super) fn tape_time(&self, elapsed: Duration) -> Duration {
        scaled(elapsed, self.speed(), MILLION)
    }

    /// From a track's next sample on, up to where the same holds for all: not beyond `end`; and why they are lost,
    /// if they are.
    pub(super) fn stretch(
        &self,
        track: &Track,
        origin: Duration,
        end: u64,
    ) -> (u64, Option<Absence>) {
        let first = self.lost(track, origin, track.next());
        if self.scenario.faults.is_empty() {
            return (end, first);
        }
        let differs = |place: &u64| self.lost(track, origin, *place) != first;
        ((track.next()..end).find(differs).unwrap_or(end), first)
    }

    /// Why a sample is lost, if it is.
    fn lost(&self, track: &Track, origin: Duration, place: u64) -> Option<Absence> {
        let time = origin + scaled(track.time_of(place), MILLION, self.speed());
        let lead = self.leads.get(track.index()).copied().flatten();
        self.scenario.faults_at(time).find_map(|fault| match fault {
            SimFault::Unplugged => Some(Absence::DeviceOff),
            SimFault::Overflow => Some(Absence::Overrun),
            SimFault::Off(Off::Sensor) => Some(Absence::SensorOff),
            SimFault::Off(off) if Some(off) == lead => Some(Absence::LeadOff),
            _ => None,
        })
    }

    fn speed(&self) -> u128 {
        MILLION.saturating_add_signed(self.scenario.drift_ppm.into())
    }
}

fn scaled(time: Duration, numerator: u128, denominator: u128) -> Duration {
    let nanos = time.as_nanos() * numerator / denominator.max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const MILLION: u128 = 1_000_000;
