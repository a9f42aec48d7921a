//! A new certificate before the old one ends.
//!
//! Owns the gateway's certificate and key from then on. Promises a new key each time, that the old pair
//! stays until a broker has taken the new one, and that a power cut leaves a pair that fits. A renewal that
//! does not succeed is tried again; it stops nothing.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wardlink_link::backoff::Backoff;
use wardlink_link::file;
use wardlink_link::identity::{Files, Identity, IdentityError};
use wardlink_wire::enrolment::{Desk, Proof, renewal_statement};
use wardlink_wire::id::GatewayId;
use wardlink_wire::record::EventKind;

use super::exchange::{self, Place};
use super::pending;
use super::{EnrolmentError, files, grant};
use crate::clock;
use crate::config::Broker;
use crate::health::{Health, Part};
use crate::record::Capture;

/// Renews the certificate of a running gateway.
#[derive(Debug)]
pub struct Renewer {
    /// Whose.
    pub gateway: GatewayId,
    /// The files, and where the operator is asked.
    pub broker: Broker,
    /// Where events go.
    pub captures: mpsc::Sender<Capture>,
    /// Where it says how it does.
    pub health: Health,
}

impl Renewer {
    /// Renews, each time the certificate has lived two thirds of its life, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_DELAY, LAST_DELAY);
        let spread = spread();
        // One request for as long as it is not answered: the answer to an earlier attempt counts.
        let mut asked: Option<pending::Made> = None;
        loop {
            let delay = match Identity::load(&self.broker.files) {
                Ok(identity) if due(&identity, spread) <= clock::utc_seconds() => {
                    let attempt = self.attempt(&identity, &mut asked);
                    let outcome = tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        outcome = attempt => outcome,
                    };
                    match outcome {
                        Ok(text) => {
                            asked = None;
                            backoff.reset();
                            self.say(text).await;
                        }
                        Err(error) => self.complain(&identity, &error),
                    }
                    backoff.next_delay().max(LEAST)
                }
                Ok(identity) => until(due(&identity, spread)),
                // The publisher says what is wrong with it.
                Err(_) => LOOK,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(delay) => {}
            }
        }
    }

    async fn attempt(
        &self,
        identity: &Identity,
        asked: &mut Option<pending::Made>,
    ) -> Result<String, EnrolmentError> {
        let made = match asked {
            Some(made) => made,
            None => asked.insert(self.request()?),
        };
        let client_id = format!("{}-renewal", self.gateway);
        let place = |identity| Place {
            identity,
            host: &self.broker.host,
            port: self.broker.port,
            client_id: client_id.clone(),
        };
        let desk = Desk::Renewal(self.gateway.clone());
        let answer =
            exchange::ask(&place(identity), &desk, &made.pending.request, PATIENCE).await?;
        let granted = grant::open(&answer, &made.pending, None)?;
        let next = next(&self.broker.files);
        files::put_private(&next.key, made.key.as_bytes())?;
        files::put(&next.certificate, granted.certificate.as_bytes())?;
        let renewed = Identity::load(&next)?;
        if renewed.common_name() != self.gateway.as_str()
            || renewed.not_after() <= identity.not_after()
        {
            return Err(EnrolmentError::Grant("is no renewal of this certificate"));
        }
        exchange::prove(&place(&renewed)).await?;
        files::rename(&next.key, &self.broker.files.key)?;
        files::rename(&next.certificate, &self.broker.files.certificate)?;
        Ok(format!(
            "certificate renewed, it holds until {} (UTC seconds)",
            renewed.not_after()
        ))
    }

    /// A new key, and the request for it, signed with the key of now.
    fn request(&self) -> Result<pending::Made, EnrolmentError> {
        let mut made = pending::make(&self.gateway)?;
        let path = &self.broker.files.key;
        let unusable = || EnrolmentError::Damaged(path.clone());
        let pem = file::read_private(path)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| unusable())?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der())
            .map_err(|_| unusable())?;
        let statement = renewal_statement(&made.pending.request.digest());
        let proof = key
            .sign(&SystemRandom::new(), &statement)
            .map_err(|_| unusable())?;
        made.pending.request.proof =
            Proof::Renewal(serde_bytes::ByteBuf::from(proof.as_ref().to_vec()));
        Ok(made)
    }

    async fn say(&self, text: String) {
        tracing::info!("{text}");
        let event = Capture::of_gateway(EventKind::CertificateExpiry, text);
        if self.captures.send(event).await.is_err() {
            tracing::debug!("stopping: the renewal is not recorded as an event");
        }
    }

    fn complain(&self, identity: &Identity, error: &EnrolmentError) {
        tracing::warn!("the certificate is not renewed yet: {error}");
        let left = identity.not_after() - clock::utc_seconds();
        if left < lifetime(identity) / 6 {
            let text = format!("the certificate ends in {left} s and cannot be renewed: {error}");
            self.health.fault(Part::Identity, text);
        }
    }
}

/// Brings a renewal to its end that a power cut interrupted between its two files.
pub fn settle(files: &Files) {
    let next = next(files);
    if !next.certificate.exists() && !next.key.exists() {
        return;
    }
    let settled = match Identity::load(files) {
        // The key is the new one already.
        Err(IdentityError::Mismatch { .. }) if next.certificate.exists() => {
            files::rename(&next.certificate, &files.certificate)
        }
        _ => files::remove(&next.key).and_then(|()| files::remove(&next.certificate)),
    };
    if let Err(error) = settled {
        tracing::warn!("an interrupted renewal is left as it is: {error}");
    }
}

fn next(of: &Files) -> Files {
    let next = |path: &PathBuf| files::beside(path, ".next");
    Files {
        ca: of.ca.clone(),
        certificate: next(&of.certificate),
        key: next(&of.key),
        crl: of.crl.clone(),
    }
}

const fn lifetime(identity: &Identity) -> i64 {
    identity.not_after() - identity.not_before()
}

/// At two thirds of its life, a tenth earlier or later: a fleet that was enrolled in one day does not come
/// back in one hour.
fn due(identity: &Identity, spread: i64) -> i64 {
    let lifetime = lifetime(identity);
    identity.not_before() + lifetime / 3 * 2 + lifetime / 1000 * spread
}

/// From -100 to 100, drawn once.
fn spread() -> i64 {
    let mut bytes = [0; 2];
    match rand::fill(&mut bytes) {
        Ok(()) => i64::from(u16::from_le_bytes(bytes)) % 201 - 100,
        Err(_) => 0,
    }
}

/// Looks again after an hour at most: clocks are set, and files replaced by hand.
fn until(due: i64) -> Duration {
    let seconds = u64::try_from(due - clock::utc_seconds()).unwrap_or(0);
    Duration::from_secs(seconds).clamp(LEAST, LOOK)
}

const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_secs(30);
const LAST_DELAY: Duration = Duration::from_secs(3600);
const LEAST: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
