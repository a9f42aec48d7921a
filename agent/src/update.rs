//! Broker -> verified parcel -> the profile in force, on trial until it has proven itself.
//!
//! Owns which profile holds. Promises that only a bundle of enough operators, for this gateway, newer than
//! the last one and not expired changes anything; that a profile which does not prove itself is rolled back
//! without anybody's help, also after a power cut or a crash; and that every outcome is in the audit log and
//! reported with its reason. Refuses to touch identity, broker trust or the store's data: a profile cannot
//! name them. The whole way is drawn in docs/updates.md.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`machine`] | what may follow what, without I/O |
//! | [`keeper`] | the machine with its memory: audit log, record, bundles |
//! | [`record`], [`disk`] | that memory on the disk |
//! | [`trial`] | whether a profile has proven itself |

pub mod disk;
pub mod keeper;
pub mod machine;
pub mod record;
#[cfg(test)]
mod tests;
pub mod trial;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use wardlink_wire::birth::Device;
use wardlink_wire::bundle::BundleError;
use wardlink_wire::codec::EncodeError;
use wardlink_wire::document::Faults;
use wardlink_wire::profile::{DeviceSettings, Profile};
use wardlink_wire::record::EventKind;
use wardlink_wire::state::{ConfigState, Outcome, Reason};

use crate::audit::LogError;
use crate::clock;
use crate::health::{DeviceState, Health, Part};
use crate::record::Capture;
use keeper::{Changed, Keeper, Taken};
use machine::Phase;

/// The updater.
#[derive(Debug)]
pub struct Updater {
    /// Which profile holds, and why.
    pub keeper: Keeper,
    /// The profile of enrolment.
    pub enrolled: Profile,
    /// Told which profile holds.
    pub profile: watch::Sender<Arc<Profile>>,
    /// Tells that the sampler has made the devices those of the profile.
    pub attached: watch::Receiver<Vec<Device>>,
    /// Told what became of the last bundle.
    pub config_state: watch::Sender<Option<ConfigState>>,
    /// Where events go.
    pub captures: mpsc::Sender<Capture>,
    /// Where it says how it does, and reads how devices and broker do.
    pub health: Health,
    /// What is known of the trial since the sampler applied it.
    pub watched: Option<Watched>,
}

/// A trial that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    since: Instant,
    published: u64,
}

impl Updater {
    /// Looks at parcels and trials until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a part.
    pub async fn run(
        mut self,
        mut parcels: mpsc::Receiver<Vec<u8>>,
        stop: CancellationToken,
    ) -> Result<(), UpdateError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        self.report();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                parcel = parcels.recv() => match parcel {
                    Some(parcel) => self.look_at(&parcel).await,
                    None => return Ok(()),
                },
                _ = ticks.tick() => {}
            }
            if started.elapsed() >= SETTLING || self.is_measuring() {
                self.apply_due().await;
            }
            self.put_in_force();
            self.watch().await;
            self.notice_staleness();
        }
    }

    async fn look_at(&mut self, parcel: &[u8]) {
        match self.keeper.take(parcel, clock::now().utc_ns) {
            Taken::Known => tracing::debug!("this parcel is known already"),
            // A newer bundle may have ended a trial.
            Taken::Kept => self.watched = None,
            Taken::Refused(error) => {
                let text = format!("a bundle was refused: {error}");
                self.health.fault(Part::Profile, text);
                self.record(EventKind::ProfileRefused, error.to_string())
                    .await;
            }
        }
        self.report();
    }

    /// Whether every device gives readings or has failed to: before that nobody can say which of them a new
    /// profile silences.
    fn is_measuring(&self) -> bool {
        let snapshot = self.health.snapshot();
        let settled = |device: &DeviceSettings| {
            let health = snapshot.devices.get(&device.id);
            health.is_some_and(|health| health.state != DeviceState::Starting)
        };
        self.profile.borrow().devices.iter().all(settled)
    }

    async fn apply_due(&mut self) {
        let reading = trial::reading(&self.health.snapshot());
        match self.keeper.apply_due(clock::now().utc_ns, reading) {
            Ok(None) => {}
            Ok(Some(changed)) => self.tell(changed).await,
            Err(error) => self.health.fault(Part::Profile, error.to_string()),
        }
    }

    /// Follows a trial from the moment the sampler has applied it.
    async fn watch(&mut self) {
        let Phase::OnTrial { next, reading, .. } = self.keeper.phase() else {
            self.watched = None;
            return;
        };
        let snapshot = self.health.snapshot();
        let Some(watched) = self.watched else {
            if self.attached.has_changed().unwrap_or(false) {
                self.watched = Some(Watched {
                    since: Instant::now(),
                    published: snapshot.published,
                });
            }
            return;
        };
        let profile = Arc::clone(&self.profile.borrow());
        let course = trial::Course {
            trial: next.trial,
            profile: &profile,
            reading,
            elapsed: watched.since.elapsed(),
            published: watched.published,
        };
        let Some(verdict) = course.verdict(&snapshot) else {
            return;
        };
        self.watched = None;
        match self.keeper.end_trial(verdict, clock::now().utc_ns) {
            Ok(None) => {}
            Ok(Some(changed)) => self.tell(changed).await,
            Err(error) => self.health.fault(Part::Profile, error.to_string()),
        }
    }

    fn notice_staleness(&mut self) {
        let was = self.health.snapshot().faults.contains_key(&Part::Freshness);
        match self.keeper.notice_staleness(clock::now().utc_ns) {
            Some(text) => {
                self.health.fault(Part::Freshness, text);
                if !was {
                    self.report();
                }
            }
            None if was => {
                self.health.well(Part::Freshness);
                self.report();
            }
            None => {}
        }
    }

    /// Puts the profile in force and says what became of a bundle.
    async fn tell(&mut self, changed: Changed) {
        let Changed { outcome, text } = changed;
        if outcome == Outcome::OnTrial {
            // Where the profile is the same there is nothing to wait for.
            self.attached.mark_changed();
        }
        self.put_in_force();
        match outcome {
            Outcome::OnTrial => {
                tracing::info!("{text}");
                self.record(EventKind::ProfileApplied, text).await;
            }
            Outcome::RolledBack => {
                self.health.fault(Part::Profile, text.clone());
                self.record(EventKind::ProfileRefused, text).await;
            }
            Outcome::Applied | Outcome::Refused | Outcome::Staged | Outcome::Confirmed => {
                tracing::info!("{text}");
                self.health.well(Part::Profile);
            }
        }
        self.report();
    }

    /// Tells the parts which profile holds, if they hold another one.
    fn put_in_force(&mut self) {
        let wanted = self.keeper.profile().unwrap_or(&self.enrolled);
        if **self.profile.borrow() != *wanted {
            self.attached.mark_unchanged();
            self.profile.send_replace(Arc::new(wanted.clone()));
        }
    }

    async fn record(&self, kind: EventKind, text: String) {
        let capture = Capture::of_gateway(kind, text);
        if self.captures.send(capture).await.is_err() {
            tracing::debug!("stopping: the event of a profile is not recorded");
        }
    }

    fn report(&self) {
        let state = self.keeper.config_state(clock::now().utc_ns);
        let (number, phase) = (self.keeper.number(), self.keeper.phase().as_str());
        let audit = self.keeper.audit_head().cloned();
        self.health.update(|snapshot| {
            snapshot.profile = number;
            snapshot.update = phase;
            snapshot.audit = audit;
        });
        self.config_state.send_replace(Some(state));
    }
}

/// Why a bundle changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Signatures, target, version or time.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The profile inside.
    #[error("the profile has faults: {}", .0.to_string().replace('\n', "; "))]
    Profile(Faults),
    /// What was kept cannot be read.
    #[error("the state of updates cannot be read: {0}")]
    Read(io::Error),
    /// It cannot be kept.
    #[error("the state of updates cannot be kept: {0}")]
    Write(io::Error),
    /// It cannot be written down.
    #[error("the state of updates: {0}")]
    Encode(EncodeError),
    /// It is not what was written.
    #[error("what was kept of updates is damaged")]
    Damaged,
    /// Nothing is decided that is not in the audit log.
    #[error(transparent)]
    Audit(#[from] LogError),
}

/// The reason of a refusal, as programs read it.
pub(crate) const fn reason(error: &UpdateError) -> Reason {
    match error {
        UpdateError::Bundle(error) => error.reason(),
        UpdateError::Profile(_) => Reason::Profile,
        UpdateError::Read(_)
        | UpdateError::Write(_)
        | UpdateError::Encode(_)
        | UpdateError::Damaged
        | UpdateError::Audit(_) => Reason::Storage,
    }
}

/// How long a start may take until devices give readings.
const SETTLING: Duration = Duration::from_secs(30);
/// How often trials and times are looked at.
const TICK: Duration = Duration::from_millis(250);
