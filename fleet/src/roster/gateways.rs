//! Gateways, their groups and their tags.

use rusqlite::{Connection, OptionalExtension, params};
use wardlink_wire::id::GatewayId;

use super::{Roster, RosterError};

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub gateway: GatewayId,
    /// When it was enrolled, UTC, seconds since 1970-01-01.
    pub enrolled: i64,
    /// When it was revoked, if it was.
    pub revoked: Option<i64>,
    /// Its groups, in order.
    pub groups: Vec<String>,
    /// Its tags, in order.
    pub tags: Vec<(String, String)>,
    /// When its newest certificate ends.
    pub certificate_ends: Option<i64>,
    /// The version of the profile that was last seen to work; 0 for the one it was enrolled with.
    pub good_version: u64,
}

/// Says whether a gateway may be enrolled.
pub(crate) fn admit(connection: &Connection, gateway: &GatewayId) -> Result<(), RosterError> {
    let revoked: Option<Option<i64>> = connection
        .query_row(
            "SELECT revoked FROM gateway WHERE name = ?1",
            [gateway.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    match revoked {
        // A revoked gateway may come back, with another key.
        None | Some(Some(_)) => Ok(()),
        Some(None) => Err(RosterError::Known(gateway.clone())),
    }
}

/// Notes a gateway with the profile it begins with.
pub(crate) fn note(
    connection: &Connection,
    gateway: &GatewayId,
    profile: &str,
    groups: &[String],
    now: i64,
) -> Result<(), RosterError> {
    admit(connection, gateway)?;
    connection.execute(
        "INSERT INTO gateway (name, enrolled, good) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET enrolled = ?2, good = ?3, good_version = 0, revoked = NULL",
        params![gateway.as_str(), now, profile],
    )?;
    for group in groups {
        connection.execute(
            "INSERT OR IGNORE INTO membership (team, gateway) VALUES (?1, ?2)",
            params![group, gateway.as_str()],
        )?;
    }
    Ok(())
}

impl Roster {
    /// Notes a gateway with the profile it begins with and its groups.
    ///
    /// # Errors
    /// When it is enrolled already, or the database refuses.
    pub fn enrol(
        &mut self,
        gateway: &GatewayId,
        profile: &str,
        groups: &[String],
        now: i64,
    ) -> Result<(), RosterError> {
        self.together(|transaction| note(transaction, gateway, profile, groups, now))
    }

    /// Every gateway, in order of names.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn gateways(&self) -> Result<Vec<Entry>, RosterError> {
        let mut query = self.connection.prepare(
            "SELECT name, enrolled, revoked, good_version,
                    (SELECT max(ends) FROM certificate WHERE party = name AND revoked IS NULL)
             FROM gateway ORDER BY name",
        )?;
        let rows = query.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get::<_, i64>(3)?,
                row.get(4)?,
            ))
        })?;
        let mut entries = Vec::new();
        for row in rows {
            let (name, enrolled, revoked, good_version, certificate_ends) = row?;
            entries.push(Entry {
                groups: self.texts("SELECT team FROM membership WHERE gateway = ?1", &name)?,
                tags: self.tags(&name)?,
                gateway: id(name)?,
                enrolled,
                revoked,
                certificate_ends,
                good_version: u64::try_from(good_version).unwrap_or(0),
            });
        }
        Ok(entries)
    }

    /// The gateways of a group that are not revoked, in order of names.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn members(&self, group: &str) -> Result<Vec<GatewayId>, RosterError> {
        let names = self.texts(
            "SELECT gateway FROM membership JOIN gateway ON gateway.name = gateway
             WHERE team = ?1 AND revoked IS NULL ORDER BY gateway",
            group,
        )?;
        names.into_iter().map(id).collect()
    }

    /// Puts a gateway into a group, or takes it out.
    ///
    /// # Errors
    /// When it is not enrolled, or the database refuses.
    pub fn assign(
        &mut self,
        gateway: &GatewayId,
        group: &str,
        member: bool,
    ) -> Result<(), RosterError> {
        self.must_know(gateway)?;
        let change = if member {
            "INSERT OR IGNORE INTO membership (team, gateway) VALUES (?1, ?2)"
        } else {
            "DELETE FROM membership WHERE team = ?1 AND gateway = ?2"
        };
        self.connection
            .execute(change, params![group, gateway.as_str()])?;
        Ok(())
    }

    /// Gives a gateway a tag, or takes it away.
    ///
    /// # Errors
    /// When it is not enrolled, or the database refuses.
    pub fn tag(
        &mut self,
        gateway: &GatewayId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), RosterError> {
        self.must_know(gateway)?;
        match value {
            Some(value) => self.connection.execute(
                "INSERT INTO tag (gateway, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (gateway, name) DO UPDATE SET value = ?3",
                params![gateway.as_str(), name, value],
            )?,
            None => self.connection.execute(
                "DELETE FROM tag WHERE gateway = ?1 AND name = ?2",
                params![gateway.as_str(), name],
            )?,
        };
        Ok(())
    }

    /// The profile that was last seen to work on a gateway, and its version.
    ///
    /// # Errors
    /// When it is not enrolled, or the database refuses.
    pub fn good_profile(&self, gateway: &GatewayId) -> Result<(String, u64), RosterError> {
        let found = self
            .connection
            .query_row(
                "SELECT good, good_version FROM gateway WHERE name = ?1",
                [gateway.as_str()],
                |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)),
            )
            .optional()?;
        let (text, version) = found.ok_or_else(|| RosterError::Unknown(gateway.clone()))?;
        Ok((text, u64::try_from(version).unwrap_or(0)))
    }

    /// Notes that a profile works on a gateway.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_good(
        &self,
        gateway: &GatewayId,
        version: u64,
        profile: &str,
    ) -> Result<(), RosterError> {
        self.connection.execute(
            "UPDATE gateway SET good = ?2, good_version = ?3 WHERE name = ?1 AND good_version < ?3",
            params![
                gateway.as_str(),
                profile,
                i64::try_from(version).unwrap_or(i64::MAX)
            ],
        )?;
        Ok(())
    }

    /// Refuses a gateway that is not enrolled or is revoked.
    pub(crate) fn must_know(&self, gateway: &GatewayId) -> Result<(), RosterError> {
        let known: bool = self.connection.query_row(
            "SELECT count(*) > 0 FROM gateway WHERE name = ?1 AND revoked IS NULL",
            [gateway.as_str()],
            |row| row.get(0),
        )?;
        if known {
            Ok(())
        } else {
            Err(RosterError::Unknown(gateway.clone()))
        }
    }

    fn tags(&self, name: &str) -> Result<Vec<(String, String)>, RosterError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT name, value FROM tag WHERE gateway = ?1 ORDER BY name")?;
        let rows = query.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn texts(&self, query: &str, argument: &str) -> Result<Vec<String>, RosterError> {
        let mut query = self.connection.prepare_cached(query)?;
        let rows = query.query_map([argument], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(crate) fn id(name: String) -> Result<GatewayId, RosterError> {
    GatewayId::try_from(name).map_err(|_| RosterError::Damaged("a gateway's name is none"))
}
