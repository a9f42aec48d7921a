//! The update machine with its memory: every decision is in the audit log and on the disk before it holds.
//!
//! Owns the record, the trusted root and the audit log. Promises that at any moment, and after a power cut
//! at any moment, exactly the old or exactly the new profile is in force and [`Keeper::config_state`] says
//! which; that what is refused changes neither profile nor floor; and that the same parcel twice is no news.
//! Refuses to know the time or the gateway's health: both are handed in.

mod said;
mod start;

use serde_bytes::ByteBuf;
use wardlink_wire::bundle::{Bundle, BundleError, Manifest, Parcel, Version};
use wardlink_wire::id::{DeviceId, GatewayId};
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;
use wardlink_wire::state::{BundleOutcome, Outcome, Reason};

use super::disk::Disk;
use super::machine::{Event, Phase, Slot};
use super::record::{self, Record, sha256};
use super::{UpdateError, reason};
use crate::audit::AuditLog;
use said::{line, outcome, word};

/// The keeper of one gateway's profile.
#[derive(Debug)]
pub struct Keeper {
    gateway: GatewayId,
    disk: Box<dyn Disk>,
    record: Record,
    trust: Trust,
    audit: Option<AuditLog>,
    /// The profile of the bundle in force; none is the one of enrolment.
    profile: Option<Profile>,
    /// What was last said of any bundle.
    said: Option<BundleOutcome>,
    /// Whether it was said that something newer is missed.
    stale: bool,
}

/// What a parcel led to.
#[derive(Debug)]
pub enum Taken {
    /// It is known: nothing new.
    Known,
    /// New roots, or a bundle that waits for its time.
    Kept,
    /// Nothing was changed.
    Refused(UpdateError),
}

/// What a decision led to, when it changed which profile is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What became of which bundle.
    pub outcome: Outcome,
    /// For people.
    pub text: String,
}

impl Keeper {
    /// Looks at a parcel. What it brings is durable when this returns, or nothing of it counts.
    pub fn take(&mut self, parcel: &[u8], utc_ns: i64) -> Taken {
        let digest = sha256(parcel);
        if let Some(outcome) = self.known(&digest) {
            self.said = Some(outcome);
            return Taken::Known;
        }
        let mut version = None;
        match self.consider(parcel, &digest, utc_ns, &mut version) {
            Ok(()) => Taken::Kept,
            Err(error) => {
                let (number, code) = (version.map(|version| version.number), reason(&error));
                let again =
                    |said: &&BundleOutcome| said.digest == digest && said.code == Some(code);
                if self.said.as_ref().filter(again).is_some() {
                    return Taken::Known;
                }
                let of = number.map_or_else(String::new, |number| format!("version {number}: "));
                if let Err(error) = self.note(utc_ns, "refused", &format!("{of}{error}")) {
                    tracing::warn!("{error}");
                }
                self.said = Some(BundleOutcome {
                    digest,
                    version: number,
                    outcome: Outcome::Refused,
                    reason: error.to_string().chars().take(LONGEST_REASON).collect(),
                    code: Some(code),
                    rollout: None,
                });
                Taken::Refused(error)
            }
        }
    }

    fn consider(
        &mut self,
        parcel: &[u8],
        digest: &[u8],
        utc_ns: i64,
        version: &mut Option<Version>,
    ) -> Result<(), UpdateError> {
        let parcel = Parcel::decode(parcel)?;
        self.follow(&parcel.roots, utc_ns)?;
        let Some(bundle) = parcel.bundle else {
            let applied = BundleOutcome {
                digest: digest.to_vec(),
                version: None,
                outcome: Outcome::Applied,
                reason: String::new(),
                code: None,
                rollout: None,
            };
            self.said = Some(applied);
            return Ok(());
        };
        let admitted = Bundle::verify(&bundle, &self.trust)?;
        let manifest = admitted.manifest();
        *version = Some(manifest.version);
        let (floor, now) = (self.record.floor, self.now(manifest.issued, utc_ns));
        admitted.admit(&self.gateway, &self.trust, floor, now)?;
        Profile::parse(&manifest.profile).map_err(UpdateError::Profile)?;
        record::keep(self.disk.as_mut(), &bundle)?;
        let slot = Slot::new(manifest, digest, &sha256(&bundle));
        let text = format!("signed by {}", admitted.signers());
        self.decide(Event::Offer(slot), utc_ns, &text)?;
        Ok(())
    }

    /// Follows root documents; each step that held counts, whatever comes after it.
    fn follow(&mut self, roots: &[ByteBuf], utc_ns: i64) -> Result<(), UpdateError> {
        let chain = roots.iter().map(|root| root.as_slice());
        let trust = self.trust.follow_all(chain).map_err(BundleError::from)?;
        if trust.version() == self.trust.version() {
            return Ok(());
        }
        let mut held = self.trust.clone();
        let mut next = self.record.clone();
        for root in roots {
            if let Ok(after) = held.follow(root) {
                held = after;
                next.roots.push(root.clone());
            }
        }
        // Who had stolen the old keys may have signed any time: the new operators' time counts.
        next.seen = trust.issued().unwrap_or(0);
        let text = format!(
            "root {} of {} operators, {} have to sign",
            trust.version(),
            trust.operators().len(),
            trust.threshold()
        );
        self.note(utc_ns, "root", &text)?;
        next.write(self.disk.as_mut())?;
        (self.record, self.trust) = (next, trust);
        Ok(())
    }

    /// Puts in force what is staged, if its time has come; `reading` are the devices that give readings.
    ///
    /// # Errors
    /// When it cannot be made durable: the old profile stays in force.
    pub fn apply_due(
        &mut self,
        utc_ns: i64,
        reading: Vec<DeviceId>,
    ) -> Result<Option<Changed>, UpdateError> {
        let Phase::Staged { next, .. } = &self.record.phase else {
            return Ok(None);
        };
        if next.not_before > self.now(i64::MIN, utc_ns) {
            return Ok(None);
        }
        match self.decide(Event::Due(reading), utc_ns, "") {
            Err(error @ (UpdateError::Damaged | UpdateError::Profile(_))) => {
                let failed = Event::Failed(Reason::Unreadable);
                self.decide(failed, utc_ns, &error.to_string())
            }
            decided => decided,
        }
    }

    /// Ends a trial.
    ///
    /// # Errors
    /// When the verdict cannot be made durable: the trial goes on.
    pub fn end_trial(
        &mut self,
        verdict: Result<(), (Reason, String)>,
        utc_ns: i64,
    ) -> Result<Option<Changed>, UpdateError> {
        match verdict {
            Ok(()) => self.decide(Event::Healthy, utc_ns, ""),
            Err((reason, text)) => self.decide(Event::Failed(reason), utc_ns, &text),
        }
    }

    /// Notices, once, that something newer is missed.
    pub fn notice_staleness(&mut self, utc_ns: i64) -> Option<String> {
        let now = self.now(i64::MIN, utc_ns);
        let newest = self.record.phase.pending().or(self.record.phase.good());
        let since = newest.and_then(|slot| slot.stale).filter(|at| *at <= now);
        let root = self.trust.expires().filter(|at| *at <= now);
        let text = match (since, root) {
            (None, None) => {
                self.stale = false;
                return None;
            }
            (Some(at), _) => {
                format!("nothing newer than this configuration came by {at} (UTC seconds)")
            }
            (None, Some(at)) => format!("the root document expired at {at} (UTC seconds)"),
        };
        if !self.stale {
            self.stale = true;
            if let Err(error) = self.note(utc_ns, "stale", &text) {
                tracing::warn!("{error}");
            }
        }
        Some(text)
    }

    /// Lets an event happen: into the audit log, onto the disk, and only then into force.
    fn decide(
        &mut self,
        event: Event,
        utc_ns: i64,
        why: &str,
    ) -> Result<Option<Changed>, UpdateError> {
        let before = self.record.phase.in_force().map(|slot| slot.version);
        let mut next = self.record.clone();
        let said;
        (next.phase, said) = next.phase.on(event);
        if next.phase == self.record.phase {
            return Ok(None);
        }
        if let Some(slot) = next.phase.pending() {
            next.floor = next.floor.max(slot.version);
        }
        for verdict in &said {
            let why = match verdict.code {
                Some(Reason::Superseded) => "a newer bundle came before it had proven itself",
                _ => why,
            };
            self.note(utc_ns, word(verdict.outcome), &line(verdict, why))?;
            next.last = Some(outcome(verdict, why));
        }
        let profile = self.profile_of(&next.phase, before)?;
        next.write(self.disk.as_mut())?;
        (self.record, self.profile) = (next, profile);
        if !said.is_empty() {
            self.said.clone_from(&self.record.last);
        }
        self.record.tidy(self.disk.as_mut());
        Ok(said.last().map(|verdict| Changed {
            outcome: verdict.outcome,
            text: line(verdict, why),
        }))
    }

    /// The profile of the bundle that is in force in a phase, if it is another one than before.
    ///
    /// What cannot be read is not tried; but what cannot be read is no reason not to go back.
    fn profile_of(
        &self,
        phase: &Phase,
        before: Option<Version>,
    ) -> Result<Option<Profile>, UpdateError> {
        if phase.in_force().map(|slot| slot.version) == before {
            return Ok(self.profile.clone());
        }
        match self.read(phase.in_force()) {
            Err(error) if !matches!(phase, Phase::OnTrial { .. }) => {
                tracing::error!("{error}: going on with the profile of enrolment");
                Ok(None)
            }
            read => read,
        }
    }

    fn read(&self, slot: Option<&Slot>) -> Result<Option<Profile>, UpdateError> {
        let Some(slot) = slot else {
            return Ok(None);
        };
        let manifest = Manifest::unverified(&record::kept(self.disk.as_ref(), slot)?)?;
        Profile::parse(&manifest.profile)
            .map(Some)
            .map_err(UpdateError::Profile)
    }

    fn note(&mut self, utc_ns: i64, action: &str, detail: &str) -> Result<(), UpdateError> {
        if self.audit.is_none() {
            let log = AuditLog::open(self.disk.as_mut(), self.gateway.as_str(), utc_ns)?;
            self.audit = Some(log);
        }
        match &mut self.audit {
            Some(log) => Ok(log.append(self.disk.as_mut(), utc_ns, action, detail)?),
            None => Ok(()),
        }
    }

    /// Now, in UTC seconds: never before a time that enough operators have signed.
    fn now(&mut self, signed: i64, utc_ns: i64) -> i64 {
        self.record.seen = self.record.seen.max(signed);
        self.record.seen.max(utc_ns.div_euclid(1_000_000_000))
    }

    /// Where the gateway stands.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.record.phase
    }

    /// The profile of the bundle in force; none is the one of enrolment.
    #[must_use]
    pub const fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// The number of the profile in force; 0 is the one of enrolment.
    #[must_use]
    pub fn number(&self) -> u64 {
        let in_force = self
            .record
            .phase
            .in_force()
            .filter(|_| self.profile.is_some());
        in_force.map_or(0, |slot| slot.version.number)
    }

    /// The end of the audit log.
    #[must_use]
    pub fn audit_head(&self) -> Option<&wardlink_wire::audit::Head> {
        self.audit.as_ref().map(AuditLog::head)
    }
}

/// Characters: a profile can have a thousand faults, and nobody reads them all.
const LONGEST_REASON: usize = 2000;
