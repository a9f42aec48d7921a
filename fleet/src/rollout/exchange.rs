//! One bundle to the broker, and the gateway's answer back.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use tokio::time::timeout;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Options, Publication, Session, SessionError, Version};
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::id::GatewayId;
use wardlink_wire::state::{BundleOutcome, ConfigState};
use wardlink_wire::topic::{Subject, Topic};

use crate::broker_address::BrokerAddress;
use crate::pki::hex;

/// Publishes a bundle, retained, and waits for the last thing that the gateway says of exactly these bytes.
/// What it said so far if that does not come in time; none if it said nothing.
///
/// # Errors
/// When the broker cannot be reached, refuses, or the connection breaks.
pub(super) async fn push(
    identity: &Identity,
    broker: &BrokerAddress,
    gateway: &GatewayId,
    bundle: Vec<u8>,
    wait: Duration,
) -> Result<Option<BundleOutcome>, ExchangeError> {
    let unreachable = |error| ExchangeError::Broker(broker.clone(), error);
    let mut session = connect(identity, broker, 1).await?;
    let answers = Topic::new(gateway.clone(), Subject::ConfigState).to_string();
    session
        .subscribe(std::slice::from_ref(&answers))
        .await
        .map_err(unreachable)?;
    let sent = digest(&SHA256, &bundle).as_ref().to_vec();
    let delivery = session
        .publish(Publication {
            topic: Topic::new(gateway.clone(), Subject::Config).to_string(),
            payload: bundle,
            retain: true,
        })
        .map_err(unreachable)?;
    timeout(PATIENCE, delivery.acknowledged())
        .await
        .map_err(|_| unreachable(SessionError::Silent(PATIENCE)))?
        .map_err(unreachable)?;
    let mut said = None;
    match timeout(wait, answer(&mut session, gateway, &sent, &mut said)).await {
        Ok(answered) => answered.map_err(ExchangeError::Broken)?,
        Err(_) => tracing::debug!("the gateway did not say its last word in time"),
    }
    session.close().await;
    Ok(said)
}

/// Connects as the operator, under a client id of its own.
pub(super) async fn connect(
    identity: &Identity,
    broker: &BrokerAddress,
    in_flight: u16,
) -> Result<Session, ExchangeError> {
    Session::open(identity, options(broker, in_flight)?)
        .await
        .map_err(|error| ExchangeError::Broker(broker.clone(), error))
}

/// How the operator connects: under a client id of its own.
pub(crate) fn options(broker: &BrokerAddress, in_flight: u16) -> Result<Options, ExchangeError> {
    let mut suffix = [0; 6];
    rand::fill(&mut suffix).map_err(|_| ExchangeError::Randomness)?;
    Ok(Options {
        version: Version::default(),
        host: broker.host().to_owned(),
        port: broker.port(),
        client_id: format!("operator-{}", hex(&suffix)),
        keep_alive: KEEP_ALIVE,
        clean: true,
        in_flight,
        will: None,
    })
}

/// Waits for the last word about these bytes. One that the broker kept counts: it is about the same bytes.
async fn answer(
    session: &mut Session,
    gateway: &GatewayId,
    sent: &[u8],
    said: &mut Option<BundleOutcome>,
) -> Result<(), SessionError> {
    loop {
        let incoming = session.next().await?;
        session.acknowledge(&incoming)?;
        let Ok(state) = codec::decode::<ConfigState>(&incoming.payload, LIMIT) else {
            continue;
        };
        let about = |outcome: &BundleOutcome| outcome.digest == sent;
        if state.gateway == *gateway
            && let Some(outcome) = state.bundle.filter(about)
        {
            let last = outcome.outcome.is_final();
            *said = Some(outcome);
            if last {
                return Ok(());
            }
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// Before the bundle was there.
    #[error("broker {0}: {1}; the bundle was not published")]
    Broker(BrokerAddress, SessionError),
    /// After that.
    #[error(
        "the bundle is on the broker, but the connection broke before the gateway answered: {0}"
    )]
    Broken(SessionError),
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Randomness,
}

const KEEP_ALIVE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
const LIMIT: Limit = Limit {
    bytes: 64 << 10,
    depth: 8,
};
