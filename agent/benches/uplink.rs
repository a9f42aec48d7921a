//! The uplink against a bare rumqttc, on the same mosquitto in the same run.
//!
//! What is measured: messages a second and CPU a message, from a store full of backlog to the broker's last
//! PUBACK (`delivery = "broker"`: read, open, seal for the monitor, publish, acknowledge), against a client
//! that publishes ready bytes, with one and with several messages a flush, `mosquitto_pub -l` and a mosquitto
//! bridge; the time from a commit to the arrival of live vitals while backlog drains; and the time from
//! connecting to the first delivery. Needs mosquitto and says so where it is missing.
//!
//! For the agent a message is a batch in its store: it joins small ones, as it does in the field. A size as the
//! argument measures the agent and the bare client with that size only.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has nothing to measure, and one that can prints"
)]

mod uplink {
    pub(crate) mod bare;
    pub(crate) mod broker;
    pub(crate) mod peers;
    pub(crate) mod product;
}

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use uplink::broker::Broker;
use uplink::{bare, peers, product};

fn main() {
    // `cargo test --benches` asks every bench whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let Some(broker) = Broker::start() else {
        println!("uplink: mosquitto is missing, nothing is measured");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let only = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    for (payload, messages) in [(256, 20_000), (4096, 10_000), (65_536, 2000)] {
        if only.is_some_and(|only| only != payload) {
            continue;
        }
        let (mut one, mut many, mut agent) = (Rate::NONE, Rate::NONE, Rate::NONE);
        for _ in 0..PASSES {
            let bare = |flushed| bare::publish(&broker, payload, messages, flushed);
            one = one.best(runtime.block_on(bare(1)));
            many = many.best(runtime.block_on(bare(FLUSHED)));
            agent = agent.best(runtime.block_on(product::drain(&broker, payload, messages)));
        }
        println!("{messages} messages of {payload} B");
        let row = |name: &str, rate: Option<Rate>| match rate {
            Some(rate) => {
                let ratio = rate.messages / one.messages;
                println!("  {name:<40} {rate} {ratio:>6.2}");
            }
            None => println!("  {name:<40} missing"),
        };
        row("bare rumqttc, a message a flush", Some(one));
        row("bare rumqttc, up to 32 messages a flush", Some(many));
        row("the agent", Some(agent));
        if only.is_some() {
            return;
        }
        let pub_l = peers::mosquitto_pub(&broker, payload, messages);
        row("mosquitto_pub -l, with its start", pub_l);
        let bridge = runtime.block_on(peers::bridge(&broker, payload, messages));
        row("mosquitto bridge, to a subscriber", bridge);
    }
    let (first, mut live) = runtime.block_on(product::live_while_draining(&broker, 4096, 40_000));
    live.sort_unstable();
    let at = |share: usize| {
        live.get(live.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "live vitals while 40,000 messages of 4 KiB drain: {} arrived, p50 {:?}, p99 {:?}, worst {:?}",
        live.len(),
        at(50),
        at(99),
        live.last().copied().unwrap_or_default()
    );
    println!("from connecting to the first delivery: {first:?}");
}

/// What was reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) messages: f64,
    pub(crate) cpu: Duration,
}

impl Rate {
    const NONE: Self = Self {
        messages: 0.0,
        cpu: Duration::MAX,
    };

    pub(crate) fn of(messages: u32, took: Duration, cpu: Duration) -> Self {
        Self {
            messages: f64::from(messages) / took.as_secs_f64(),
            cpu: cpu / messages,
        }
    }

    fn best(self, other: Self) -> Self {
        Self {
            messages: self.messages.max(other.messages),
            cpu: self.cpu.min(other.cpu),
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.cpu.as_secs_f64() * 1e6;
        write!(f, "{:>9.0}/s {micros:>6.1} us CPU", self.messages)
    }
}

/// What this process has used of the processor.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

const PASSES: u32 = 3;
/// As the agent's own connection does it.
const FLUSHED: usize = 32;
