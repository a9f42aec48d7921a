//! The gaps that gateways told of.

use rusqlite::params;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;

use super::held::range;
use super::{Archive, ArchiveError};

/// One gap record, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldGap {
    /// When the monitor received it, UTC, nanoseconds since 1970-01-01.
    pub received_ns: i64,
    /// The lane it is about.
    pub about: Lane,
    /// The places that never arrive; none where no place was given away.
    pub range: Option<SequenceRange>,
    /// Why, in a word.
    pub cause: String,
}

impl Archive {
    /// The newest gaps of a gateway, the last received first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn last_gaps(&self, gateway: &GatewayId, most: u32) -> Result<Vec<HeldGap>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT batch.received_ns, about.number, gap.first, gap.last, gap.cause
             FROM gap
             JOIN lane AS about ON gap.about = about.id
             JOIN gateway ON about.gateway = gateway.id
             JOIN record ON record.lane = gap.lane AND record.sequence = gap.sequence
             JOIN batch ON record.batch = batch.id
             WHERE gateway.name = ?1
             ORDER BY batch.id DESC, gap.sequence DESC LIMIT ?2",
        )?;
        let mut rows = find.query(params![gateway.as_str(), most])?;
        let mut gaps = Vec::new();
        while let Some(row) = rows.next()? {
            let places: (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            gaps.push(HeldGap {
                received_ns: row.get(0)?,
                about: Lane::from_number(row.get(1)?)
                    .ok_or(ArchiveError::Damaged("an unknown lane"))?,
                range: match places {
                    (Some(first), Some(last)) => Some(range(first, last)?),
                    _ => None,
                },
                cause: row.get(4)?,
            });
        }
        Ok(gaps)
    }
}
