//! One value for each of the four lanes, and sets of lanes.

use wardlink_wire::lane::Lane;

/// Four values, one a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PerLane<T>([T; 4]);

impl<T> PerLane<T> {
    pub(super) fn from_fn(mut make: impl FnMut(Lane) -> T) -> Self {
        Self(Lane::ALL.map(&mut make))
    }

    /// Lane by lane in the order of [`Lane::ALL`], which is the order on the medium.
    pub(super) fn try_from_fn(mut make: impl FnMut(Lane) -> Option<T>) -> Option<Self> {
        let [alarm, vital, event, wave] = Lane::ALL;
        Some(Self([
            make(alarm)?,
            make(vital)?,
            make(event)?,
            make(wave)?,
        ]))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) const fn of(&self, lane: Lane) -> &T {
        let [alarm, vital, event, wave] = &self.0;
        match lane {
            Lane::Alarm => alarm,
            Lane::Vital => vital,
            Lane::Event => event,
            Lane::Wave => wave,
        }
    }

    pub(super) const fn of_mut(&mut self, lane: Lane) -> &mut T {
        let [alarm, vital, event, wave] = &mut self.0;
        match lane {
            Lane::Alarm => alarm,
            Lane::Vital => vital,
            Lane::Event => event,
            Lane::Wave => wave,
        }
    }
}

/// Some of the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LaneSet(u8);

impl LaneSet {
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) fn contains(self, lane: Lane) -> bool {
        self.with(lane) == self
    }

    pub(super) fn with(self, lane: Lane) -> Self {
        Self(self.0 | 1 << lane.number())
    }
}
