//! What a keeper says: of one bundle, and of where the gateway stands.

use wardlink_wire::bundle::Version;
use wardlink_wire::state::{BundleOutcome, ConfigState, Held, Outcome};

use super::super::machine::{Phase, Slot, Verdict};
use super::Keeper;

impl Keeper {
    /// What the gateway says of all this.
    #[must_use]
    pub fn config_state(&self, utc_ns: i64) -> ConfigState {
        ConfigState {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            utc_ns,
            profile: self.number(),
            bundle: self.said.clone(),
            held: Some(Held {
                good: self
                    .record
                    .phase
                    .good()
                    .map_or_else(Version::default, |slot| slot.version),
                floor: self.record.floor,
                root: self.trust.version(),
                stale: self.stale,
                audit: self.audit_head().cloned(),
            }),
        }
    }

    /// What was said of this parcel, if it is known.
    pub(super) fn known(&self, digest: &[u8]) -> Option<BundleOutcome> {
        let of = |slot: Option<&Slot>, became| {
            let slot = slot.filter(|slot| slot.parcel == digest)?;
            let verdict = Verdict {
                slot: slot.clone(),
                outcome: became,
                code: None,
            };
            Some(outcome(&verdict, ""))
        };
        let pending = match self.record.phase {
            Phase::OnTrial { .. } => Outcome::OnTrial,
            _ => Outcome::Staged,
        };
        // One that was refused is looked at again: the clock may be right by now, or the disk have room.
        let held = |outcome: &&BundleOutcome| {
            outcome.digest == digest && outcome.outcome != Outcome::Refused
        };
        let said = [&self.said, &self.record.last].into_iter().flatten();
        of(self.record.phase.pending(), pending)
            .or_else(|| of(self.record.phase.good(), Outcome::Confirmed))
            .or_else(|| said.clone().find(held).cloned())
    }
}

pub(super) fn outcome(verdict: &Verdict, why: &str) -> BundleOutcome {
    let wrong = verdict.outcome == Outcome::RolledBack;
    BundleOutcome {
        digest: verdict.slot.parcel.to_vec(),
        version: Some(verdict.slot.version.number),
        outcome: verdict.outcome,
        reason: if wrong { why.to_owned() } else { String::new() },
        code: verdict.code,
        rollout: verdict.slot.rollout.clone(),
    }
}

pub(super) fn line(verdict: &Verdict, why: &str) -> String {
    let Version { root, number } = verdict.slot.version;
    let text = format!(
        "profile version {number} of root {root} {}",
        word(verdict.outcome)
    );
    if why.is_empty() {
        text
    } else {
        format!("{text}: {why}")
    }
}

pub(super) const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Refused => "refused",
        Outcome::Staged => "staged",
        Outcome::OnTrial => "on-trial",
        Outcome::Confirmed => "confirmed",
        Outcome::RolledBack => "rolled-back",
    }
}
