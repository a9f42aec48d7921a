//! The store of this agent.

use std::path::Path;

use anyhow::Context;
use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::Engine;

pub(crate) struct Wardlink {
    store: Store,
    /// The first place that is not acknowledged.
    oldest: Sequence,
}

impl Wardlink {
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let settings = Settings::new(folder.join("store"), 8 << 30);
        let key = StoreKey::from_bytes([7; 32]);
        let (store, _) = Store::open(settings, &"bench".parse()?, &key)?;
        let oldest = Sequence(0);
        Ok(Self { store, oldest })
    }
}

impl Engine for Wardlink {
    fn commit(&mut self, bytes: &[u8], records: u32, acknowledged: u64) -> anyhow::Result<()> {
        let lane = Lane::Vital;
        let range = SequenceRange::starting(self.store.next_sequence(lane), records);
        let range = range.context("no places")?;
        self.store.append(&[NewBatch { lane, range, bytes }])?;
        if let Some(count) = u32::try_from(acknowledged).ok().filter(|count| *count > 0) {
            let settled = SequenceRange::starting(self.oldest, records * count);
            let settled = settled.context("no places")?;
            self.store.acknowledge(lane, &[settled])?;
            self.oldest = settled.last().plus(1);
        }
        Ok(())
    }

    fn take(&mut self, most: u64) -> anyhow::Result<(u64, u64)> {
        let lane = Lane::Vital;
        let (mut from, mut bytes, mut ranges) = (self.oldest, 0, Vec::new());
        for _ in 0..most {
            let Some(batch) = self.store.read_from(lane, from)? else {
                break;
            };
            from = batch.range.last().plus(1);
            bytes += u64::try_from(batch.bytes.len())?;
            ranges.push(batch.range);
        }
        if !ranges.is_empty() {
            self.store.acknowledge(lane, &ranges)?;
        }
        self.oldest = from;
        Ok((u64::try_from(ranges.len())?, bytes))
    }
}
