//! The byte budget, and the segment length that follows from it.

use std::path::PathBuf;

use super::super::Settings;
use super::super::error::{FullCause, StoreError};
use super::cursor;

/// How much may be on the medium, and in what pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    path: PathBuf,
    pub(super) budget: u64,
    /// What segments to write may take: the rest is for what eviction writes before it can remove anything.
    pub(super) room: u64,
    pub(super) segment: u64,
}

impl Limits {
    pub(super) fn of(settings: Settings) -> Result<Self, StoreError> {
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
        })
    }

    /// Bytes of the segment for a group with the header before it.
    pub(super) fn length_for(&self, bytes: u64) -> Result<u64, StoreError> {
        let length = bytes.next_multiple_of(PAGE).max(self.segment);
        if length.saturating_add(OVERHEAD) > self.room {
            return Err(self.too_large(bytes));
        }
        Ok(length)
    }

    pub(super) fn full(&self) -> StoreError {
        StoreError::Full {
            path: self.path.clone(),
            cause: FullCause::Budget(self.budget),
        }
    }

    pub(super) fn too_large(&self, bytes: u64) -> StoreError {
        StoreError::TooLarge {
            bytes,
            budget: self.budget,
        }
    }
}

const LEAST_SEGMENT: u64 = 16 << 10;
const PAGE: u64 = 4096;
/// Identity and cursor.
pub(super) const OVERHEAD: u64 = 2 * PAGE + cursor::BYTES;
