//! What is held, in numbers.

use rusqlite::Row;
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::held::{epoch_and_lane, gateway_id, range};
use super::{Archive, ArchiveError};

/// The whole archive in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Distinct places held.
    pub delivered: u64,
    /// Gap records among them.
    pub gaps: u64,
    /// Places below the highest of their lane that are neither held nor named by a gap record.
    pub holes: u64,
    /// Places that arrived again with the same content, and were not stored again.
    pub duplicates: u64,
    /// Places that arrived again with other content; the first was kept.
    pub conflicts: u64,
    /// Messages that were not taken.
    pub refused: u64,
    /// The same by reason.
    pub refusals: Vec<(String, u64)>,
    /// Gateway time of the newest record, UTC, nanoseconds since 1970-01-01.
    pub newest_ns: Option<i64>,
    /// Receipts handed to the broker.
    pub receipts: u64,
    /// Per gateway.
    pub gateways: Vec<GatewaySummary>,
    /// Per lane of each epoch of each gateway.
    pub lanes: Vec<LaneSummary>,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySummary {
    /// Its name.
    pub gateway: GatewayId,
    /// Receipts handed to the broker.
    pub receipts: u64,
    /// When the last of them was issued, UTC, nanoseconds since 1970-01-01.
    pub receipt_ns: Option<i64>,
    /// What it last said of its health, as received.
    pub state: Option<Vec<u8>>,
}

/// One lane of one epoch of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneSummary {
    /// Whose.
    pub gateway: GatewayId,
    /// Which store.
    pub epoch: Epoch,
    /// Which lane.
    pub lane: Lane,
    /// Distinct places held.
    pub records: u64,
    /// Gap records among them.
    pub gaps: u64,
    /// Missing places that no gap record explains.
    pub holes: Vec<SequenceRange>,
    /// Missing places below the highest that gap records explain.
    pub explained: u64,
    /// The highest place held.
    pub highest: Option<Sequence>,
    /// Places that arrived again.
    pub duplicates: u64,
    /// Places that arrived again with other content.
    pub conflicts: u64,
    /// Gateway time of the newest record, UTC, nanoseconds since 1970-01-01.
    pub newest_ns: Option<i64>,
}

impl Archive {
    /// Counts what is held.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn summary(&self) -> Result<Summary, ArchiveError> {
        let _snapshot = self.snapshot()?;
        let mut summary = Summary {
            gateways: self.gateway_summaries()?,
            lanes: self.lane_summaries()?,
            refusals: self.refusals()?,
            ..Summary::default()
        };
        for lane in &summary.lanes {
            summary.delivered += lane.records;
            summary.gaps += lane.gaps;
            summary.holes += lane.holes.iter().map(|hole| hole.count()).sum::<u64>();
            summary.duplicates += lane.duplicates;
            summary.conflicts += lane.conflicts;
            summary.newest_ns = summary.newest_ns.max(lane.newest_ns);
        }
        summary.refused = summary.refusals.iter().map(|(_, count)| count).sum();
        summary.receipts = summary
            .gateways
            .iter()
            .map(|gateway| gateway.receipts)
            .sum();
        Ok(summary)
    }

    /// Counts the records that stand in a place that another record has. The tables do not admit any;
    /// this looks at the rows themselves, for whoever must not take that on trust.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn stored_twice(&self) -> Result<u64, ArchiveError> {
        let mut count = self.connection.prepare_cached(
            "SELECT ifnull(sum(times - 1), 0) FROM (
                 SELECT count(*) AS times FROM record JOIN lane ON record.lane = lane.id
                 GROUP BY lane.gateway, lane.epoch, lane.number, record.sequence HAVING times > 1)",
        )?;
        count.query_row([], |row| Ok(number(row, 0)))?
    }

    fn gateway_summaries(&self) -> Result<Vec<GatewaySummary>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT name, receipts, receipt_ns, state FROM gateway ORDER BY name",
        )?;
        let mut rows = find.query([])?;
        let mut gateways = Vec::new();
        while let Some(row) = rows.next()? {
            gateways.push(GatewaySummary {
                gateway: gateway_id(&row.get::<_, String>(0)?)?,
                receipts: number(row, 1)?,
                receipt_ns: row.get(2)?,
                state: row.get(3)?,
            });
        }
        Ok(gateways)
    }

    fn lane_summaries(&self) -> Result<Vec<LaneSummary>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT lane.epoch, lane.number, gateway.name, lane.id, lane.duplicates, lane.conflicts,
                    lane.newest_ns, (SELECT count(*) FROM gap WHERE gap.lane = lane.id)
             FROM lane JOIN gateway ON lane.gateway = gateway.id
             ORDER BY gateway.name, min(lane.id) OVER (PARTITION BY gateway.id, lane.epoch), lane.number",
        )?;
        let mut rows = find.query([])?;
        let mut lanes = Vec::new();
        while let Some(row) = rows.next()? {
            let (epoch, lane) = epoch_and_lane(row)?;
            let id = row.get(3)?;
            let held = self.places("SELECT first, last FROM run WHERE lane = ?1", id)?;
            let highest = held.runs().last().map(SequenceRange::last);
            let gone = "SELECT first, last FROM gap WHERE about = ?1 AND first IS NOT NULL";
            let (holes, explained) = holes(&held, &self.places(gone, id)?);
            lanes.push(LaneSummary {
                gateway: gateway_id(&row.get::<_, String>(2)?)?,
                epoch,
                lane,
                records: held.count(),
                gaps: number(row, 7)?,
                holes,
                explained,
                highest,
                duplicates: number(row, 4)?,
                conflicts: number(row, 5)?,
                newest_ns: row.get(6)?,
            });
        }
        Ok(lanes)
    }

    fn places(&self, query: &str, lane: i64) -> Result<SequenceSet, ArchiveError> {
        let mut find = self.connection.prepare_cached(query)?;
        let mut rows = find.query([lane])?;
        let mut set = SequenceSet::new();
        while let Some(row) = rows.next()? {
            set.insert(range(row.get(0)?, row.get(1)?)?);
        }
        Ok(set)
    }

    fn refusals(&self) -> Result<Vec<(String, u64)>, ArchiveError> {
        let mut find = self
            .connection
            .prepare_cached("SELECT reason, count FROM refusal ORDER BY reason")?;
        let mut rows = find.query([])?;
        let mut refusals = Vec::new();
        while let Some(row) = rows.next()? {
            refusals.push((row.get(0)?, number(row, 1)?));
        }
        Ok(refusals)
    }
}

/// The missing places that nothing explains, and how many are explained.
fn holes(held: &SequenceSet, gone: &SequenceSet) -> (Vec<SequenceRange>, u64) {
    let missing = held.holes();
    let mut open = SequenceSet::new();
    for hole in &missing {
        open.insert(*hole);
    }
    for range in gone.runs() {
        open.remove(range);
    }
    let count: u64 = missing.iter().map(|hole| hole.count()).sum();
    let explained = count.saturating_sub(open.count());
    (open.runs().collect(), explained)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, ArchiveError> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| ArchiveError::Damaged("a count is negative"))
}
