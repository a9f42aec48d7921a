//! What the service manager is told: ready, how things stand, alive (`sd_notify(3)`).
//!
//! Promises that the watchdog is fed only by real progress: by a recorder that goes on taking and committing
//! what is due. An agent whose recorder hangs, on a medium that does not return for example, is started anew
//! by systemd. Without systemd nothing is told to anybody.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::health::{Health, Link};

/// Tells until told to stop.
pub async fn tell(health: Health, stop: CancellationToken) {
    say(&[NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled();
    let mut every = interval(
        watchdog
            .map_or(PERIOD, |patience| patience / 4)
            .clamp(LEAST, PERIOD),
    );
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turns = health.turns();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = every.tick() => {}
        }
        let status = words(&health);
        say(&[NotifyState::Status(&status)]);
        let now = health.turns();
        if watchdog.is_some() && now != turns {
            turns = now;
            say(&[NotifyState::Watchdog]);
        }
    }
    say(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
fn words(health: &Health) -> String {
    let snapshot = health.snapshot();
    let link = match snapshot.link {
        Link::Connected => "connected",
        Link::Connecting => "no connection to the broker",
    };
    match snapshot.faults.values().next() {
        Some(fault) => format!("{link}; {fault}"),
        None => format!("{link}; {} devices", snapshot.devices.len()),
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// How often it is told how things stand, at the least.
const PERIOD: Duration = Duration::from_secs(10);

/// The recorder takes a turn at least every second; more often than that nothing new could be said.
const LEAST: Duration = Duration::from_secs(2);
