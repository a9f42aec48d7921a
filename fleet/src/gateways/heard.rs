//! What gateways say of themselves: the newest of each kind, as the broker keeps it.
//!
//! Promises that a gateway is believed only on its own topics, which the broker binds to its certificate, and
//! that what cannot be read is passed over. Refuses to judge: that is [`super::report`].

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Incoming, Session, SessionError};
use wardlink_wire::SCHEMA;
use wardlink_wire::birth::Birth;
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::id::GatewayId;
use wardlink_wire::state::{ConfigState, State};
use wardlink_wire::topic::{Subject, Topic};

use crate::broker_address::BrokerAddress;
use crate::rollout::exchange::{self, ExchangeError};

/// What was heard so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(BTreeMap<GatewayId, Said>);

/// What one gateway said last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) state: Option<State>,
    pub(crate) birth: Option<Birth>,
    pub(crate) config: Option<ConfigState>,
}

impl Heard {
    /// Takes in one message.
    pub(crate) fn take(&mut self, topic: &str, payload: &[u8]) {
        let Ok(Topic { gateway, subject }) = Topic::parse(topic) else {
            return;
        };
        match subject {
            Subject::State => {
                if let Some(state) = own(payload, &gateway, |said: &State| {
                    (said.schema, &said.gateway)
                }) {
                    self.0.entry(gateway).or_default().state = Some(state);
                }
            }
            Subject::Birth => {
                if let Some(birth) = own(payload, &gateway, |said: &Birth| {
                    (said.schema, &said.gateway)
                }) {
                    self.0.entry(gateway).or_default().birth = Some(birth);
                }
            }
            Subject::ConfigState => {
                if let Some(config) = own(payload, &gateway, |said: &ConfigState| {
                    (said.schema, &said.gateway)
                }) {
                    self.0.entry(gateway).or_default().config = Some(config);
                }
            }
            Subject::Lane(_) | Subject::Receipt | Subject::Config => {}
        }
    }

    /// What a gateway said; none if nothing was heard.
    pub(crate) fn of(&self, gateway: &GatewayId) -> Option<&Said> {
        self.0.get(gateway)
    }
}

fn own<T: serde::de::DeserializeOwned + serde::Serialize>(
    payload: &[u8],
    gateway: &GatewayId,
    head: impl Fn(&T) -> (u16, &GatewayId),
) -> Option<T> {
    let said: T = codec::decode(payload, LIMIT).ok()?;
    (head(&said) == (SCHEMA, gateway)).then_some(said)
}

/// Listens until enough was heard, no longer than `wait`. Why nothing more was heard, if the broker is away.
pub(crate) async fn listen(
    identity: &Identity,
    broker: &BrokerAddress,
    filters: &[String],
    wait: Duration,
    is_enough: impl Fn(&Heard) -> bool,
) -> (Heard, Option<AwayError>) {
    let mut heard = Heard::default();
    let mut is_connected = false;
    let listening = async {
        let mut session = connect(identity, broker, filters).await?;
        is_connected = true;
        while !is_enough(&heard) {
            let incoming = next(&mut session).await?;
            heard.take(&incoming.topic, &incoming.payload);
        }
        session.close().await;
        Ok(())
    };
    let trouble = match timeout(wait, listening).await {
        Ok(ended) => ended.err(),
        Err(_) if is_connected => None,
        Err(_) => Some(AwayError::Session(
            broker.clone(),
            SessionError::Silent(wait),
        )),
    };
    (heard, trouble)
}

/// Connects as the operator and asks for what gateways say.
pub(crate) async fn connect(
    identity: &Identity,
    broker: &BrokerAddress,
    filters: &[String],
) -> Result<Session, AwayError> {
    let away = |error| AwayError::Session(broker.clone(), error);
    let options = exchange::options(broker, IN_FLIGHT)?;
    let mut session = Session::open(identity, options).await.map_err(away)?;
    session.subscribe(filters).await.map_err(away)?;
    Ok(session)
}

/// Waits for one message.
pub(crate) async fn next(session: &mut Session) -> Result<Incoming, HearError> {
    let incoming = session.next().await?;
    session.acknowledge(&incoming)?;
    Ok(incoming)
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the broker broke: {0}")]
pub(crate) struct HearError(#[from] SessionError);

/// Why the broker says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwayError {
    #[error("broker {0}: {1}")]
    Session(BrokerAddress, SessionError),
    #[error(transparent)]
    Broken(#[from] HearError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

const IN_FLIGHT: u16 = 64;
/// A gateway with some hundred devices.
const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    depth: 16,
};
