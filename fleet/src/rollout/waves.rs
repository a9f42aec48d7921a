//! `wardlink profile push --group`, `--resume`, `status` and `rollback`.

use std::io::Write;
use std::time::Duration;

use wardlink_wire::bundle::Trial;
use wardlink_wire::id::GatewayId;

use super::arguments::{Canary, PushArguments, RollbackArguments, StatusArguments};
use super::conduct::Conductor;
use super::plan::{Rollout, RolloutState, StepState, waves};
use super::signing::{Signing, read_profile};
use super::{RolloutError, difference};
use crate::audit;
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::FleetDirectory;
use crate::exit::Exit;
use crate::keyring::Keyring;
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::roster::Roster;

/// Rolls a profile out to a group.
pub(super) async fn push(
    arguments: &PushArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let (Some(path), Some(group)) = (&arguments.file, &arguments.group) else {
        return Err(RolloutError::NothingToPush);
    };
    let (text, _) = read_profile(path)?;
    let begin = Beginning {
        fleet: FleetDirectory::at(&arguments.fleet),
        broker: arguments.broker.as_ref(),
        passphrase: &arguments.passphrase,
    };
    let roster = begin.roster()?;
    let members = roster.members(group.as_str())?;
    let source = format!("{} to group {group}", path.display());
    let plan = Plan {
        profiles: members
            .into_iter()
            .map(|member| (member, text.clone()))
            .collect(),
        source,
        canary: arguments.canary,
        valid: arguments.valid,
        patience: arguments.patience(WAVE),
        trial: arguments.trial.trial(),
    };
    begin.rollout(roster, plan, out).await
}

/// Goes on with the rollout that did not end.
pub(super) async fn resume(
    arguments: &PushArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let begin = Beginning {
        fleet: FleetDirectory::at(&arguments.fleet),
        broker: arguments.broker.as_ref(),
        passphrase: &arguments.passphrase,
    };
    let roster = begin.roster()?;
    let open = |rollout: &Rollout| {
        matches!(
            rollout.state,
            RolloutState::Running | RolloutState::Stopping
        )
    };
    let rollout = roster.rollout(None)?.filter(open);
    let rollout = rollout.ok_or(RolloutError::NoRollout)?;
    writeln!(out, "rollout {} goes on: {}", rollout.id, rollout.source)?;
    audit::note(&begin.fleet, "resume", &format!("rollout {}", rollout.id))?;
    begin.conduct(roster, rollout, out).await
}

/// Sends the gateways of a finished rollout back to what they had before it.
pub(super) async fn rollback(
    arguments: &RollbackArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let begin = Beginning {
        fleet: FleetDirectory::at(&arguments.fleet),
        broker: arguments.broker.as_ref(),
        passphrase: &arguments.passphrase,
    };
    let roster = begin.roster()?;
    let rollout = roster
        .rollout(arguments.rollout)?
        .ok_or(RolloutError::NoRollout)?;
    if rollout.state != RolloutState::Done {
        return Err(RolloutError::NothingToRollBack(rollout.id));
    }
    let steps = roster.steps(rollout.id)?;
    let confirmed = |step: &super::plan::Step| step.state == StepState::Confirmed;
    let plan = Plan {
        profiles: steps
            .into_iter()
            .filter(confirmed)
            .map(|step| (step.gateway, step.before))
            .collect(),
        source: format!("back from rollout {}", rollout.id),
        canary: arguments.canary,
        valid: Duration::from_secs(u64::try_from(rollout.valid).unwrap_or(0)),
        patience: arguments.wait,
        trial: Trial {
            soak: rollout.soak,
            deadline: rollout.deadline,
        },
    };
    begin.rollout(roster, plan, out).await
}

/// Shows how far a rollout is.
pub(super) fn status(
    arguments: &StatusArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let roster = Roster::open(&fleet.roster())?;
    let rollout = roster
        .rollout(arguments.rollout)?
        .ok_or(RolloutError::NoRollout)?;
    writeln!(
        out,
        "rollout {}: {}, begun {}: {}",
        rollout.id,
        rollout.source.escape_debug(),
        clock::text_of_seconds(rollout.begun),
        rollout.state.word()
    )?;
    writeln!(
        out,
        "{:<20} {:>4} {:>8}  state",
        "gateway", "wave", "version"
    )?;
    for step in roster.steps(rollout.id)? {
        let version = step
            .version
            .map_or_else(|| "-".to_owned(), |version| version.to_string());
        writeln!(
            out,
            "{:<20} {:>4} {version:>8}  {}{}{}",
            step.gateway.as_str(),
            step.wave + 1,
            step.state.word(),
            if step.reason.is_empty() { "" } else { ": " },
            step.reason.escape_debug()
        )?;
    }
    Ok(None)
}

struct Plan {
    profiles: Vec<(GatewayId, String)>,
    source: String,
    canary: Canary,
    valid: Duration,
    patience: Duration,
    trial: Trial,
}

/// What every rollout begins with.
struct Beginning<'b> {
    fleet: FleetDirectory,
    broker: Option<&'b BrokerAddress>,
    passphrase: &'b PassphraseArguments,
}

impl Beginning<'_> {
    fn roster(&self) -> Result<Roster, RolloutError> {
        self.fleet.settings().map(drop)?;
        Ok(Roster::open(&self.fleet.roster())?)
    }

    async fn rollout(
        &self,
        mut roster: Roster,
        plan: Plan,
        out: &mut dyn Write,
    ) -> Result<Option<Exit>, RolloutError> {
        if plan.profiles.is_empty() {
            return Err(RolloutError::Nobody);
        }
        if let Some(last) = roster.rollout(None)?
            && matches!(last.state, RolloutState::Running | RolloutState::Stopping)
        {
            return Err(RolloutError::UnderWay(last.id));
        }
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let mut rollout = Rollout {
            id: 0,
            begun: clock::now_seconds(),
            source: plan.source,
            valid: seconds(plan.valid),
            patience: seconds(plan.patience),
            soak: plan.trial.soak,
            deadline: plan.trial.deadline,
            state: RolloutState::Running,
        };
        // What no gateway would take is found before anything is noted.
        let keyring = Keyring::new(Passphrase::from(self.passphrase.clone()));
        let signing = Signing::open(&self.fleet, &keyring, plan.valid.as_secs(), plan.trial)?;
        let mut unchanged = 0;
        for (gateway, profile) in &plan.profiles {
            signing.try_out(gateway, profile)?;
            let (before, _) = roster.good_profile(gateway)?;
            unchanged += usize::from(difference::between(&before, profile).is_empty());
        }
        let (names, texts): (Vec<_>, Vec<_>) = plan.profiles.into_iter().unzip();
        let first = plan.canary.of(names.len());
        let texts: std::collections::BTreeMap<_, _> = names.iter().cloned().zip(texts).collect();
        let drawn = waves(names, first, &format!("{}", rollout.begun));
        let count = drawn.len();
        let steps: Vec<_> = drawn
            .into_iter()
            .map(|(gateway, wave)| {
                let text = texts.get(&gateway).cloned().unwrap_or_default();
                (gateway, wave, text)
            })
            .collect();
        rollout.id = roster.begin_rollout(&rollout, &steps)?;
        let detail = format!(
            "rollout {}: {}, {count} gateways",
            rollout.id, rollout.source
        );
        audit::note(&self.fleet, "rollout", &detail)?;
        writeln!(
            out,
            "rollout {}: {}, {count} gateways, the first wave has {first}; nothing changes on {unchanged}",
            rollout.id, rollout.source
        )?;
        self.conduct_with((&keyring, signing), roster, rollout, out)
            .await
    }

    async fn conduct(
        &self,
        roster: Roster,
        rollout: Rollout,
        out: &mut dyn Write,
    ) -> Result<Option<Exit>, RolloutError> {
        let keyring = Keyring::new(Passphrase::from(self.passphrase.clone()));
        let trial = Trial {
            soak: rollout.soak,
            deadline: rollout.deadline,
        };
        let valid = u64::try_from(rollout.valid).unwrap_or(0);
        let signing = Signing::open(&self.fleet, &keyring, valid, trial)?;
        self.conduct_with((&keyring, signing), roster, rollout, out)
            .await
    }

    async fn conduct_with(
        &self,
        (keyring, signing): (&Keyring, Signing),
        roster: Roster,
        rollout: Rollout,
        out: &mut dyn Write,
    ) -> Result<Option<Exit>, RolloutError> {
        let broker = match self.broker {
            Some(broker) => broker.clone(),
            None => self.fleet.settings()?.broker,
        };
        let id = rollout.id;
        let identity = keyring.identity(&self.fleet.operator())?;
        let conductor = Conductor {
            roster,
            rollout,
            signing,
            identity,
            broker,
            out,
        };
        let ended = conductor.run().await?;
        audit::note(
            &self.fleet,
            "rollout",
            &format!("rollout {id} {}", ended.word()),
        )?;
        writeln!(out, "rollout {id}: {}", ended.word())?;
        Ok((ended != RolloutState::Done).then_some(Exit::Failed))
    }
}

/// How long a wave may take, unless told otherwise.
const WAVE: Duration = Duration::from_secs(600);
