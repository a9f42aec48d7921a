//! Broker -> verified bundle -> the profile in force.
//!
//! Owns which profile holds. Promises that only a bundle of a pinned operator, for this gateway, newer than
//! the last one and not expired changes anything; that it is kept durably before it is applied, so that
//! after a power cut either the old or the new profile holds; and that every outcome is reported with its
//! reason. Refuses to touch identity, broker trust or the store's data: a profile cannot name them.

mod kept;

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wardlink_wire::bundle::{Bundle, BundleError, Parcel, Version};
use wardlink_wire::document::Faults;
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::record::EventKind;
use wardlink_wire::root::Trust;
use wardlink_wire::state::{BundleOutcome, ConfigState, Outcome};

use crate::clock;
use crate::health::{Health, Part};
use crate::record::Capture;
pub use kept::{Kept, KeptError};

/// The updater.
#[derive(Debug)]
pub struct Updater {
    /// Whose profile.
    pub gateway: GatewayId,
    /// The operators whose bundles count.
    pub operators: Trust,
    /// Where an applied bundle is kept.
    pub folder: PathBuf,
    /// The version in force.
    pub version: u64,
    /// The digest of the bundle in force.
    pub digest: Option<Vec<u8>>,
    /// Told which profile holds.
    pub profile: watch::Sender<Arc<Profile>>,
    /// Told what became of the last bundle.
    pub config_state: watch::Sender<Option<ConfigState>>,
    /// Where events go.
    pub captures: mpsc::Sender<Capture>,
    /// Where it says how it does.
    pub health: Health,
}

impl Updater {
    /// Looks at bundles until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a part.
    pub async fn run(
        mut self,
        mut bundles: mpsc::Receiver<Vec<u8>>,
        stop: CancellationToken,
    ) -> Result<(), UpdateError> {
        loop {
            let bytes = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                bytes = bundles.recv() => match bytes {
                    Some(bytes) => bytes,
                    None => return Ok(()),
                },
            };
            self.look_at(&bytes).await;
        }
    }

    async fn look_at(&mut self, bytes: &[u8]) {
        let digest = digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
        if self.digest.as_ref() == Some(&digest) {
            tracing::debug!(version = self.version, "this bundle is in force already");
            self.report(digest, Some(self.version), Ok(()));
            return;
        }
        let (version, outcome) = self.consider(bytes);
        let event = match &outcome {
            Ok(signer) => {
                let text = format!("profile version {} signed by {signer}", self.version);
                tracing::info!("{text} applied");
                self.digest = Some(digest.clone());
                self.health.well(Part::Profile);
                (EventKind::ProfileApplied, text)
            }
            Err(reason) => {
                self.health
                    .fault(Part::Profile, format!("a bundle was refused: {reason}"));
                (EventKind::ProfileRefused, reason.to_string())
            }
        };
        self.report(digest, version, outcome.map(drop));
        let capture = Capture::of_gateway(event.0, event.1);
        if self.captures.send(capture).await.is_err() {
            tracing::debug!("stopping: the event of a profile is not recorded");
        }
    }

    /// Verifies, keeps and applies a bundle; says who signed it.
    fn consider(&mut self, bytes: &[u8]) -> (Option<u64>, Result<String, UpdateError>) {
        let bundle = match opened(bytes, &self.operators) {
            Ok(bundle) => bundle,
            Err(error) => return (None, Err(error.into())),
        };
        let version = bundle.manifest().version.number;
        (Some(version), self.apply(&bundle, bytes))
    }

    fn apply(&mut self, bundle: &Bundle, bytes: &[u8]) -> Result<String, UpdateError> {
        let floor = Version {
            root: self.operators.version(),
            number: self.version,
        };
        let now = clock::utc_seconds();
        bundle.admit(&self.gateway, &self.operators, floor, now)?;
        let profile = Profile::parse(&bundle.manifest().profile).map_err(UpdateError::Profile)?;
        Kept::write(&self.folder, bytes)?;
        self.version = bundle.manifest().version.number;
        let version = self.version;
        self.health.update(|snapshot| snapshot.profile = version);
        self.profile.send_replace(Arc::new(profile));
        Ok(bundle.signers())
    }

    fn report(&self, digest: Vec<u8>, version: Option<u64>, outcome: Result<(), UpdateError>) {
        let (outcome, reason) = match outcome {
            Ok(()) => (Outcome::Confirmed, String::new()),
            Err(reason) => (Outcome::Refused, reason.to_string()),
        };
        self.config_state.send_replace(Some(ConfigState {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            utc_ns: clock::now().utc_ns,
            profile: self.version,
            bundle: Some(BundleOutcome {
                digest,
                version,
                outcome,
                reason,
                code: None,
                rollout: None,
            }),
            held: None,
        }));
    }
}

fn opened(parcel: &[u8], operators: &Trust) -> Result<Bundle, BundleError> {
    let parcel = Parcel::decode(parcel)?;
    let roots = parcel.roots.iter().map(|root| root.as_slice());
    let trust = operators.follow_all(roots)?;
    Bundle::verify(&parcel.bundle.unwrap_or_default(), &trust)
}

/// Why a bundle changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Signature, target, version or time.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The profile inside.
    #[error("the profile has faults: {}", .0.to_string().replace('\n', "; "))]
    Profile(Faults),
    /// It could not be kept.
    #[error(transparent)]
    Kept(#[from] KeptError),
}
