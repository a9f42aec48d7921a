//! Reading records back, one stream at a time, in the order they were measured.

use rusqlite::params;
use wardlink_wire::batch::Batch;
use wardlink_wire::id::{DeviceId, Epoch, GatewayId};
use wardlink_wire::record::Record;
use wardlink_wire::sequence::Sequence;
use wardlink_wire::stream::Stream;

use super::held::gateway_id;
use super::{Archive, ArchiveError};

/// One stream of which something is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamKey {
    id: i64,
    /// Whose.
    pub gateway: GatewayId,
    /// Which device.
    pub device: DeviceId,
    /// Its name, as the gateway gave it: any text.
    pub name: String,
    /// Whether it is sampled at a fixed rate.
    pub sampled: bool,
}

/// One record as it is held.
#[derive(Debug, Clone, Copy)]
pub struct HeldRecord<'a> {
    /// Where it stands.
    pub place: Place,
    /// The stream as its batch describes it.
    pub stream: &'a Stream,
    /// What it says.
    pub record: &'a Record,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which store gave the sequence.
    pub epoch: Epoch,
    /// When the measurement that it belongs to began, UTC, nanoseconds since 1970-01-01.
    pub since_ns: i64,
    /// The place in its lane.
    pub sequence: Sequence,
    lane: i64,
}

impl Archive {
    /// The streams of one gateway, or of all.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn streams(&self, gateway: Option<&GatewayId>) -> Result<Vec<StreamKey>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT stream.id, gateway.name, stream.device, stream.name, stream.sampled
             FROM stream JOIN gateway ON stream.gateway = gateway.id
             WHERE ?1 IS NULL OR gateway.id = ?1
             ORDER BY gateway.name, stream.device, stream.name",
        )?;
        let wanted = match gateway {
            Some(name) => match self.gateway_id(name.as_str())? {
                Some(id) => Some(id),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let mut rows = find.query([wanted])?;
        let mut streams = Vec::new();
        while let Some(row) = rows.next()? {
            let device: String = row.get(2)?;
            streams.push(StreamKey {
                id: row.get(0)?,
                gateway: gateway_id(&row.get::<_, String>(1)?)?,
                device: device
                    .parse()
                    .map_err(|_| ArchiveError::Damaged("a device's name is no name"))?,
                name: row.get(3)?,
                sampled: row.get(4)?,
            });
        }
        Ok(streams)
    }

    /// Hands out the records of a stream, lane by lane and in the order of their places. No more than one
    /// batch is in memory at a time.
    ///
    /// # Errors
    /// When the database refuses, a kept batch is damaged, or `each` fails.
    pub fn each_record<E: From<ArchiveError>>(
        &self,
        stream: &StreamKey,
        mut each: impl FnMut(HeldRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let lost = |error| E::from(ArchiveError::Database(error));
        let mut find = self
            .connection
            .prepare_cached(
                "SELECT lane, sequence, batch FROM record WHERE stream = ?1 ORDER BY lane, sequence",
            )
            .map_err(lost)?;
        let mut rows = find.query([stream.id]).map_err(lost)?;
        let mut open: Option<(i64, Batch)> = None;
        while let Some(row) = rows.next().map_err(lost)? {
            let (lane, sequence, id): (i64, i64, i64) = row.try_into().map_err(lost)?;
            if open.as_ref().is_none_or(|(current, _)| *current != id) {
                open = Some((id, self.batch(id)?));
            }
            let Some((_, batch)) = &open else { continue };
            let held = held_record(batch, lane, sequence)
                .ok_or(ArchiveError::Damaged("a record is not in its batch"))?;
            each(held)?;
        }
        Ok(())
    }

    /// Why records of a stream are missing between two that are held, as far as gap records say: those that
    /// name places between the two, and those that stand between them and are about this stream or about no
    /// sampled stream in particular.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn causes(
        &self,
        stream: &StreamKey,
        before: Place,
        after: Place,
    ) -> Result<Vec<String>, ArchiveError> {
        if before.lane != after.lane {
            return Ok(Vec::new());
        }
        let mut find = self.connection.prepare_cached(
            "SELECT DISTINCT cause FROM gap
             WHERE (about = ?1 AND first < ?3 AND last > ?2)
                OR (about = ?1 AND lane = ?1 AND first IS NULL AND sequence > ?2 AND sequence < ?3
                    AND stream IN (SELECT id FROM stream WHERE id = ?4 OR NOT sampled))
             ORDER BY cause",
        )?;
        let place = |sequence: Sequence| i64::try_from(sequence.0).unwrap_or(i64::MAX);
        let found = find.query_map(
            params![
                before.lane,
                place(before.sequence),
                place(after.sequence),
                stream.id
            ],
            |row| row.get(0),
        )?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn batch(&self, id: i64) -> Result<Batch, ArchiveError> {
        let mut find = self
            .connection
            .prepare_cached("SELECT bytes FROM batch WHERE id = ?1")?;
        let mut rows = find.query([id])?;
        let row = rows
            .next()?
            .ok_or(ArchiveError::Damaged("a batch is missing"))?;
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        Batch::decode(bytes).map_err(|error| ArchiveError::Batch { id, error })
    }
}

fn held_record(batch: &Batch, lane: i64, sequence: i64) -> Option<HeldRecord<'_>> {
    let sequence = Sequence(u64::try_from(sequence).ok()?);
    let place = usize::try_from(sequence.0.checked_sub(batch.first.0)?).ok()?;
    let record = batch.records.get(place)?;
    let stream = batch.stream_of(record)?;
    let place = Place {
        epoch: batch.epoch,
        since_ns: stream.since_ns,
        sequence,
        lane,
    };
    Some(HeldRecord {
        place,
        stream,
        record,
    })
}
