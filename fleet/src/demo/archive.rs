//! What the monitor's archive has, seen from outside the monitor's process.

use std::collections::BTreeMap;
use std::path::Path;

use wardlink_wire::lane::Lane;

use crate::archive::{Archive, ArchiveError};

/// What has arrived so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Distinct records per lane.
    pub(super) records: BTreeMap<Lane, u64>,
    /// Gap records among them.
    pub(super) gaps: u64,
    /// Records that arrived again and were not stored again.
    pub(super) resent: u64,
    /// Records that arrived again with other content.
    pub(super) conflicts: u64,
    /// Messages the monitor did not take.
    pub(super) refused: u64,
    /// Gateway time of the newest record, UTC, nanoseconds since 1970-01-01.
    pub(super) newest_utc_ns: Option<i64>,
}

impl Delivered {
    /// Looks into the archive in a directory.
    ///
    /// # Errors
    /// When there is none yet, or it cannot be read.
    pub(super) fn look(directory: &Path) -> Result<Self, ArchiveError> {
        let summary = Archive::read_only(directory)?.summary()?;
        let mut records = BTreeMap::new();
        for lane in &summary.lanes {
            *records.entry(lane.lane).or_insert(0) += lane.records;
        }
        Ok(Self {
            records,
            gaps: summary.gaps,
            resent: summary.duplicates,
            conflicts: summary.conflicts,
            refused: summary.refused,
            newest_utc_ns: summary.newest_ns,
        })
    }

    /// Looks at the stored records one by one: how many are stored in a place that another one has.
    ///
    /// # Errors
    /// As [`Delivered::look`].
    pub(super) fn stored_twice(directory: &Path) -> Result<u64, ArchiveError> {
        Archive::read_only(directory)?.stored_twice()
    }

    /// Distinct records of one lane.
    pub(super) fn records(&self, lane: Lane) -> u64 {
        self.records.get(&lane).copied().unwrap_or(0)
    }

    /// Distinct records of all lanes.
    pub(super) fn total(&self) -> u64 {
        self.records.values().sum()
    }
}
