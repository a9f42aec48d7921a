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
    tell_by(say, sd_notify::watchdog_enabled(), health, stop).await;
}

async fn tell_by(
    mut say: impl FnMut(&[NotifyState<'_>]),
    watchdog: Option<Duration>,
    health: Health,
    stop: CancellationToken,
) {
    say(&[NotifyState::Ready]);
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
        say(&[NotifyState::Status(&words(&health))]);
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::time::sleep;

    use super::*;

    /// Runs a minute under a watchdog and gives out what was said.
    async fn a_minute(health: &Health, takes_turns: bool) -> Vec<String> {
        let said = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let told = {
            let said = Arc::clone(&said);
            let say = move |states: &[NotifyState<'_>]| {
                said.lock()
                    .unwrap()
                    .extend(states.iter().map(ToString::to_string));
            };
            let (health, stop) = (health.clone(), stop.clone());
            tokio::spawn(tell_by(say, Some(Duration::from_secs(20)), health, stop))
        };
        for _ in 0..60 {
            sleep(Duration::from_secs(1)).await;
            if takes_turns {
                health.turn();
            }
        }
        stop.cancel();
        told.await.unwrap();
        Arc::try_unwrap(said).unwrap().into_inner().unwrap()
    }

    fn fed(said: &[String]) -> usize {
        said.iter()
            .filter(|line| line.contains("WATCHDOG=1"))
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_the_recorder_takes_turns() {
        let said = a_minute(&Health::new(0), true).await;
        assert!(said.first().unwrap().contains("READY=1"), "{said:?}");
        assert!(said.last().unwrap().contains("STOPPING=1"), "{said:?}");
        assert!(fed(&said) >= 10, "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorder_that_hangs_starves_the_watchdog() {
        let said = a_minute(&Health::new(0), false).await;
        assert_eq!(fed(&said), 0, "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_is_told_what_is_wrong() {
        let health = Health::new(0);
        health.fault(crate::health::Part::Store, "the store is full".to_owned());
        let said = a_minute(&health, true).await;
        assert!(
            said.iter()
                .any(|line| line.contains("STATUS=") && line.contains("the store is full")),
            "{said:?}"
        );
    }
}
