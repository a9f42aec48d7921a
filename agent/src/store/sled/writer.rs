//! Group commit: seal, one sled batch, `flush()`, `fdatasync`, and the cursor, durably.

use std::sync::Arc;

use super::super::NewBatch;
use super::super::error::StoreError;
use super::super::log::catalog::Claim;
use super::super::log::segment::{Head, Segment};
use super::super::sealing::SealingKey;
use super::Shared;
use super::entry::Entry;
use super::evict;
use super::folder;
use super::tree::{Opened, Tree};

/// The appender's state: the directory being written, if one is.
#[derive(Debug, Default)]
pub(super) struct Writer(Option<Active>);

#[derive(Debug)]
struct Active {
    id: u64,
    tree: Arc<Tree>,
    key: SealingKey,
    length: u64,
    /// sled's own segments; its file grows by them.
    step: u64,
}

impl Writer {
    pub(super) fn append(
        &mut self,
        shared: &Shared,
        batches: &[NewBatch<'_>],
    ) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let bytes = shared.catalog().admit(batches)?;
        let roomy = self
            .0
            .take()
            .filter(|active| active.has_room(shared, bytes));
        let mut active = match roomy {
            Some(active) => active,
            None => Active::begin(shared, bytes, batches)?,
        };
        if let Err(error) = active.commit(batches) {
            // After an error sled answers nothing any more: the directory is opened anew for reading.
            shared.catalog().fail(active.id);
            shared.trees().forget(active.id);
            return Err(error);
        }
        shared.catalog().commit(batches, active.id, 0);
        self.0 = Some(active);
        // The batches are durable. Without this note the next start has to ask sled which they are.
        drop(shared.settle(false));
        Ok(())
    }

    /// Leaves the directory as it is; the next commit begins another.
    pub(super) fn abandon(&mut self) {
        self.0 = None;
    }
}

impl Active {
    fn begin(shared: &Shared, bytes: u64, batches: &[NewBatch<'_>]) -> Result<Self, StoreError> {
        let lanes = batches.iter().map(|batch| batch.lane);
        let most = lanes.min_by_key(|lane| lane.number());
        let most = most.ok_or(StoreError::Cipher("seal nothing"))?;
        let length = loop {
            // sled writes a leaf anew for every value in it.
            let claim = shared.catalog().claim(bytes.saturating_mul(4), most)?;
            shared.sweep();
            match claim {
                Claim::Create(length) => break length,
                Claim::Recycle(settled) => shared.catalog().discard(settled),
                Claim::Evict(victim) => evict::evict(shared, victim)?,
            }
        };
        let id = shared.catalog().take_number();
        let segment = shared.catalog().begin(id, length);
        shared.sweep();
        let begun = Self::make(shared, &segment);
        if begun.is_err() {
            shared.catalog().fail(id);
        }
        begun
    }

    fn make(shared: &Shared, segment: &Segment) -> Result<Self, StoreError> {
        let (directory, id) = (&shared.directory, segment.id);
        let (header, key) = Head::begin(&shared.identity, segment)?;
        let file = directory.create_file(&folder::head_name(id))?;
        file.write_at(&header, 0)?;
        file.sync()?;
        directory.sync()?;
        let head = Head::read(&file, shared.identity.epoch, id)?;
        let head = head.ok_or(StoreError::Cipher("read its own header"))?;
        let step = folder::sled_segment(&head.facts);
        let tree = Arc::new(Tree::create(&folder::path(directory, id), step)?);
        let opening = head.open(&shared.identity).map(Arc::new);
        shared.trees().put(Opened {
            id,
            tree: Arc::clone(&tree),
            key: opening,
        });
        Ok(Self {
            id,
            tree,
            key,
            length: segment.length,
            step: u64::try_from(step).unwrap_or(u64::MAX),
        })
    }

    /// Whether it stays within its length; not if the reader found it damaged.
    fn has_room(&self, shared: &Shared, bytes: u64) -> bool {
        // sled grows by whole segments, and pads one more when it is opened again.
        let steps = self.step.saturating_mul(2);
        let grown = bytes.saturating_mul(4).saturating_add(steps);
        let known = shared.trees().find(self.id).is_some();
        known && self.tree.size().saturating_add(grown) <= self.length
    }

    fn commit(&mut self, batches: &[NewBatch<'_>]) -> Result<(), StoreError> {
        let key = &mut self.key;
        let sealed = batches.iter().map(|batch| Entry::seal(batch, key));
        self.tree.commit(sealed.collect::<Result<_, _>>()?)
    }
}
