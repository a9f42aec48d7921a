//! Every certificate that was issued, and those that count no more.

use rusqlite::{Connection, OptionalExtension, params};
use wardlink_wire::id::GatewayId;

use super::{Roster, RosterError};
use crate::pki::{Certified, Revoked};

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number in hexadecimal.
    pub serial: String,
    /// PEM.
    pub pem: String,
    /// The end, UTC, seconds since 1970-01-01.
    pub ends: i64,
    /// When it was revoked, if it was.
    pub revoked: Option<i64>,
}

/// Notes a certificate before it is handed out.
pub(crate) fn note(
    connection: &Connection,
    party: &str,
    certified: &Certified,
    now: i64,
) -> Result<(), RosterError> {
    connection.execute(
        "INSERT INTO certificate (serial, party, sha256, pem, issued, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            certified.serial,
            party,
            certified.fingerprint,
            certified.certificate,
            now,
            certified.not_after
        ],
    )?;
    Ok(())
}

/// Revokes every certificate of a party that holds.
pub(crate) fn revoke(connection: &Connection, party: &str, now: i64) -> Result<usize, RosterError> {
    Ok(connection.execute(
        "UPDATE certificate SET revoked = ?2 WHERE party = ?1 AND revoked IS NULL",
        params![party, now],
    )?)
}

impl Roster {
    /// The certificates of a party, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn certificates(&self, party: &str) -> Result<Vec<Certificate>, RosterError> {
        let mut query = self.connection.prepare_cached(
            "SELECT serial, pem, ends, revoked FROM certificate WHERE party = ?1 ORDER BY issued DESC, ends DESC",
        )?;
        let rows = query.query_map([party], |row| {
            Ok(Certificate {
                serial: row.get(0)?,
                pem: row.get(1)?,
                ends: row.get(2)?,
                revoked: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes a certificate.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_certificate(
        &self,
        party: &str,
        certified: &Certified,
        now: i64,
    ) -> Result<(), RosterError> {
        note(&self.connection, party, certified, now)
    }

    /// Revokes a gateway: it is a member of the fleet no more. Says how many certificates that ended.
    ///
    /// # Errors
    /// When it is not enrolled, or the database refuses.
    pub fn revoke(&mut self, gateway: &GatewayId, now: i64) -> Result<usize, RosterError> {
        self.must_know(gateway)?;
        self.together(|transaction| {
            transaction.execute(
                "UPDATE gateway SET revoked = ?2 WHERE name = ?1",
                params![gateway.as_str(), now],
            )?;
            revoke(transaction, gateway.as_str(), now)
        })
    }

    /// What the list of revoked certificates has to say.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn revoked(&self) -> Result<Vec<Revoked>, RosterError> {
        let mut query = self.connection.prepare_cached(
            "SELECT serial, revoked FROM certificate WHERE revoked IS NOT NULL ORDER BY serial",
        )?;
        let rows = query.query_map([], |row| {
            Ok(Revoked {
                serial: row.get(0)?,
                at: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a gateway is a member of the fleet.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn is_member(&self, gateway: &GatewayId) -> Result<bool, RosterError> {
        let found: Option<bool> = self
            .connection
            .query_row(
                "SELECT revoked IS NULL FROM gateway WHERE name = ?1",
                [gateway.as_str()],
                |row| row.get(0),
            )
            .optional()?;
        Ok(found.unwrap_or(false))
    }
}
