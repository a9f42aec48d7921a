//! Rollouts as the fleet's file knows them: who is in which wave, and what became of each.
//!
//! Promises that a bundle is in the file before anybody could have it, so that a rollout whose program was
//! killed goes on with the same bytes, and that waves are drawn by chance of names and not by choice.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Row, params};
use wardlink_wire::id::GatewayId;

use crate::roster::{Roster, RosterError, gateways, versions};

/// One rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its number.
    pub id: i64,
    /// When it began, UTC, seconds since 1970-01-01.
    pub begun: i64,
    /// Where the profile came from, for people.
    pub source: String,
    /// How long gateways take its bundles, seconds.
    pub valid: i64,
    /// How long a wave may take, seconds.
    pub patience: i64,
    /// A gateway confirms no earlier than this, seconds.
    pub soak: u32,
    /// A gateway rolls back if it is not healthy by then, seconds.
    pub deadline: u32,
    /// How far it is.
    pub state: RolloutState,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Wave after wave.
    Running,
    /// A wave failed: whoever was changed goes back.
    Stopping,
    /// Every gateway confirmed.
    Done,
    /// A wave failed, and whoever was changed was sent back.
    Stopped,
}

/// One gateway of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub gateway: GatewayId,
    /// In which wave, from 0.
    pub wave: u32,
    /// What it is to have.
    pub profile: String,
    /// What it had before and goes back to.
    pub before: String,
    /// How far it is.
    pub state: StepState,
    /// Why, in words.
    pub reason: String,
    /// What was wrong with it before.
    pub faults: Vec<String>,
    /// The version of its last bundle.
    pub version: Option<u64>,
    /// Its last bundle, as it is published.
    pub parcel: Option<Vec<u8>>,
}

/// How far one gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Its wave has not come.
    Waiting,
    /// The bundle is signed, and published or about to be.
    Sent,
    /// It took the profile and is well.
    Confirmed,
    /// It refused the bundle; nothing was changed.
    Refused,
    /// It tried the profile and went back by itself.
    RolledBack,
    /// It took the profile and is not well.
    Unwell,
    /// It did not say its last word in time.
    Silent,
    /// It is sent back to the profile of before.
    Returning,
    /// It has the profile of before.
    Returned,
    /// The rollout stopped before its wave.
    Spared,
}

impl StepState {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Waiting, "waiting"),
        (Self::Sent, "sent"),
        (Self::Confirmed, "confirmed"),
        (Self::Refused, "refused"),
        (Self::RolledBack, "rolled back"),
        (Self::Unwell, "unwell"),
        (Self::Silent, "silent"),
        (Self::Returning, "returning"),
        (Self::Returned, "returned"),
        (Self::Spared, "spared"),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, word)| word)
    }

    /// Whether this ends a rollout.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::RolledBack | Self::Unwell | Self::Silent
        )
    }

    /// Whether the gateway has, or may still take, the profile of the rollout.
    #[must_use]
    pub const fn may_have_changed(self) -> bool {
        matches!(
            self,
            Self::Sent | Self::Confirmed | Self::Unwell | Self::Silent
        )
    }
}

impl RolloutState {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Running, "running"),
        (Self::Stopping, "stopping"),
        (Self::Done, "done"),
        (Self::Stopped, "stopped"),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, word)| word)
    }
}

/// Gives each gateway its wave: the first one as large as asked for, each one after it four times the one
/// before. `salt` makes other gateways the first ones in another rollout.
#[must_use]
pub fn waves(mut gateways: Vec<GatewayId>, first: usize, salt: &str) -> Vec<(GatewayId, u32)> {
    gateways.sort_by_cached_key(|gateway| {
        let text = format!("{salt}/{gateway}");
        digest(&SHA256, text.as_bytes()).as_ref().to_vec()
    });
    let mut drawn = Vec::with_capacity(gateways.len());
    let (mut wave, mut size) = (0, first.max(1));
    let mut rest = gateways.into_iter();
    loop {
        let before = drawn.len();
        drawn.extend(rest.by_ref().take(size).map(|gateway| (gateway, wave)));
        if drawn.len() == before {
            return drawn;
        }
        wave += 1;
        size = size.saturating_mul(4);
    }
}

impl Roster {
    /// Notes a new rollout; its id and state are given out.
    ///
    /// # Errors
    /// When another one has not ended, or the database refuses.
    pub fn begin_rollout(
        &mut self,
        rollout: &Rollout,
        steps: &[(GatewayId, u32, String)],
    ) -> Result<i64, RosterError> {
        self.together(|transaction| {
            transaction.execute(
                "INSERT INTO rollout (begun, source, valid, patience, soak, deadline, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running')",
                params![
                    rollout.begun,
                    rollout.source,
                    rollout.valid,
                    rollout.patience,
                    rollout.soak,
                    rollout.deadline
                ],
            )?;
            let id = transaction.last_insert_rowid();
            let mut insert = transaction.prepare(
                "INSERT INTO step (rollout, gateway, wave, profile, before, state)
                 SELECT ?1, name, ?3, ?4, good, 'waiting' FROM gateway WHERE name = ?2",
            )?;
            for (gateway, wave, profile) in steps {
                insert.execute(params![id, gateway.as_str(), wave, profile])?;
            }
            drop(insert);
            Ok(id)
        })
    }

    /// A rollout, or the newest one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn rollout(&self, id: Option<i64>) -> Result<Option<Rollout>, RosterError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, begun, source, valid, patience, soak, deadline, state FROM rollout
             WHERE id = ifnull(?1, (SELECT max(id) FROM rollout))",
        )?;
        let mut rows = query.query([id])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let word: String = row.get(7)?;
        let state = RolloutState::ALL.iter().find(|(_, known)| *known == word);
        let (state, _) = *state.ok_or(RosterError::Damaged("a rollout's state is none"))?;
        Ok(Some(Rollout {
            id: row.get(0)?,
            begun: row.get(1)?,
            source: row.get(2)?,
            valid: row.get(3)?,
            patience: row.get(4)?,
            soak: row.get(5)?,
            deadline: row.get(6)?,
            state,
        }))
    }

    /// The gateways of a rollout, wave by wave.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn steps(&self, rollout: i64) -> Result<Vec<Step>, RosterError> {
        let mut query = self.connection.prepare_cached(
            "SELECT gateway, wave, profile, before, state, reason, faults, version, parcel
             FROM step WHERE rollout = ?1 ORDER BY wave, gateway",
        )?;
        let mut rows = query.query([rollout])?;
        let mut steps = Vec::new();
        while let Some(row) = rows.next()? {
            steps.push(step(row)?);
        }
        Ok(steps)
    }

    /// Signs the next bundle of several gateways and notes them as on their way, all or none.
    pub(crate) fn send<E: From<RosterError>>(
        &mut self,
        rollout: i64,
        steps: &mut [Step],
        state: StepState,
        sign: impl Fn(&Step, u64) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        self.together(|transaction| {
            for step in steps {
                let version = versions::draw(transaction, step.gateway.as_str())?;
                step.parcel = Some(sign(step, version)?);
                step.version = Some(version);
                step.state = state;
                let changed = transaction.execute(
                    "UPDATE step SET state = ?3, version = ?4, parcel = ?5, faults = ?6
                     WHERE rollout = ?1 AND gateway = ?2",
                    params![
                        rollout,
                        step.gateway.as_str(),
                        state.word(),
                        i64::try_from(version).unwrap_or(i64::MAX),
                        step.parcel,
                        step.faults.join("\n")
                    ],
                );
                changed.map_err(RosterError::from)?;
            }
            Ok(())
        })
    }

    /// Notes what became of gateways.
    pub(crate) fn note_steps(
        &mut self,
        rollout: i64,
        steps: &[(GatewayId, StepState, String)],
    ) -> Result<(), RosterError> {
        self.together(|transaction| {
            let mut update = transaction.prepare(
                "UPDATE step SET state = ?3, reason = ?4 WHERE rollout = ?1 AND gateway = ?2",
            )?;
            for (gateway, state, reason) in steps {
                update.execute(params![rollout, gateway.as_str(), state.word(), reason])?;
            }
            drop(update);
            Ok(())
        })
    }

    /// Notes how far a rollout is.
    pub(crate) fn note_rollout(
        &self,
        rollout: i64,
        state: RolloutState,
    ) -> Result<(), RosterError> {
        self.connection.execute(
            "UPDATE rollout SET state = ?2 WHERE id = ?1",
            params![rollout, state.word()],
        )?;
        Ok(())
    }
}

fn step(row: &Row<'_>) -> Result<Step, RosterError> {
    let word: String = row.get(4)?;
    let state = StepState::ALL.iter().find(|(_, known)| *known == word);
    let (state, _) = *state.ok_or(RosterError::Damaged("the state of a step is none"))?;
    let faults: String = row.get(6)?;
    let version: Option<i64> = row.get(7)?;
    Ok(Step {
        gateway: gateways::id(row.get(0)?)?,
        wave: row.get(1)?,
        profile: row.get(2)?,
        before: row.get(3)?,
        state,
        reason: row.get(5)?,
        faults: faults.lines().map(str::to_owned).collect(),
        version: version.and_then(|version| u64::try_from(version).ok()),
        parcel: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gateway_is_in_one_wave_and_waves_grow_from_the_canaries() {
        let all: Vec<GatewayId> = (0..100)
            .map(|n| format!("gw-{n}").parse().unwrap())
            .collect();
        let drawn = waves(all.clone(), 5, "1");
        let sizes: Vec<_> = (0..4)
            .map(|wave| drawn.iter().filter(|(_, of)| *of == wave).count())
            .collect();
        assert_eq!(sizes, [5, 20, 75, 0]);
        let mut names: Vec<_> = drawn.iter().map(|(gateway, _)| gateway.clone()).collect();
        names.sort();
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(names, sorted);
        assert_eq!(drawn, waves(all.clone(), 5, "1"));
        assert_ne!(drawn, waves(all, 5, "2"), "always the same canaries");
    }
}
