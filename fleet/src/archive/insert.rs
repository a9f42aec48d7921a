//! Storing a batch: only places that are not held yet, and never over one that is.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{OptionalExtension, Savepoint, params};
use wardlink_wire::batch::Batch;
use wardlink_wire::codec;
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::record::{Body, Record};
use wardlink_wire::sequence::{SequenceRange, SequenceSet};
use wardlink_wire::stream::Stream;

use super::{ArchiveError, Group};
use crate::export::words;

/// What became of the places of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Stored now.
    pub new: u64,
    /// Held before, with the same content.
    pub duplicate: u64,
    /// Held before with other content, which was kept.
    pub conflicting: u64,
}

impl Group<'_> {
    /// Stores what a batch has that is not held yet. `bytes` is the encoded batch.
    ///
    /// # Errors
    /// When the batch cannot be stored ([`ArchiveError::is_about_content`]; the group is as before), or the
    /// archive cannot store.
    pub fn insert(
        &mut self,
        batch: &Batch,
        bytes: &[u8],
        received_ns: i64,
    ) -> Result<Inserted, ArchiveError> {
        let range = batch.range().ok_or(ArchiveError::Beyond)?;
        let (first, last) = bounds(range).ok_or(ArchiveError::Beyond)?;
        let point = self.transaction.savepoint()?;
        let gateway = gateway_row(&point, &batch.gateway)?;
        let lane = lane_row(&point, gateway, batch.epoch, batch.lane)?;
        let held = held_within(&point, lane, first, last)?;
        let digests = digests(batch)?;
        let mut inserted = compare(&point, lane, batch, &digests, &held)?;
        inserted.new = range.count() - inserted.duplicate - inserted.conflicting;
        if inserted.new > 0 {
            let mut rows = Rows {
                point: &point,
                gateway,
                lane,
                batch,
                held: &held,
                streams: HashMap::new(),
            };
            let batch_row = rows.store_batch(bytes, (first, last), received_ns)?;
            rows.store_records(batch_row, &digests)?;
        }
        join_run(&point, lane, first, last, received_ns)?;
        count(&point, lane, batch, inserted)?;
        point.commit()?;
        Ok(inserted)
    }
}

struct Rows<'a> {
    point: &'a Savepoint<'a>,
    gateway: i64,
    lane: i64,
    batch: &'a Batch,
    held: &'a SequenceSet,
    streams: HashMap<u32, i64>,
}

impl Rows<'_> {
    fn store_batch(
        &self,
        bytes: &[u8],
        (first, last): (i64, i64),
        received_ns: i64,
    ) -> Result<i64, ArchiveError> {
        self.point
            .prepare_cached(
                "INSERT INTO batch (lane, first, last, received_ns, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.lane, first, last, received_ns, bytes])?;
        Ok(self.point.last_insert_rowid())
    }

    fn store_records(&mut self, batch_row: i64, digests: &[Digest]) -> Result<(), ArchiveError> {
        let mut insert = self.point.prepare_cached(
            "INSERT INTO record (lane, sequence, batch, stream, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for ((place, record), digest) in (0..).zip(&self.batch.records).zip(digests) {
            let sequence = self.batch.first.plus(place);
            if self.held.contains(sequence) {
                continue;
            }
            let sequence = i64::try_from(sequence.0).map_err(|_| ArchiveError::Beyond)?;
            let stream = self.stream(record)?;
            insert.execute(params![self.lane, sequence, batch_row, stream, digest])?;
            if let Body::Gap(gap) = &record.body {
                let about = lane_row(self.point, self.gateway, self.batch.epoch, gap.lane)?;
                let range = gap.range.and_then(clipped);
                self.point
                    .prepare_cached(
                        "INSERT INTO gap (lane, sequence, stream, about, first, last, cause)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute(params![
                        self.lane,
                        sequence,
                        stream,
                        about,
                        range.map(|(first, _)| first),
                        range.map(|(_, last)| last),
                        words::cause(gap.cause)
                    ])?;
            }
        }
        Ok(())
    }

    fn stream(&mut self, record: &Record) -> Result<i64, ArchiveError> {
        if let Some(row) = self.streams.get(&record.stream) {
            return Ok(*row);
        }
        let stream = self
            .batch
            .stream_of(record)
            .ok_or(ArchiveError::Damaged("a record without its stream"))?;
        let row = stream_row(self.point, self.gateway, stream)?;
        self.streams.insert(record.stream, row);
        Ok(row)
    }
}

pub(super) fn gateway_row(point: &Savepoint<'_>, name: &GatewayId) -> Result<i64, ArchiveError> {
    let mut insert = point.prepare_cached(
        "INSERT INTO gateway (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id",
    )?;
    Ok(insert.query_row([name.as_str()], |row| row.get(0))?)
}

fn lane_row(
    point: &Savepoint<'_>,
    gateway: i64,
    epoch: Epoch,
    lane: Lane,
) -> Result<i64, ArchiveError> {
    let mut insert = point.prepare_cached(
        "INSERT INTO lane (gateway, epoch, number) VALUES (?1, ?2, ?3)
         ON CONFLICT (gateway, epoch, number) DO UPDATE SET number = number RETURNING id",
    )?;
    Ok(
        insert.query_row(params![gateway, epoch.as_bytes(), lane.number()], |row| {
            row.get(0)
        })?,
    )
}

fn stream_row(point: &Savepoint<'_>, gateway: i64, stream: &Stream) -> Result<i64, ArchiveError> {
    let mut insert = point.prepare_cached(
        "INSERT INTO stream (gateway, device, name, sampled) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (gateway, device, name) DO UPDATE SET sampled = max(sampled, excluded.sampled)
         RETURNING id",
    )?;
    let sampled = stream.sampling.is_some();
    Ok(insert.query_row(
        params![gateway, stream.device.as_str(), stream.name, sampled],
        |row| row.get(0),
    )?)
}

/// The places between `first` and `last` that are held.
fn held_within(
    point: &Savepoint<'_>,
    lane: i64,
    first: i64,
    last: i64,
) -> Result<SequenceSet, ArchiveError> {
    let mut find = point.prepare_cached(
        "SELECT max(first, ?2), min(last, ?3) FROM run WHERE lane = ?1 AND first <= ?3 AND last >= ?2",
    )?;
    let mut set = SequenceSet::new();
    let mut rows = find.query(params![lane, first, last])?;
    while let Some(row) = rows.next()? {
        set.insert(super::held::range(row.get(0)?, row.get(1)?)?);
    }
    Ok(set)
}

/// Counts which of the held places repeat what is stored, and which contradict it.
fn compare(
    point: &Savepoint<'_>,
    lane: i64,
    batch: &Batch,
    digests: &[Digest],
    held: &SequenceSet,
) -> Result<Inserted, ArchiveError> {
    let mut inserted = Inserted::default();
    if held.is_empty() {
        return Ok(inserted);
    }
    let mut find =
        point.prepare_cached("SELECT digest FROM record WHERE lane = ?1 AND sequence = ?2")?;
    for (place, digest) in (0..).zip(digests) {
        let sequence = batch.first.plus(place);
        if !held.contains(sequence) {
            continue;
        }
        let sequence = i64::try_from(sequence.0).map_err(|_| ArchiveError::Beyond)?;
        let stored: Option<Digest> = find
            .query_row(params![lane, sequence], |row| row.get(0))
            .optional()?;
        match stored {
            Some(stored) if stored == *digest => inserted.duplicate += 1,
            Some(_) => inserted.conflicting += 1,
            None => return Err(ArchiveError::Damaged("a run names a place without record")),
        }
    }
    Ok(inserted)
}

/// Makes `first..=last` and the runs it touches one run.
fn join_run(
    point: &Savepoint<'_>,
    lane: i64,
    first: i64,
    last: i64,
    received_ns: i64,
) -> Result<(), ArchiveError> {
    let touching = params![lane, first.saturating_sub(1), last.saturating_add(1)];
    let (joined_first, joined_last): (Option<i64>, Option<i64>) = point
        .prepare_cached(
            "SELECT min(first), max(last) FROM run WHERE lane = ?1 AND first <= ?3 AND last >= ?2",
        )?
        .query_row(touching, |row| Ok((row.get(0)?, row.get(1)?)))?;
    point
        .prepare_cached("DELETE FROM run WHERE lane = ?1 AND first <= ?3 AND last >= ?2")?
        .execute(touching)?;
    point
        .prepare_cached("INSERT INTO run (lane, first, last, touched_ns) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            lane,
            joined_first.map_or(first, |joined| joined.min(first)),
            joined_last.map_or(last, |joined| joined.max(last)),
            received_ns
        ])?;
    Ok(())
}

fn count(
    point: &Savepoint<'_>,
    lane: i64,
    batch: &Batch,
    inserted: Inserted,
) -> Result<(), ArchiveError> {
    let newest = batch.records.iter().map(|record| record.time.utc_ns).max();
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    point
        .prepare_cached(
            "UPDATE lane SET duplicates = duplicates + ?2, conflicts = conflicts + ?3,
                    newest_ns = max(ifnull(newest_ns, ?4), ?4)
             WHERE id = ?1",
        )?
        .execute(params![
            lane,
            signed(inserted.duplicate),
            signed(inserted.conflicting),
            newest
        ])?;
    Ok(())
}

/// What each record says, however its batch was cut: the first 16 bytes of SHA-256 over boot, stream and
/// record, without the number that the batch happens to give the stream.
fn digests(batch: &Batch) -> Result<Vec<Digest>, ArchiveError> {
    let digest_of = |record: &Record| {
        let stream = batch.stream_of(record);
        let stream = stream.ok_or(ArchiveError::Damaged("a record without its stream"))?;
        let bare_stream = Stream {
            number: 0,
            ..stream.clone()
        };
        let bare_record = Record {
            stream: 0,
            ..record.clone()
        };
        let bytes = codec::encode(&(batch.boot, bare_stream, bare_record))?;
        let whole = digest(&SHA256, &bytes);
        let half = whole.as_ref().first_chunk().copied();
        half.ok_or(ArchiveError::Damaged("a digest is too short"))
    };
    batch.records.iter().map(digest_of).collect()
}

fn bounds(range: SequenceRange) -> Option<(i64, i64)> {
    let first = i64::try_from(range.first().0).ok()?;
    // One below the end of numbers, so that the place after it still has a number.
    let last = i64::try_from(range.last().0).ok()?.checked_add(1)? - 1;
    Some((first, last))
}

/// The part of a gap's range that the archive can name.
fn clipped(range: SequenceRange) -> Option<(i64, i64)> {
    let first = i64::try_from(range.first().0).ok()?;
    Some((first, i64::try_from(range.last().0).unwrap_or(i64::MAX)))
}

type Digest = [u8; 16];
