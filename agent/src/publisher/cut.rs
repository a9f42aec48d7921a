//! Batches cut smaller: what is too large for a broker, or for a link that others want to use as well.
//!
//! Promises that the pieces hold the same records at the same places, each explaining its own streams, and
//! that a batch of one record is never cut. The receiver cannot tell a piece from a batch.

use wardlink_wire::batch::{Batch, BatchError};
use wardlink_wire::codec::EncodeError;
use wardlink_wire::sequence::SequenceRange;

/// A run of records and its encoded batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: SequenceRange,
    pub(super) bytes: Vec<u8>,
}

/// Cuts an encoded batch into pieces of at most `largest` bytes, as far as records allow.
///
/// # Errors
/// When the bytes are no batch.
pub(super) fn cut(batch: &[u8], largest: usize) -> Result<Vec<Piece>, CutError> {
    let mut pieces = Vec::new();
    let mut rest = vec![Batch::decode(batch)?];
    while let Some(batch) = rest.pop() {
        let bytes = batch.encode()?;
        let range = batch.range().ok_or(BatchError::Empty)?;
        let half = batch.records.len() / 2;
        if bytes.len() <= largest || half == 0 {
            pieces.push(Piece { range, bytes });
            continue;
        }
        let (front, back) = halves(batch, half);
        rest.push(back);
        rest.push(front);
    }
    Ok(pieces)
}

fn halves(mut front: Batch, at: usize) -> (Batch, Batch) {
    let records = front.records.split_off(at);
    let count = u64::try_from(at).unwrap_or(u64::MAX);
    let mut back = Batch {
        first: front.first.plus(count),
        records,
        ..front.clone()
    };
    for half in [&mut front, &mut back] {
        let records = &half.records;
        half.streams
            .retain(|stream| records.iter().any(|record| record.stream == stream.number));
    }
    (front, back)
}

/// Why a batch was not cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutError {
    /// What the store holds is no batch.
    #[error("a stored batch cannot be read: {0}")]
    Batch(#[from] BatchError),
    /// A piece could not be written down.
    #[error("a piece of a batch: {0}")]
    Encode(#[from] EncodeError),
}
