//! A rollout at work: wave after wave over one connection, until all confirmed or one failed.
//!
//! Promises that the next wave begins only when every gateway of this one has confirmed and says that it is
//! well, that after a failure whoever may have changed is sent back to its profile of before, and that every
//! step is in the fleet's file before it is taken. So a rollout whose program was killed goes on from there:
//! what was published is published again as it was, which changes nothing for a gateway that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use wardlink_link::backoff::Backoff;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Incoming, Publication, Session, SessionError};
use wardlink_wire::id::GatewayId;
use wardlink_wire::topic::{Subject, Topic};

use super::RolloutError;
use super::exchange::connect;
use super::plan::{Rollout, RolloutState, Step, StepState};
use super::progress::Progress;
use super::signing::Signing;
use super::watched::{Verdict, Watched};
use crate::broker_address::BrokerAddress;
use crate::roster::Roster;

/// Everything that a rollout needs.
pub(super) struct Conductor<'c> {
    pub(super) roster: Roster,
    pub(super) rollout: Rollout,
    pub(super) signing: Signing,
    pub(super) identity: Identity,
    pub(super) broker: BrokerAddress,
    pub(super) out: &'c mut dyn Write,
}

impl Conductor<'_> {
    /// Goes on until the rollout has ended, in whatever state it was.
    pub(super) async fn run(mut self) -> Result<RolloutState, RolloutError> {
        let mut backoff = Backoff::new(FIRST_DELAY, LAST_DELAY);
        // Whoever cannot reach the broker at all is told at once; later the rollout waits for it.
        let mut session = Some(connect(&self.identity, &self.broker, IN_FLIGHT).await?);
        loop {
            let lost = match session.take() {
                Some(session) => match self.drive(session).await {
                    Err(RolloutError::Session(error)) => error,
                    ended => return ended,
                },
                None => SessionError::Over,
            };
            tracing::warn!("broker {}: {lost}; trying again", self.broker);
            sleep(backoff.next_delay()).await;
            match connect(&self.identity, &self.broker, IN_FLIGHT).await {
                Ok(again) => session = Some(again),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    async fn drive(&mut self, mut session: Session) -> Result<RolloutState, RolloutError> {
        session
            .subscribe(&[
                Topic::filter(Subject::State),
                Topic::filter(Subject::ConfigState),
            ])
            .await?;
        let mut watched = Watched::default();
        take_in(&mut session, &mut watched)?;
        let steps = self.roster.steps(self.rollout.id)?;
        let last = steps.iter().map(|step| step.wave).max().unwrap_or(0);
        if self.rollout.state == RolloutState::Running {
            let mut failed = steps.iter().any(|step| step.state.is_failure());
            for wave in 0..=last {
                if failed {
                    break;
                }
                let of_wave = |step: &&Step| {
                    step.wave == wave && matches!(step.state, StepState::Waiting | StepState::Sent)
                };
                let steps: Vec<Step> = steps.iter().filter(of_wave).cloned().collect();
                if !steps.is_empty() {
                    let title = format!("wave {} of {}", wave + 1, last + 1);
                    failed = !self.wave(&mut session, &mut watched, steps, &title).await?;
                }
            }
            if !failed {
                self.end(RolloutState::Done)?;
                return Ok(RolloutState::Done);
            }
            self.rollout.state = RolloutState::Stopping;
            self.roster
                .note_rollout(self.rollout.id, RolloutState::Stopping)?;
        }
        if self.rollout.state == RolloutState::Stopping {
            self.go_back(&mut session, &mut watched).await?;
            self.end(RolloutState::Stopped)?;
        }
        Ok(self.rollout.state)
    }

    /// One wave; says whether all of it is well.
    async fn wave(
        &mut self,
        session: &mut Session,
        watched: &mut Watched,
        mut steps: Vec<Step>,
        title: &str,
    ) -> Result<bool, RolloutError> {
        let (mut fresh, mut sent): (Vec<_>, Vec<_>) = steps
            .drain(..)
            .partition(|step| step.state == StepState::Waiting);
        for step in &mut fresh {
            step.faults = watched.faults(&step.gateway);
        }
        let name = format!("rollout-{}", self.rollout.id);
        let signing = &self.signing;
        self.roster.send(
            self.rollout.id,
            &mut fresh,
            StepState::Sent,
            |step, version| {
                let name = format!("{name}/{}", step.wave);
                signing.parcel(&step.gateway, version, &step.profile, Some(name))
            },
        )?;
        sent.append(&mut fresh);
        let ended = self.settle(session, watched, &sent, title).await?;
        let mut well = true;
        let mut notes = Vec::with_capacity(sent.len());
        for step in sent {
            let (state, reason) = match ended.get(&step.gateway) {
                Some(Verdict::Well) => {
                    let version = step.version.unwrap_or(0);
                    self.roster
                        .note_good(&step.gateway, version, &step.profile)?;
                    (StepState::Confirmed, String::new())
                }
                Some(Verdict::Refused(why)) => (StepState::Refused, why.clone()),
                Some(Verdict::RolledBack(why)) => (StepState::RolledBack, why.clone()),
                Some(Verdict::Unwell(why)) => (StepState::Unwell, why.clone()),
                Some(Verdict::Open) | None => (
                    StepState::Silent,
                    "did not say its last word in time".to_owned(),
                ),
            };
            if state.is_failure() {
                well = false;
                writeln!(self.out, "{}: {}: {reason}", step.gateway, state.word())?;
            }
            notes.push((step.gateway, state, reason));
        }
        self.roster.note_steps(self.rollout.id, &notes)?;
        let confirmed = notes
            .iter()
            .filter(|(_, state, _)| *state == StepState::Confirmed)
            .count();
        writeln!(
            self.out,
            "{title}: {confirmed} of {} confirmed",
            notes.len()
        )?;
        Ok(well)
    }

    /// Sends everybody who may have changed back to the profile of before.
    async fn go_back(
        &mut self,
        session: &mut Session,
        watched: &mut Watched,
    ) -> Result<(), RolloutError> {
        let steps = self.roster.steps(self.rollout.id)?;
        let spared: Vec<_> = steps
            .iter()
            .filter(|step| step.state == StepState::Waiting)
            .map(|step| (step.gateway.clone(), StepState::Spared, String::new()))
            .collect();
        self.roster.note_steps(self.rollout.id, &spared)?;
        let (changed, mut returning): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .filter(|step| step.state.may_have_changed() || step.state == StepState::Returning)
            .partition(|step| step.state.may_have_changed());
        let mut changed = changed;
        let name = format!("rollout-{}/back", self.rollout.id);
        let signing = &self.signing;
        self.roster.send(
            self.rollout.id,
            &mut changed,
            StepState::Returning,
            |step, version| {
                signing.parcel(&step.gateway, version, &step.before, Some(name.clone()))
            },
        )?;
        returning.append(&mut changed);
        if returning.is_empty() {
            return Ok(());
        }
        let title = "going back";
        let ended = self.settle(session, watched, &returning, title).await?;
        let mut notes = Vec::new();
        for step in returning {
            let (state, reason) = match ended.get(&step.gateway) {
                Some(Verdict::Well | Verdict::Unwell(_)) => {
                    let version = step.version.unwrap_or(0);
                    self.roster
                        .note_good(&step.gateway, version, &step.before)?;
                    (StepState::Returned, String::new())
                }
                Some(Verdict::Refused(why) | Verdict::RolledBack(why)) => {
                    (StepState::Returning, why.clone())
                }
                Some(Verdict::Open) | None => (
                    StepState::Returning,
                    "goes back when it connects".to_owned(),
                ),
            };
            if state == StepState::Returning {
                writeln!(self.out, "{}: not back yet: {reason}", step.gateway)?;
            }
            notes.push((step.gateway, state, reason));
        }
        self.roster.note_steps(self.rollout.id, &notes)?;
        let back = notes
            .iter()
            .filter(|(_, state, _)| *state == StepState::Returned)
            .count();
        writeln!(
            self.out,
            "{title}: {back} of {} have their profile of before again",
            notes.len()
        )?;
        Ok(())
    }

    /// Publishes what was signed, and waits until every gateway has said its last word or time is up.
    async fn settle(
        &mut self,
        session: &mut Session,
        watched: &mut Watched,
        steps: &[Step],
        title: &str,
    ) -> Result<BTreeMap<GatewayId, Verdict>, RolloutError> {
        let patience = Duration::from_secs(u64::try_from(self.rollout.patience).unwrap_or(0));
        let progress = Progress::begin(title, steps.len());
        watched.expect(steps);
        let mut open: BTreeSet<&GatewayId> = steps.iter().map(|step| &step.gateway).collect();
        let messages = steps.iter().map(|step| Publication {
            topic: Topic::new(step.gateway.clone(), Subject::Config).to_string(),
            payload: step.parcel.clone().unwrap_or_default(),
            retain: true,
        });
        publish(session, watched, messages).await?;
        let deadline = Instant::now() + patience;
        loop {
            open.retain(|gateway| !watched.verdict(gateway).is_last());
            progress.at(steps.len() - open.len());
            if open.is_empty() {
                break;
            }
            match timeout_at(deadline, session.next()).await {
                Err(_) => break,
                Ok(incoming) => hear(session, watched, &incoming?)?,
            }
            take_in(session, watched)?;
        }
        progress.end();
        let verdict = |step: &Step| (step.gateway.clone(), watched.verdict(&step.gateway));
        Ok(steps.iter().map(verdict).collect())
    }

    fn end(&mut self, state: RolloutState) -> Result<(), RolloutError> {
        self.rollout.state = state;
        self.roster.note_rollout(self.rollout.id, state)?;
        Ok(())
    }
}

/// Publishes some at a time, and takes in what comes meanwhile: else neither side would move on.
async fn publish(
    session: &mut Session,
    watched: &mut Watched,
    messages: impl Iterator<Item = Publication>,
) -> Result<(), RolloutError> {
    let mut messages = messages.peekable();
    while messages.peek().is_some() {
        let some: Vec<_> = messages
            .by_ref()
            .take(usize::from(IN_FLIGHT))
            .map(|message| session.publish(message))
            .collect::<Result<_, _>>()?;
        let taken = async {
            for delivery in some {
                delivery.acknowledged().await?;
            }
            Ok::<_, SessionError>(())
        };
        tokio::pin!(taken);
        loop {
            tokio::select! {
                biased;
                taken = &mut taken => {
                    taken?;
                    break;
                }
                incoming = session.next() => hear(session, watched, &incoming?)?,
            }
        }
    }
    Ok(())
}

fn take_in(session: &mut Session, watched: &mut Watched) -> Result<(), RolloutError> {
    while let Some(incoming) = session.next_now() {
        hear(session, watched, &incoming)?;
    }
    Ok(())
}

fn hear(session: &Session, watched: &mut Watched, incoming: &Incoming) -> Result<(), RolloutError> {
    watched.hear(&incoming.topic, &incoming.payload);
    Ok(session.acknowledge(incoming)?)
}

const IN_FLIGHT: u16 = 64;
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(30);
