//! What the operator granted: opened, looked at, and installed as this gateway's files.

use std::path::Path;

use aws_lc_rs::rand;
use wardlink_link::file;
use wardlink_link::identity::{Files, Identity};
use wardlink_link::sealing;
use wardlink_wire::SCHEMA;
use wardlink_wire::codec;
use wardlink_wire::enrolment::{
    Answer, GRANT_INFO, GRANT_LIMIT, Grant, Joining, Outcome, grant_binding,
};
use wardlink_wire::id::GatewayId;
use zeroize::Zeroizing;

use super::pending::Pending;
use super::{EnrolmentError, files};
use crate::config::Settings;

/// Opens the answer to a request.
///
/// # Errors
/// When it is the answer to another one, a refusal, or does not open.
pub fn open(
    answer: &[u8],
    pending: &Pending,
    claim_secret: Option<&[u8]>,
) -> Result<Grant, EnrolmentError> {
    let answer: Answer = codec::decode(answer, GRANT_LIMIT)?;
    let digest = pending.request.digest();
    if answer.schema != SCHEMA || answer.request != digest {
        return Err(EnrolmentError::OtherRequest);
    }
    let sealed = match answer.outcome {
        Outcome::Granted(sealed) => sealed,
        Outcome::Refused(reason) => {
            return Err(EnrolmentError::Refused(reason.escape_debug().to_string()));
        }
    };
    let binding = grant_binding(claim_secret, &digest);
    let opened = sealing::open(&pending.sealing, GRANT_INFO, &binding, &sealed)?;
    let grant: Grant = codec::decode(&opened, GRANT_LIMIT)?;
    if grant.schema != SCHEMA {
        return Err(EnrolmentError::Grant("is of another version"));
    }
    Ok(grant)
}

/// Makes the directory of a pending request a member's.
///
/// # Errors
/// When the grant does not belong to the keys in the directory, its configuration has faults, or the
/// system refuses. Nothing is a member before `agent.toml` is there, which is written last.
pub fn install(folder: &Path, grant: &Grant) -> Result<GatewayId, EnrolmentError> {
    let joining: &Joining = grant.joining.as_ref().ok_or(EnrolmentError::Grant(
        "renews a certificate, it admits nobody",
    ))?;
    let payload: [u8; 32] = joining
        .payload_key
        .as_slice()
        .try_into()
        .map_err(|_| EnrolmentError::Grant("holds no key for the monitor"))?;
    let payload = Zeroizing::new(payload);
    let put = |name: &str, text: &str| files::put(&folder.join(name), text.as_bytes());
    put("ca.pem", &joining.ca)?;
    put("operator.pub", &joining.operator)?;
    put("receipt.pub", &joining.receipt)?;
    put("profile.toml", &joining.profile)?;
    files::put_private(
        &folder.join("payload.key"),
        file::key_text(&payload).as_bytes(),
    )?;
    let store = folder.join("store.key");
    if !store.exists() {
        let mut key = Zeroizing::new([0; 32]);
        rand::fill(key.as_mut_slice())
            .map_err(|_| EnrolmentError::Key("the system gives no random bytes".to_owned()))?;
        files::put_private(&store, file::key_text(&key).as_bytes())?;
    }
    put("gateway.pem", &grant.certificate)?;
    let identity = Identity::load(&Files {
        ca: folder.join("ca.pem"),
        certificate: folder.join("gateway.pem"),
        key: folder.join("gateway.key"),
        crl: None,
    });
    let is_ours = identity
        .as_ref()
        .is_ok_and(|identity| identity.common_name() == grant.gateway.as_str());
    if !is_ours {
        files::remove(&folder.join("gateway.pem"))?;
        identity?;
        return Err(EnrolmentError::Grant("is for another gateway"));
    }
    let staged = folder.join("agent.toml.granted");
    files::put(&staged, joining.configuration.as_bytes())?;
    Settings::load(&staged).map_err(EnrolmentError::Configuration)?;
    files::rename(&staged, &folder.join("agent.toml"))?;
    Pending::forget(folder)?;
    Ok(grant.gateway.clone())
}
