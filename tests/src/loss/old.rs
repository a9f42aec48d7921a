//! rumqttc 0.25.1, without TLS: the client that was asked for first, and the one that verifies.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rumqttc::v5;
use rumqttc_0_25 as rumqttc;
use tokio::time::timeout;

use super::{Manner, TOPIC, Turn, payload, runtime};
use crate::wait;

/// What a step of the client says of publications.
pub(super) enum Step {
    /// One went out, under this packet id.
    Out(u16),
    /// The broker acknowledged this packet id.
    Acknowledged(u16),
    Other,
}

/// What both versions have in common.
pub(super) trait Client {
    fn publish(&self, number: u64);

    /// The next step, or the last ones and the end.
    async fn step(&mut self) -> Result<Step, Vec<Step>>;
}

/// Publishes under the ledger until the connection ends. The client says neither which packet id a
/// publication gets nor when it is acknowledged, so numbers wait in a queue until one is seen going out.
pub(super) async fn serve(mut client: impl Client, window: u16, turn: &mut Turn) {
    let (mut queued, mut sent) = (VecDeque::new(), HashMap::new());
    loop {
        while queued.len() + sent.len() < usize::from(window)
            && let Some(number) = turn.next()
        {
            client.publish(number);
            queued.push_back(number);
        }
        if turn.is_done() {
            return;
        }
        // Without anything on its way the client would wait for its keep-alive.
        let idle = queued.is_empty() && sent.is_empty();
        let patience = Duration::from_millis(if idle { 20 } else { 6000 });
        let (steps, ended) = match timeout(patience, client.step()).await {
            Ok(Ok(step)) => (vec![step], false),
            Ok(Err(last)) => (last, true),
            Err(_) => (Vec::new(), !idle),
        };
        for step in steps {
            match step {
                Step::Out(id) => {
                    if let Some(number) = queued.pop_front() {
                        sent.insert(id, number);
                    }
                }
                Step::Acknowledged(id) => {
                    if let Some(number) = sent.remove(&id) {
                        turn.settle(number);
                    }
                }
                Step::Other => {}
            }
        }
        if ended {
            return;
        }
    }
}

/// MQTT 3.1.1.
pub(super) struct V311(rumqttc::AsyncClient, rumqttc::EventLoop);

impl V311 {
    pub(super) fn new(manner: Manner) -> Self {
        let mut options = rumqttc::MqttOptions::new("gw-1", "127.0.0.1", manner.port);
        options.set_keep_alive(Duration::from_secs(5));
        options.set_clean_session(manner.clean);
        options.set_inflight(manner.window);
        let (client, events) = rumqttc::AsyncClient::new(options, usize::from(manner.window));
        Self(client, events)
    }
}

impl Client for V311 {
    fn publish(&self, number: u64) {
        let qos = rumqttc::QoS::AtLeastOnce;
        let asked = self.0.try_publish(TOPIC, qos, false, payload(number));
        asked.expect("as many fit as may be on their way");
    }

    async fn step(&mut self) -> Result<Step, Vec<Step>> {
        let step = |event| match event {
            rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(id)) => Step::Out(id),
            rumqttc::Event::Incoming(rumqttc::Packet::PubAck(answer)) => {
                Step::Acknowledged(answer.pkid)
            }
            _ => Step::Other,
        };
        match self.1.poll().await {
            Ok(event) => Ok(step(event)),
            // What was read before the end is told as well.
            Err(_) => Err(self.1.state.events.drain(..).map(step).collect()),
        }
    }
}

/// MQTT 5.
pub(super) struct V5(v5::AsyncClient, v5::EventLoop);

impl V5 {
    pub(super) fn new(manner: Manner) -> Self {
        let mut options = v5::MqttOptions::new("gw-1", "127.0.0.1", manner.port);
        options.set_keep_alive(Duration::from_secs(5));
        options.set_clean_start(manner.clean);
        options.set_outgoing_inflight_upper_limit(manner.window);
        let (client, events) = v5::AsyncClient::new(options, usize::from(manner.window));
        Self(client, events)
    }
}

impl Client for V5 {
    fn publish(&self, number: u64) {
        let qos = v5::mqttbytes::QoS::AtLeastOnce;
        let asked = self.0.try_publish(TOPIC, qos, false, payload(number));
        asked.expect("as many fit as may be on their way");
    }

    async fn step(&mut self) -> Result<Step, Vec<Step>> {
        let step = |event| match event {
            v5::Event::Outgoing(rumqttc::Outgoing::Publish(id)) => Step::Out(id),
            v5::Event::Incoming(v5::mqttbytes::v5::Packet::PubAck(answer)) => {
                Step::Acknowledged(answer.pkid)
            }
            _ => Step::Other,
        };
        match self.1.poll().await {
            Ok(event) => Ok(step(event)),
            Err(_) => Err(self.1.state.events.drain(..).map(step).collect()),
        }
    }
}

/// Hears everything, straight from the broker, and counts it.
#[derive(Debug)]
pub struct Verifier {
    heard: Arc<Heard>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    /// How often each number was seen.
    seen: Mutex<Vec<u32>>,
    subscriptions: AtomicU64,
    ended: AtomicBool,
}

impl Verifier {
    /// Subscribes, again after each end of the broker; returns once that holds.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let heard = Arc::new(Heard::default());
        let of_thread = Arc::clone(&heard);
        let thread = thread::spawn(move || runtime().block_on(of_thread.listen(port)));
        let verifier = Self {
            heard,
            thread: Some(thread),
        };
        wait::until("the verifier listens", || {
            (verifier.subscriptions() > 0).then_some(())
        });
        verifier
    }

    /// How often the broker granted its subscription.
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.heard.subscriptions.load(Ordering::SeqCst)
    }

    /// How often each number was seen by now.
    #[must_use]
    pub fn seen(&self) -> Vec<u32> {
        self.heard.seen.lock().expect("held").clone()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.heard.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Heard {
    async fn listen(&self, port: u16) {
        let mut options = rumqttc::MqttOptions::new("verifier", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut events) = rumqttc::AsyncClient::new(options, 16);
        while !self.ended.load(Ordering::SeqCst) {
            let polled = timeout(Duration::from_millis(100), events.poll()).await;
            match polled {
                Ok(Ok(rumqttc::Event::Incoming(packet))) => self.take(&client, &packet),
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                _ => {}
            }
        }
    }

    fn take(&self, client: &rumqttc::AsyncClient, packet: &rumqttc::Packet) {
        match packet {
            rumqttc::Packet::ConnAck(_) => client
                .try_subscribe(TOPIC, rumqttc::QoS::AtMostOnce)
                .expect("there is room"),
            rumqttc::Packet::SubAck(_) => {
                self.subscriptions.fetch_add(1, Ordering::SeqCst);
            }
            rumqttc::Packet::Publish(publish) => {
                let number = publish.payload[..8].try_into().expect("eight bytes");
                let number = usize::try_from(u64::from_le_bytes(number)).expect("a count");
                let mut seen = self.seen.lock().expect("held");
                if seen.len() <= number {
                    seen.resize(number + 1, 0);
                }
                seen[number] += 1;
            }
            _ => {}
        }
    }
}
