//! What is noted beside the batches: refused messages, what gateways say of themselves, receipts sent.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::params;
use wardlink_wire::id::GatewayId;

use super::insert::gateway_row;
use super::{ArchiveError, Group};

/// A message that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as one of few words that are counted.
    pub reason: &'static str,
    /// Why exactly, for people.
    pub detail: String,
}

/// What a gateway says of itself; the newest of each kind is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Its devices and streams.
    Birth,
    /// Its health.
    State,
    /// What became of a bundle.
    ConfigState,
}

impl Group<'_> {
    /// Counts a refused message, and keeps what it was: topic, size and digest, not its content.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn refuse(
        &mut self,
        topic: &str,
        payload: &[u8],
        refusal: &Refusal,
        received_ns: i64,
    ) -> Result<(), ArchiveError> {
        let count = "INSERT INTO refusal (reason, count) VALUES (?1, 1)
                     ON CONFLICT (reason) DO UPDATE SET count = count + 1";
        self.transaction
            .prepare_cached(count)?
            .execute([refusal.reason])?;
        self.transaction
            .prepare_cached(
                "INSERT INTO refused (received_ns, topic, reason, detail, size, sha256)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                received_ns,
                shortened(topic),
                refusal.reason,
                shortened(&refusal.detail),
                i64::try_from(payload.len()).unwrap_or(i64::MAX),
                digest(&SHA256, payload).as_ref()
            ])?;
        let newest = self.transaction.last_insert_rowid();
        self.transaction
            .prepare_cached("DELETE FROM refused WHERE id <= ?1")?
            .execute([newest.saturating_sub(MOST_REFUSED)])?;
        Ok(())
    }

    /// Keeps what a gateway said of itself.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note(
        &mut self,
        gateway: &GatewayId,
        note: Note,
        bytes: &[u8],
    ) -> Result<(), ArchiveError> {
        let update = match note {
            Note::Birth => "UPDATE gateway SET birth = ?2 WHERE id = ?1",
            Note::State => "UPDATE gateway SET state = ?2 WHERE id = ?1",
            Note::ConfigState => "UPDATE gateway SET config_state = ?2 WHERE id = ?1",
        };
        let point = self.transaction.savepoint()?;
        let row = gateway_row(&point, gateway)?;
        point.prepare_cached(update)?.execute(params![row, bytes])?;
        Ok(point.commit()?)
    }

    /// Notes that a receipt was handed to the broker.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_receipt(
        &mut self,
        gateway: &GatewayId,
        issued_ns: i64,
    ) -> Result<(), ArchiveError> {
        self.transaction
            .prepare_cached(
                "UPDATE gateway SET receipts = receipts + 1, receipt_ns = ?2 WHERE name = ?1",
            )?
            .execute(params![gateway.as_str(), issued_ns])?;
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

const MOST_REFUSED: i64 = 1000;
const LONGEST_TEXT: usize = 200;
