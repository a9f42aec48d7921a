//! Which record holds a sample: records that follow each other without a gap, and the gaps between them.

use super::header::Onsets;

/// The places of one signal's samples.
#[derive(Debug)]
pub(super) struct Stretches {
    parts: Vec<Stretch>,
    end: u64,
}

/// Records without a gap between them.
#[derive(Debug)]
struct Stretch {
    /// The place of its first sample.
    start: u64,
    first_record: u64,
    samples: u64,
}

/// Where a sample stands.
pub(super) struct Place {
    /// The record and the sample's number within it; nothing in a gap.
    pub(super) stored: Option<(u64, u64)>,
    /// How many samples follow from here in the same record or gap, this one with them.
    pub(super) left: u64,
}

impl Stretches {
    /// Of a file without gaps.
    pub(super) fn whole(records: u64, per_record: u64) -> Result<Self, String> {
        let mut stretches = Self {
            parts: Vec::new(),
            end: 0,
        };
        let samples = records.checked_mul(per_record).ok_or(TOO_LONG)?;
        stretches.append(0, 0, samples)?;
        Ok(stretches)
    }

    /// Of a file whose records begin at these times.
    pub(super) fn placed(
        onsets: &Onsets,
        rate: (u64, u64),
        per_record: u64,
    ) -> Result<Self, String> {
        let mut stretches = Self {
            parts: Vec::new(),
            end: 0,
        };
        for record in 0..onsets.count() {
            let place = onsets.place(record, rate).ok_or_else(|| {
                format!("record {record} (from 0) begins before the first one or too late to count")
            })?;
            let overlap = stretches.end.saturating_sub(place);
            // Times are written rounded.
            if overlap > 1 {
                return Err(format!(
                    "record {record} (from 0) begins before the record before it has ended"
                ));
            }
            let start = place.max(stretches.end);
            stretches.append(start, record, per_record)?;
        }
        Ok(stretches)
    }

    fn append(&mut self, start: u64, record: u64, samples: u64) -> Result<(), String> {
        let end = start.checked_add(samples).ok_or(TOO_LONG)?;
        match self.parts.last_mut() {
            Some(last) if start == self.end => last.samples += samples,
            _ => self.parts.push(Stretch {
                start,
                first_record: record,
                samples,
            }),
        }
        self.end = end;
        Ok(())
    }

    /// How many there are, with those that are missing.
    pub(super) fn samples(&self) -> u64 {
        self.end
    }

    /// Where a sample stands; nothing at and after the end.
    pub(super) fn find(&self, sample: u64, per_record: u64) -> Option<Place> {
        let next = self.parts.partition_point(|part| part.start <= sample);
        let part = self.parts.get(next.checked_sub(1)?)?;
        let at = sample - part.start;
        if at < part.samples {
            let within = at % per_record;
            return Some(Place {
                stored: Some((part.first_record + at / per_record, within)),
                left: per_record - within,
            });
        }
        let following = self.parts.get(next)?;
        Some(Place {
            stored: None,
            left: following.start - sample,
        })
    }
}

const TOO_LONG: &str = "more samples than can be counted";
