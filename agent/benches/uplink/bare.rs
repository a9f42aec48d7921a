//! A client that does nothing but publish: the measure.

use std::time::Instant;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS, TlsConfiguration,
    Transport,
};

use super::broker::Broker;
use crate::{Rate, cpu};

/// Publishes and waits for the last PUBACK. Up to `flushed` messages that wait are written at once; the
/// library's own setting is one.
pub(crate) async fn publish(
    broker: &Broker,
    payload: usize,
    messages: u32,
    flushed: usize,
) -> Rate {
    let mut options = options(broker, "bare");
    options.set_max_request_batch(flushed);
    let (client, mut events) = connected(options).await;
    let (began, before) = (Instant::now(), cpu());
    send(&client, &mut events, payload, messages).await;
    Rate::of(messages, began.elapsed(), cpu() - before)
}

async fn send(client: &AsyncClient, events: &mut EventLoop, payload: usize, messages: u32) {
    let bytes = vec![0xa5_u8; payload];
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < messages {
        while sent < messages && sent - acknowledged < u32::from(IN_FLIGHT) {
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client
                .try_publish("wardlink/1/gw-bench/wave", bytes.clone(), options)
                .expect("there is room");
            sent += 1;
        }
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.expect("a connection") {
            acknowledged += 1;
        }
    }
}

/// A client that is connected.
pub(crate) async fn connect(broker: &Broker, id: &str) -> (AsyncClient, EventLoop) {
    connected(options(broker, id)).await
}

/// Fills the queue of a broker that asks for no certificate.
pub(crate) async fn fill(port: u16, payload: usize, messages: u32) {
    let mut options = MqttOptions::new("fills", rumqttc::Broker::tcp("127.0.0.1", port));
    options.set_inflight(IN_FLIGHT);
    options.set_max_packet_size(1 << 20, 1 << 20);
    options.set_max_request_batch(usize::from(IN_FLIGHT));
    let (client, mut events) = connected(options).await;
    send(&client, &mut events, payload, messages).await;
}

fn options(broker: &Broker, id: &str) -> MqttOptions {
    let at = rumqttc::Broker::tcp("localhost", broker.port);
    let mut options = MqttOptions::new(id, at);
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
        broker.identity().tls(),
    )));
    options.set_inflight(IN_FLIGHT);
    options.set_max_packet_size(1 << 20, 1 << 20);
    options
}

async fn connected(options: MqttOptions) -> (AsyncClient, EventLoop) {
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(usize::from(IN_FLIGHT))
        .try_build()
        .expect("a client");
    loop {
        if let Event::Incoming(Packet::ConnAck(_)) = events.poll().await.expect("a connection") {
            return (client, events);
        }
    }
}

/// Both sides have as many on their way.
pub(crate) const IN_FLIGHT: u16 = 100;
