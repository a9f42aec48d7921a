//! The byte budget, and the segment length that follows from it.

use std::path::PathBuf;

use super::super::Settings;
use super::super::error::{FullCause, StoreError};
use super::cursor;

/// How much may be on the medium, and in what pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Limits {
    path: PathBuf,
    pub(in crate::store) budget: u64,
    /// What segments to write may take: the rest is for what eviction writes before it can remove anything.
    pub(in crate::store) room: u64,
    pub(in crate::store) segment: u64,
    /// Settled segments kept for writing again; more are removed, so that a drained store is small.
    pub(in crate::store) kept: usize,
}

impl Limits {
    pub(in crate::store) fn of(settings: Settings) -> Result<Self, StoreError> {
        let share = settings.budget.saturating_sub(OVERHEAD) / (Settings::SEGMENTS + 1);
        let segment = settings.segment.max(LEAST_SEGMENT).min(share) / PAGE * PAGE;
        if segment < LEAST_SEGMENT {
            return Err(StoreError::Budget {
                budget: settings.budget,
                least: OVERHEAD + (Settings::SEGMENTS + 1) * LEAST_SEGMENT,
            });
        }
        Ok(Self {
            path: settings.directory,
            budget: settings.budget,
            room: settings.budget.saturating_sub(segment),
            segment,
            kept: 2,
        })
    }

    /// For segments that are directories: so many times as large, and never written again.
    pub(in crate::store) fn of_folders(
        settings: Settings,
        shares: u64,
    ) -> Result<Self, StoreError> {
        let segment = settings.segment.saturating_mul(shares);
        let limits = Self::of(Settings {
            segment,
            ..settings
        })?;
        Ok(Self { kept: 0, ..limits })
    }

    /// Bytes of the segment for a group with the header before it.
    pub(in crate::store) fn length_for(&self, bytes: u64) -> Result<u64, StoreError> {
        let length = bytes.next_multiple_of(PAGE).max(self.segment);
        if length.saturating_add(OVERHEAD) > self.room {
            return Err(self.too_large(bytes));
        }
        Ok(length)
    }

    pub(in crate::store) fn full(&self) -> StoreError {
        StoreError::Full {
            path: self.path.clone(),
            cause: FullCause::Budget(self.budget),
        }
    }

    pub(in crate::store) fn too_large(&self, bytes: u64) -> StoreError {
        StoreError::TooLarge {
            bytes,
            budget: self.budget,
        }
    }
}

const LEAST_SEGMENT: u64 = 16 << 10;
const PAGE: u64 = 4096;
/// Identity and cursor.
pub(in crate::store) const OVERHEAD: u64 = 2 * PAGE + cursor::BYTES;
