//! MQTT 5: the only file that names `rumqttc_v5`.
//!
//! What the newer protocol adds is handed on: the broker's limits in the welcome, its reasons in errors.

use rumqttc_v5::{
    AckMode, AsyncClient, Broker, ConnAck, ConnectReturnCode, ConnectionError, Event, EventLoop,
    LastWill, MqttOptions, NetworkOptions, Packet, PersistedAckMode, PersistedSession,
    PubAckReason, PublishOptions, PublishResult, QoS, SessionStore, SessionStoreError,
    SessionStoreKey, StateError, SubscribeFilterInput, TlsConfiguration, Transport,
};

use super::error::{RefusalKind, SessionError};
use super::{
    CLOSE, CONNECT, FLUSHED, Heard, Incoming, LARGEST, Limits, Options, Publication, REQUESTS,
    Welcome, protocol,
};
use crate::identity::Identity;

pub(super) use rumqttc_v5::{
    Publish as Message, PublishNotice as Notice, SubscribeNotice as Grant,
};

/// What is asked of the connection.
#[derive(Debug)]
pub(super) struct Client(AsyncClient);

/// What drives it.
pub(super) struct Events(EventLoop);

impl Client {
    pub(super) fn new(
        identity: &Identity,
        options: Options,
    ) -> Result<(Self, Events), SessionError> {
        let (client, events) = AsyncClient::builder(mqtt_options(identity, options))
            .capacity(REQUESTS)
            .try_build()
            .map_err(|error| SessionError::Options(error.to_string()))?;
        Ok((Self(client), Events(events)))
    }

    pub(super) fn subscribe(&self, filters: &[String]) -> Result<Grant, SessionError> {
        let inputs = filters
            .iter()
            .map(|filter| SubscribeFilterInput::new(filter.as_str(), QoS::AtLeastOnce));
        self.0
            .try_subscribe_many_tracked(inputs)
            .map_err(|_| SessionError::Over)
    }

    pub(super) fn publish(&self, publication: Publication) -> Result<Notice, SessionError> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(publication.retain);
        self.0
            .try_publish_tracked(publication.topic, publication.payload, options)
            .map_err(|_| SessionError::Over)
    }

    pub(super) fn acknowledge(&self, message: &Message) -> Result<(), SessionError> {
        self.0.try_ack(message).map_err(|_| SessionError::Over)
    }

    pub(super) fn disconnect(&self) -> Result<(), SessionError> {
        self.0
            .try_disconnect_with_timeout(CLOSE)
            .map_err(|_| SessionError::Over)
    }
}

impl Events {
    /// Drives the connection up to the broker's answer.
    pub(super) async fn welcome(&mut self, in_flight: u16) -> Result<Welcome, SessionError> {
        loop {
            let event = self.0.poll().await.map_err(|error| explain(&error))?;
            if let Event::Incoming(Packet::ConnAck(answer)) = event {
                return welcome(&answer, in_flight);
            }
        }
    }

    /// Drives the connection one step further.
    pub(super) async fn next(&mut self) -> Result<Heard, SessionError> {
        match self.0.poll().await.map_err(|error| explain(&error))? {
            Event::Incoming(Packet::Publish(message)) => {
                Ok(Heard::Message(Box::new(incoming(message))))
            }
            Event::Incoming(Packet::PubAck(_)) => Ok(Heard::Acknowledgement),
            _ => Ok(Heard::Nothing),
        }
    }
}

fn incoming(message: Message) -> Incoming {
    Incoming {
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        payload: message.payload.to_vec(),
        retain: message.retain,
        message: protocol::Message::V5(message),
    }
}

/// Waits for the broker's acknowledgement, and hears whether it is a no.
pub(super) async fn acknowledged(notice: Notice) -> Result<(), SessionError> {
    match notice.wait_async().await {
        Ok(PublishResult::Qos1(answer)) => match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
            reason => Err(SessionError::NotTaken(format!("{reason:?}"))),
        },
        _ => Err(SessionError::Over),
    }
}

/// Waits until every filter is granted.
pub(super) async fn granted(notice: Grant) -> Result<(), String> {
    let granted = notice.wait_completion_async().await;
    granted.map_err(|error| error.to_string())
}

/// What the broker allows (MQTT 5 section 3.2.2.3). What we cannot do without is asked for here.
fn welcome(answer: &ConnAck, in_flight: u16) -> Result<Welcome, SessionError> {
    let properties = answer.properties.as_ref();
    let unsuited = |what: &str| Err(SessionError::refused(what, RefusalKind::Protocol));
    if properties.and_then(|found| found.retain_available) == Some(0) {
        return unsuited("it keeps no retained messages, which receipts and profiles are");
    }
    if properties.and_then(|found| found.max_qos) == Some(0) {
        return unsuited("it takes nothing above QoS 0, and acknowledges nothing therefore");
    }
    let receive_maximum = properties.and_then(|found| found.receive_max);
    let largest = properties.and_then(|found| found.max_packet_size);
    let largest = largest.map_or(LARGEST, |most| usize::try_from(most).unwrap_or(LARGEST));
    Ok(Welcome {
        present: answer.session_present,
        limits: Limits {
            in_flight: in_flight.min(receive_maximum.unwrap_or(u16::MAX)),
            largest: largest.min(LARGEST),
        },
    })
}

fn mqtt_options(identity: &Identity, options: Options) -> MqttOptions {
    let mut mqtt = MqttOptions::new(options.client_id, Broker::tcp(options.host, options.port));
    mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
        identity.tls(),
    )));
    mqtt.set_keep_alive(u16::try_from(options.keep_alive.as_secs().max(1)).unwrap_or(u16::MAX));
    mqtt.set_clean_start(options.clean);
    if !options.clean {
        mqtt.set_session_expiry_interval(Some(KEPT));
        mqtt.set_session_store(Empty(options.in_flight.max(1)));
    }
    mqtt.set_outgoing_inflight_upper_limit(options.in_flight.max(1));
    mqtt.set_max_packet_size(Some(u32::try_from(LARGEST).unwrap_or(u32::MAX)));
    mqtt.set_ack_mode(AckMode::Manual);
    mqtt.set_max_request_batch(FLUSHED);
    mqtt.set_connect_timeout(CONNECT);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    mqtt.set_network_options(network);
    if let Some(will) = options.will {
        mqtt.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
            None,
        ));
    }
    mqtt
}

/// The memory of a client that has nothing on its way: without one, the library lets a fresh client resume
/// no session. What was published before is in its owner's ledger, and is published anew.
#[derive(Debug)]
struct Empty(u16);

impl SessionStore for Empty {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Kept<'a, Option<PersistedSession>> {
        let empty = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(KEPT),
            outgoing_inflight_upper_limit: Some(self.0),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(async { Ok(Some(empty)) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Kept<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Kept<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

type Kept<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

fn explain(error: &ConnectionError) -> SessionError {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            SessionError::refused(format!("{code:?}"), kind(*code))
        }
        ConnectionError::RequestsDone => SessionError::Over,
        ConnectionError::Timeout(_) => SessionError::Silent(CONNECT),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            SessionError::Broken("the broker closed the connection".to_owned())
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let words = reason_string.as_deref().map(|text| format!(": {text}"));
            SessionError::Broken(format!(
                "the broker ended the session: {reason_code:?}{}",
                words.unwrap_or_default()
            ))
        }
        other => SessionError::broken(other),
    }
}

/// MQTT 5 table 3-1, as far as it says what to do next.
const fn kind(code: ConnectReturnCode) -> RefusalKind {
    match code {
        ConnectReturnCode::ClientIdentifierNotValid
        | ConnectReturnCode::BadClientId
        | ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::Banned
        | ConnectReturnCode::BadAuthenticationMethod => RefusalKind::Party,
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion
        | ConnectReturnCode::RetainNotSupported
        | ConnectReturnCode::QoSNotSupported => RefusalKind::Protocol,
        ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable
        | ConnectReturnCode::ServerBusy
        | ConnectReturnCode::QuotaExceeded
        | ConnectReturnCode::ConnectionRateExceeded => RefusalKind::Busy,
        _ => RefusalKind::Other,
    }
}

/// How long a broker keeps the session of a client that asks for it, seconds: a week. Everything that is
/// not delivered meanwhile is still in the gateways' stores.
const KEPT: u32 = 7 * 86_400;

#[cfg(test)]
mod tests {
    use rumqttc_v5::ConnAckProperties;

    use super::*;

    fn answer(change: impl FnOnce(&mut ConnAckProperties)) -> ConnAck {
        let mut properties = ConnAckProperties {
            session_expiry_interval: None,
            receive_max: None,
            max_qos: None,
            retain_available: None,
            max_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive: None,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        change(&mut properties);
        ConnAck {
            session_present: false,
            code: ConnectReturnCode::Success,
            properties: Some(properties),
        }
    }

    #[test]
    fn the_brokers_limits_are_handed_on_and_ours_hold_where_it_has_none() {
        let limits = |answer: &ConnAck| welcome(answer, 32).unwrap().limits;
        let none = limits(&answer(|_| {}));
        assert_eq!((none.in_flight, none.largest), (32, LARGEST));
        let narrow = answer(|said| {
            said.receive_max = Some(5);
            said.max_packet_size = Some(4096);
        });
        let narrow = limits(&narrow);
        assert_eq!((narrow.in_flight, narrow.largest), (5, 4096));
        let wide = answer(|said| {
            said.receive_max = Some(60_000);
            said.max_packet_size = Some(u32::MAX);
        });
        assert_eq!(limits(&wide), none);
    }

    #[test]
    fn a_broker_without_what_receipts_need_is_refused_in_words() {
        for change in [
            (|said: &mut ConnAckProperties| said.retain_available = Some(0)) as fn(&mut _),
            |said| said.max_qos = Some(0),
        ] {
            let error = welcome(&answer(change), 32).unwrap_err();
            assert!(matches!(error, SessionError::Refused(_)), "{error}");
            assert!(!error.pause().is_zero());
        }
    }

    #[test]
    fn a_refusal_says_whether_waiting_helps() {
        assert_eq!(kind(ConnectReturnCode::NotAuthorized), RefusalKind::Party);
        assert_eq!(kind(ConnectReturnCode::ServerBusy), RefusalKind::Busy);
        assert_eq!(
            kind(ConnectReturnCode::UnsupportedProtocolVersion),
            RefusalKind::Protocol
        );
        assert_eq!(
            kind(ConnectReturnCode::UnspecifiedError),
            RefusalKind::Other
        );
    }
}
