//! The publisher in a world without chance: paused time, a network, a broker, a monitor and a store in
//! memory, and faults from a seed.
//!
//! Nothing here waits in real time, and one seed gives one run. The times of the publisher are stretched
//! ([`PACE`]), because a simulated gateway records some batches an hour and not some a second; their
//! proportions are those of a gateway. `WARDLINK_TEST_SEED` repeats a run.

mod chance;
mod neighbours;
mod network;
mod plan;
mod store;
mod truth;
mod world;

use std::time::Duration;

use super::pace::Pace;
use crate::config::Delivery;
use plan::Plan;
use world::World;

/// As [`Pace::NORMAL`], stretched by some hundreds.
const PACE: Pace = Pace {
    delays: (minutes(2), minutes(32)),
    proven: minutes(40),
    state: minutes(240),
    live: minutes(60),
    patience: (minutes(60), minutes(1920)),
    wedged: minutes(240),
    hop: minutes(2),
    receipt: minutes(20),
    look: minutes(720),
    aside: minutes(2880),
    ceiling: minutes(34_560),
};

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Simulated hours of each of the eight worlds below: together more than 100,000.
const HOURS: u64 = 13_000;

macro_rules! worlds {
    ($($name:ident: $plan:expr;)*) => {
        $(
            #[test]
            fn $name() {
                World::of(stringify!($name), $plan).run(HOURS);
            }
        )*
    };
}

worlds! {
    a_link_that_is_cut_at_any_moment_loses_and_doubles_nothing: Plan { cuts: true, ..Plan::CALM };
    acknowledgements_that_stay_away_lose_and_double_nothing: Plan { cuts: true, withheld: true, ..Plan::CALM };
    a_broker_that_forgets_its_queue_loses_and_doubles_nothing: Plan { cuts: true, forgets: true, ..Plan::CALM };
    a_broker_that_is_rolled_back_loses_and_doubles_nothing: Plan { cuts: true, rolled_back: true, ..Plan::CALM };
    a_broker_that_doubles_and_reorders_loses_and_doubles_nothing: Plan { cuts: true, disorder: true, ..Plan::CALM };
    a_slow_link_loses_and_doubles_nothing: Plan { cuts: true, slow: true, newest_first: true, ..Plan::CALM };
    a_store_that_must_evict_states_every_gap: Plan { outages: true, evicts: true, ..Plan::CALM };
    everything_at_once_loses_and_doubles_nothing: Plan::STORM;
}

#[test]
fn a_batch_that_no_broker_takes_is_set_aside_and_told_and_everything_else_arrives() {
    let plan = Plan {
        poison: Some(37),
        ..Plan::CALM
    };
    let outcome = World::of("poison", plan).run(400);
    assert_eq!(
        (outcome.set_aside, outcome.events > 0),
        (1, true),
        "{outcome:?}"
    );
}

#[test]
fn a_broker_with_a_small_limit_gets_smaller_messages_and_all_records() {
    let plan = Plan {
        picky: true,
        ..Plan::CALM
    };
    let outcome = World::of("picky", plan).run(2000);
    assert_eq!(outcome.set_aside, 0, "{outcome:?}");
}

#[test]
fn delivery_to_the_broker_lets_go_of_nothing_the_broker_has_not_taken() {
    let plan = Plan {
        cuts: true,
        withheld: true,
        delivery: Delivery::Broker,
        ..Plan::CALM
    };
    World::of("delivery to the broker", plan).run(4000);
}

#[test]
fn a_receipt_for_places_never_sent_deletes_nothing() {
    let plan = Plan {
        promises: true,
        ..Plan::CALM
    };
    World::of("promises", plan).run(100);
}

#[test]
fn one_seed_gives_one_run() {
    let run = || World::with_seed(7, Plan::STORM).run(200);
    assert_eq!(run(), run());
}
