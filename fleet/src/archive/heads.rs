//! How far each gateway's audit log was known to reach, and what contradicted it.
//!
//! A log only grows: a head with fewer entries, or another hash at as many, means that the log was cut, put back with
//! its disk, rewritten, or begun anew after damage. Which of them, the gateway's own log says (docs/updates.md).
//! Promises that each contradiction is told once and remembered; the new head is then what is known.

use rusqlite::{OptionalExtension, params};
use wardlink_wire::audit::Head;
use wardlink_wire::id::GatewayId;

use super::insert::gateway_row;
use super::{Archive, ArchiveError, Group};

/// What is known of a gateway's audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldHead {
    /// Entries it had.
    pub entries: u64,
    /// How often it contradicted what was known.
    pub contradictions: u64,
    /// The last of them: when the monitor noticed it (UTC, nanoseconds since 1970-01-01), and what it was.
    pub last: Option<(i64, String)>,
}

impl Group<'_> {
    /// Compares the end of an audit log with the one known, and keeps it. Gives out what contradicts it, for people.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit(
        &mut self,
        gateway: &GatewayId,
        head: &Head,
        said_ns: i64,
        received_ns: i64,
    ) -> Result<Option<String>, ArchiveError> {
        let point = self.transaction.savepoint()?;
        let row = gateway_row(&point, gateway)?;
        let known: Option<(i64, Vec<u8>, i64, i64)> = point
            .prepare_cached(
                "SELECT entries, hash, said_ns, received_ns FROM audit WHERE gateway = ?1",
            )?
            .query_row([row], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let entries = i64::try_from(head.entries).unwrap_or(i64::MAX);
        let mut contradiction = None;
        if let Some((known, hash, known_said, known_received)) = known {
            // A state that comes again after a newer one is no news. One that comes much later is none of these,
            // whatever its clock says.
            if said_ns <= known_said && received_ns.saturating_sub(known_received) < AGAIN_NS {
                return Ok(None);
            }
            if entries < known {
                contradiction = Some(format!(
                    "the audit log of {gateway} ends after {entries} entries, and had {known}"
                ));
            } else if entries == known && head.hash != hash {
                contradiction = Some(format!(
                    "the audit log of {gateway} has {entries} entries as before, and others"
                ));
            }
        }
        point
            .prepare_cached(
                "INSERT INTO audit (gateway, entries, hash, said_ns, received_ns) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (gateway) DO UPDATE SET
                    entries = ?2, hash = ?3, said_ns = ?4, received_ns = ?5",
            )?
            .execute(params![row, entries, head.hash, said_ns, received_ns])?;
        if let Some(text) = &contradiction {
            point
                .prepare_cached(
                    "UPDATE audit SET contradictions = contradictions + 1, last_ns = ?2, last = ?3
                     WHERE gateway = ?1",
                )?
                .execute(params![row, received_ns, text])?;
        }
        point.commit()?;
        Ok(contradiction)
    }
}

impl Archive {
    /// What is known of a gateway's audit log; nothing if it never spoke of one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit_of(&self, gateway: &GatewayId) -> Result<Option<HeldHead>, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT entries, contradictions, last_ns, last FROM audit
             JOIN gateway ON audit.gateway = gateway.id WHERE gateway.name = ?1",
        )?;
        let found = find.query_row([gateway.as_str()], |row| {
            let count = |column| row.get(column).map(|count: i64| count.unsigned_abs());
            let (at, text): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok(HeldHead {
                entries: count(0)?,
                contradictions: count(1)?,
                last: at.zip(text),
            })
        });
        Ok(found.optional()?)
    }
}

/// Within this a broker has delivered again what it had delivered before.
const AGAIN_NS: i64 = 10 * 60 * 1_000_000_000;
