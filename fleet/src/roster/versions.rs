//! The versions of profiles: strictly rising for each target, and never given twice.

use rusqlite::{Connection, params};

use super::{Roster, RosterError};

/// Draws the next version for a target. It is given out even if what follows fails: a number may be
/// skipped, but never repeated.
pub(crate) fn draw(connection: &Connection, target: &str) -> Result<u64, RosterError> {
    let version: i64 = connection.query_row(
        "INSERT INTO version (target, last) VALUES (?1, 1)
         ON CONFLICT (target) DO UPDATE SET last = last + 1 RETURNING last",
        params![target],
        |row| row.get(0),
    )?;
    u64::try_from(version).map_err(|_| RosterError::Damaged("a version is below zero"))
}

impl Roster {
    /// Draws the next version for a target.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn draw_version(&self, target: &str) -> Result<u64, RosterError> {
        draw(&self.connection, target)
    }
}
