//! Claims: each lets one gateway of a given name enrol itself, once and for a limited time.

use rusqlite::{OptionalExtension, params};
use wardlink_wire::id::GatewayId;

use super::{Roster, RosterError, gateways};

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its public name, one level of its topics.
    pub id: GatewayId,
    /// Who enrols with it.
    pub gateway: GatewayId,
    /// The groups that the gateway is put into.
    pub groups: Vec<String>,
    /// The profile it begins with.
    pub profile: String,
    /// Where it reaches the broker, as `host:port`.
    pub broker: String,
    /// How many days its certificate holds.
    pub days: u32,
    /// Until when it can be used, UTC, seconds since 1970-01-01.
    pub expires: i64,
    /// Serial number of the claim's own certificate.
    pub serial: String,
    /// When it was withdrawn, if it was.
    pub withdrawn: Option<i64>,
    /// Its one use.
    pub used: Option<Use>,
}

/// The one use of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The digest of the request.
    pub request: Vec<u8>,
    /// What was answered.
    pub answer: Vec<u8>,
}

impl Roster {
    /// Notes a claim and its secret.
    ///
    /// # Errors
    /// When the gateway is enrolled already, or the database refuses.
    pub fn note_claim(&self, claim: &Claim, secret: &[u8]) -> Result<(), RosterError> {
        gateways::admit(&self.connection, &claim.gateway)?;
        self.connection.execute(
            "INSERT INTO claim (id, gateway, secret, serial, teams, profile, broker, days, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                claim.id.as_str(),
                claim.gateway.as_str(),
                secret,
                claim.serial,
                claim.groups.join(" "),
                claim.profile,
                claim.broker,
                claim.days,
                claim.expires
            ],
        )?;
        Ok(())
    }

    /// Every claim, those that end first at the front.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn claims(&self) -> Result<Vec<Claim>, RosterError> {
        let mut query = self
            .connection
            .prepare("SELECT id FROM claim ORDER BY expires, id")?;
        let ids: Vec<String> = query
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let claim = |id| Ok(self.claim(&gateways::id(id)?)?.0);
        ids.into_iter().map(claim).collect()
    }

    /// One claim and its secret.
    ///
    /// # Errors
    /// When there is none of this name, or the database refuses.
    pub fn claim(&self, id: &GatewayId) -> Result<(Claim, Vec<u8>), RosterError> {
        let row = self
            .connection
            .query_row(
                "SELECT gateway, secret, serial, teams, profile, broker, days, expires, withdrawn, request, answer
                 FROM claim WHERE id = ?1",
                [id.as_str()],
                |row| {
                    let teams: String = row.get(3)?;
                    let request: Option<Vec<u8>> = row.get(9)?;
                    let answer: Option<Vec<u8>> = row.get(10)?;
                    let claim = Claim {
                        id: id.clone(),
                        gateway: id.clone(),
                        serial: row.get(2)?,
                        groups: teams.split_whitespace().map(str::to_owned).collect(),
                        profile: row.get(4)?,
                        broker: row.get(5)?,
                        days: row.get(6)?,
                        expires: row.get(7)?,
                        withdrawn: row.get(8)?,
                        used: request
                            .zip(answer)
                            .map(|(request, answer)| Use { request, answer }),
                    };
                    Ok((claim, row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
                },
            )
            .optional()?;
        let (mut claim, gateway, secret) =
            row.ok_or_else(|| RosterError::NoClaim(id.to_string()))?;
        claim.gateway = gateways::id(gateway)?;
        Ok((claim, secret))
    }

    /// Takes a claim back. Its certificate is revoked with it.
    ///
    /// # Errors
    /// When there is none of this name, or the database refuses.
    pub fn withdraw_claim(&mut self, id: &GatewayId, now: i64) -> Result<(), RosterError> {
        let (claim, _) = self.claim(id)?;
        self.together(|transaction| {
            transaction.execute(
                "UPDATE claim SET withdrawn = ?2 WHERE id = ?1",
                params![id.as_str(), now],
            )?;
            transaction.execute(
                "UPDATE certificate SET revoked = ?2 WHERE serial = ?1 AND revoked IS NULL",
                params![claim.serial, now],
            )?;
            Ok(())
        })
    }
}
