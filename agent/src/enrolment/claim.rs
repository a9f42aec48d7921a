//! Enrolling by a claim file: the gateway makes its keys, asks over MQTT, and is a member.
//!
//! Promises that an interrupted enrolment goes on where it stopped, with the same keys, and that the answer
//! is believed only if whoever gave it knew the claim's secret.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::sleep;
use wardlink_link::backoff::Backoff;
use wardlink_link::file;
use wardlink_link::identity::{Files, Identity};
use wardlink_wire::enrolment::{CLAIM, Desk, Proof, claim_proof};
use wardlink_wire::id::GatewayId;
use zeroize::Zeroize as _;

use super::exchange::{self, Place};
use super::pending::Pending;
use super::{EnrolmentError, files, grant};
use crate::clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimFile {
    schema: u16,
    id: GatewayId,
    gateway: GatewayId,
    expires: i64,
    host: String,
    port: u16,
    secret: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Drop for ClaimFile {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.key.zeroize();
    }
}

/// Enrols into a directory with a claim file, trying until the operator has answered. The claim is removed:
/// it is spent.
///
/// # Errors
/// When the claim cannot be used, is refused, or what was granted cannot be installed.
pub async fn enrol(folder: &Path, claim: &Path) -> Result<GatewayId, EnrolmentError> {
    let read = read(claim)?;
    let secret = file::parse_key(read.secret.as_bytes())
        .ok_or_else(|| bad(claim, "its secret is no key"))?;
    if read.expires <= clock::utc_seconds() {
        return Err(EnrolmentError::ClaimOver(read.gateway.to_string()));
    }
    let mut pending = Pending::make(folder, &read.gateway)?;
    let proof = claim_proof(secret.as_slice(), &pending.request.digest());
    pending.request.proof = Proof::Claim(serde_bytes::ByteBuf::from(proof));
    let identity = identity(folder, &read)?;
    let place = Place {
        identity: &identity,
        host: &read.host,
        port: read.port,
        client_id: format!("{CLAIM}-{}", read.id),
    };
    let desk = Desk::Claim(read.id.clone());
    let mut backoff = Backoff::new(FIRST_DELAY, LAST_DELAY);
    let answer = loop {
        match exchange::ask(&place, &desk, &pending.request, PATIENCE).await {
            Ok(answer) => break answer,
            Err(error) if error.may_pass() => {
                tracing::warn!("not enrolled yet: {error}; trying again");
                sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error),
        }
    };
    let granted = grant::open(&answer, &pending, Some(secret.as_slice()))?;
    if granted.gateway != read.gateway {
        return Err(EnrolmentError::Grant("is for another gateway"));
    }
    let gateway = grant::install(folder, &granted)?;
    if let Err(error) = files::remove(claim) {
        tracing::warn!("the claim is spent, but stays: {error}");
    }
    Ok(gateway)
}

fn read(path: &Path) -> Result<ClaimFile, EnrolmentError> {
    let bytes = file::read_private(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad(path, "not UTF-8 text"))?;
    let claim: ClaimFile = toml::from_str(text).map_err(|error| bad(path, error.message()))?;
    if claim.schema != wardlink_wire::SCHEMA {
        return Err(bad(path, "of another version"));
    }
    Ok(claim)
}

/// The claim's own certificate, which reaches nothing but the desk of enrolment.
fn identity(folder: &Path, claim: &ClaimFile) -> Result<Identity, EnrolmentError> {
    let files = Files {
        ca: folder.join("claim-ca.pem"),
        certificate: folder.join("claim.pem"),
        key: folder.join("claim.key"),
        crl: None,
    };
    files::put(&files.ca, claim.ca.as_bytes())?;
    files::put(&files.certificate, claim.certificate.as_bytes())?;
    files::put_private(&files.key, claim.key.as_bytes())?;
    let identity = Identity::load(&files);
    for path in [&files.ca, &files.certificate, &files.key] {
        files::remove(path)?;
    }
    Ok(identity?)
}

fn bad(path: &Path, problem: &str) -> EnrolmentError {
    EnrolmentError::Claim {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(60);
