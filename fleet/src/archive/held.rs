//! What is held, as ranges: the content of receipts.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::receipt::LaneReceipt;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::{Archive, ArchiveError};

impl Archive {
    /// What is held of a gateway, bounded for a receipt: the runs that grew or were sent again last. A
    /// gateway has long been told of those left out; should it send one of their records again, the run
    /// comes back.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn held(&self, gateway: &GatewayId) -> Result<Vec<LaneReceipt>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT lane.epoch, lane.number, run.first, run.last
             FROM run JOIN lane ON run.lane = lane.id JOIN gateway ON lane.gateway = gateway.id
             WHERE gateway.name = ?1
             ORDER BY run.touched_ns DESC, run.last DESC LIMIT ?2",
        )?;
        let mut lanes: BTreeMap<(Epoch, Lane), SequenceSet> = BTreeMap::new();
        let mut rows = find.query(params![gateway.as_str(), MOST_RUNS])?;
        while let Some(row) = rows.next()? {
            let run = range(row.get(2)?, row.get(3)?)?;
            lanes.entry(epoch_and_lane(row)?).or_default().insert(run);
        }
        Ok(lanes
            .into_iter()
            .map(|((epoch, lane), set)| LaneReceipt {
                epoch,
                lane,
                ranges: set.runs().collect(),
            })
            .collect())
    }

    /// The gateways of which something is held.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn gateways(&self) -> Result<Vec<GatewayId>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT name FROM gateway
             WHERE EXISTS (SELECT 1 FROM lane JOIN run ON run.lane = lane.id WHERE lane.gateway = gateway.id)
             ORDER BY name",
        )?;
        let names = find.query_map([], |row| row.get::<_, String>(0))?;
        names.map(|name| gateway_id(&name?)).collect()
    }
}

/// Epoch and lane in the first two columns of a row.
pub(super) fn epoch_and_lane(row: &Row<'_>) -> Result<(Epoch, Lane), ArchiveError> {
    let lane = Lane::from_number(row.get(1)?);
    Ok((
        Epoch::from_bytes(row.get(0)?),
        lane.ok_or(ArchiveError::Damaged("an unknown lane"))?,
    ))
}

pub(super) fn range(first: i64, last: i64) -> Result<SequenceRange, ArchiveError> {
    let place = |number| u64::try_from(number).map(Sequence);
    place(first)
        .ok()
        .zip(place(last).ok())
        .and_then(|(first, last)| SequenceRange::between(first, last).ok())
        .ok_or(ArchiveError::Damaged("a run is no range"))
}

pub(super) fn gateway_id(name: &str) -> Result<GatewayId, ArchiveError> {
    name.parse()
        .map_err(|_| ArchiveError::Damaged("a gateway's name is no name"))
}

/// Some 10 KiB of receipt.
const MOST_RUNS: u32 = 512;
