//! MQTT 3.1.1: the only file that names `rumqttc`, as `v5.rs` is the only one that names its sister.

use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill,
    MqttOptions, NetworkOptions, Packet, PublishOptions, QoS, StateError, SubscribeFilterInput,
    TlsConfiguration, Transport,
};

use super::error::{RefusalKind, SessionError};
use super::{
    CLOSE, CONNECT, FLUSHED, Heard, Incoming, LARGEST, Limits, Options, Publication, REQUESTS,
    Welcome, protocol,
};
use crate::identity::Identity;

pub(super) use rumqttc::{Publish as Message, PublishNotice as Notice, SubscribeNotice as Grant};

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
        let (client, mut events) = AsyncClient::builder(mqtt_options(identity, options))
            .capacity(REQUESTS)
            .try_build()
            .map_err(|error| SessionError::Options(error.to_string()))?;
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT.as_secs());
        events.set_network_options(network);
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
                return Ok(Welcome {
                    present: answer.session_present,
                    limits: Limits {
                        in_flight,
                        largest: LARGEST,
                    },
                });
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
        message: protocol::Message::V311(message),
    }
}

/// Waits for the broker's acknowledgement.
pub(super) async fn acknowledged(notice: Notice) -> Result<(), SessionError> {
    notice
        .wait_async()
        .await
        .map(drop)
        .map_err(|_| SessionError::Over)
}

/// Waits until every filter is granted.
pub(super) async fn granted(notice: Grant) -> Result<(), String> {
    let granted = notice.wait_completion_async().await;
    granted.map_err(|error| error.to_string())
}

fn mqtt_options(identity: &Identity, options: Options) -> MqttOptions {
    let mut mqtt = MqttOptions::new(options.client_id, Broker::tcp(options.host, options.port));
    mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
        identity.tls(),
    )));
    mqtt.set_keep_alive(u16::try_from(options.keep_alive.as_secs().max(1)).unwrap_or(u16::MAX));
    mqtt.set_clean_session(options.clean);
    mqtt.set_inflight(options.in_flight.max(1));
    mqtt.set_max_packet_size(LARGEST, LARGEST);
    mqtt.set_ack_mode(AckMode::Manual);
    mqtt.set_max_request_batch(FLUSHED);
    if let Some(will) = options.will {
        mqtt.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
        ));
    }
    mqtt
}

fn explain(error: &ConnectionError) -> SessionError {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            let kind = match code {
                ConnectReturnCode::RefusedProtocolVersion => RefusalKind::Protocol,
                ConnectReturnCode::ServiceUnavailable => RefusalKind::Busy,
                ConnectReturnCode::BadClientId
                | ConnectReturnCode::BadUserNamePassword
                | ConnectReturnCode::NotAuthorized => RefusalKind::Party,
                ConnectReturnCode::Success => RefusalKind::Other,
            };
            SessionError::refused(format!("{code:?}"), kind)
        }
        ConnectionError::RequestsDone => SessionError::Over,
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            SessionError::Silent(CONNECT)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            SessionError::Broken("the broker closed the connection".to_owned())
        }
        other => SessionError::broken(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_waiting_helps() {
        for (code, kind) in [
            (ConnectReturnCode::NotAuthorized, RefusalKind::Party),
            (ConnectReturnCode::BadClientId, RefusalKind::Party),
            (ConnectReturnCode::ServiceUnavailable, RefusalKind::Busy),
            (
                ConnectReturnCode::RefusedProtocolVersion,
                RefusalKind::Protocol,
            ),
        ] {
            let said = explain(&ConnectionError::ConnectionRefused(code));
            assert_eq!(said, SessionError::refused(format!("{code:?}"), kind));
        }
    }
}
