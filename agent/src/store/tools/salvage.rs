//! A new store with everything of an old one that can still be read.
//!
//! The new store has the old one's epoch and places, so that what was delivered is not delivered again and
//! the agent goes on where it was. What could not be read stays a hole, which the agent reports as a gap;
//! what was acknowledged stays acknowledged.

use std::path::Path;

use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceSet;

use super::super::directory::Directory;
use super::super::engine::Engine;
use super::super::error::StoreError;
use super::super::identity::Identity;
use super::super::lanes::PerLane;
use super::super::provider::KeyProvider;
use super::super::{Damage, LOCK, NewBatch, Settings, StoredBatch};
use super::{View, others};

/// What came over.
#[derive(Debug)]
pub struct Salvaged {
    /// Batches.
    pub batches: u64,
    /// Records.
    pub records: u64,
    /// What did not.
    pub damage: Vec<Damage>,
}

/// Copies what is readable in a view into a new store in an empty or missing directory. `each` is told how
/// many records came over with each batch.
///
/// # Errors
/// When the target is not empty, is too small, or the medium refuses.
pub fn salvage(
    view: &View,
    target: Settings,
    gateway: &GatewayId,
    provider: &dyn KeyProvider,
    mut each: impl FnMut(u64),
) -> Result<Salvaged, StoreError> {
    let path = target.directory.clone();
    let directory = Directory::open(&path)?;
    if !directory.names()?.is_empty() {
        return Err(StoreError::NotEmpty { path });
    }
    let _lock = directory.lock(LOCK)?;
    let identity = Identity::again(
        &directory,
        &target,
        gateway,
        &provider.keys()?,
        view.epoch(),
    )?;
    let (engine, _) = target.engine.open(directory, identity, target)?;
    let mut known: PerLane<SequenceSet> = PerLane::default();
    let (mut batches, mut records) = (0, 0);
    view.each(|batch| {
        store(engine.as_ref(), &batch, &path)?;
        known.of_mut(batch.lane).insert(batch.range);
        batches += 1;
        records += batch.range.count();
        each(batch.range.count());
        Ok::<_, StoreError>(())
    })?;
    let damage = view.damage();
    for Damage { lane, range, .. } in &damage {
        known.of_mut(*lane).insert(*range);
    }
    for lane in Lane::ALL {
        let next = view.store.next_sequence(lane);
        engine.advance(lane, next);
        engine.acknowledge(lane, &others(next, known.of(lane)))?;
    }
    Ok(Salvaged {
        batches,
        records,
        damage,
    })
}

fn store(engine: &dyn Engine, batch: &StoredBatch, path: &Path) -> Result<(), StoreError> {
    engine.advance(batch.lane, batch.range.first());
    engine.append(&[NewBatch {
        lane: batch.lane,
        range: batch.range,
        bytes: &batch.bytes,
    }])?;
    // An eviction to make room would lose what is to be saved.
    match engine.usage().evicting {
        false => Ok(()),
        true => Err(StoreError::TargetTooSmall {
            path: path.to_owned(),
        }),
    }
}
