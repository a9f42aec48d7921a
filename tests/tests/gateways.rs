//! An operator asks how the fleet does, and is told what is known and what is not.

use serde_json::Value;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::program::Said;
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;

#[test]
fn a_gateway_is_shown_as_it_says_it_is_and_one_that_never_came_as_unknown() {
    let ward = Ward::open();
    let mut here = ward.gateway("gw-1", &profile::thermometer());
    let _never_came = ward.enrol("gw-2", &profile::thermometer());
    let _revoked = ward.enrol("gw-3", &profile::thermometer());
    ward.fleet.does(&["revoke", "gw-3"]);
    let recorded = here.until_more_is_recorded().recorded;
    let shown = wait::until("what was recorded is shown", || {
        let shown = json(&ask(&ward, &["show", "gw-1", "--json", "--data"], true));
        let lanes = shown["health"]["lanes"].as_array()?;
        let count: u64 = lanes
            .iter()
            .filter_map(|lane| lane["recorded"].as_u64())
            .sum();
        (count >= recorded).then_some(shown)
    });
    assert_eq!(shown["state"], "online", "{shown:#}");
    assert_eq!(shown["profile"], 0, "{shown:#}");
    let days = shown["certificate_days"].as_i64();
    assert!(matches!(days, Some(364 | 365)), "{shown:#}");
    assert!(shown["agent"].is_string(), "{shown:#}");
    assert!(shown["health"]["clock"].is_string(), "{shown:#}");
    assert!(shown["gaps"].is_array(), "{shown:#}");

    let pushed = ward.folder.join("same.toml");
    std::fs::write(&pushed, profile::thermometer()).expect("the profile is written");
    let path = pushed.to_str().expect("a plain path");
    let said = ward
        .fleet
        .push("gw-1", ward.broker.port(), &["--wait", "120s", path]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let shown = wait::until("the bundle is shown", || {
        let shown = json(&ask(&ward, &["show", "gw-1", "--json"], false));
        (shown["bundle"]["outcome"] == "confirmed").then_some(shown)
    });
    assert_eq!(shown["bundle"]["version"], 1, "{shown:#}");
    assert_eq!(shown["good_profile"], 1, "{shown:#}");

    let list = json(&ask(&ward, &["list", "--json"], false));
    let states: Vec<_> = list.as_array().expect("a list").iter().collect();
    let states: Vec<_> = states
        .iter()
        .map(|shown| (&shown["gateway"], &shown["state"]))
        .map(|(gateway, state)| (gateway.as_str(), state.as_str()))
        .collect();
    let expected = [
        (Some("gw-1"), Some("online")),
        (Some("gw-2"), Some("unknown")),
        (Some("gw-3"), Some("revoked")),
    ];
    assert_eq!(states, expected);

    here.stop();
    wait::until("its end is shown", || {
        let said = ask(&ward, &["show", "gw-1"], false);
        said.stdout.contains("gw-1: offline").then_some(())
    });
}

#[test]
fn without_a_broker_the_fleets_file_is_shown_and_that_it_is_all() {
    let mut ward = Ward::open();
    let _gateway: Gateway = ward.enrol("gw-1", &profile::thermometer());
    ward.fleet
        .does(&["gateways", "group", "gw-1", "ward-3", "icu"]);
    ward.fleet
        .does(&["gateways", "group", "gw-1", "icu", "--remove"]);
    ward.fleet
        .does(&["gateways", "tag", "gw-1", "bed=12", "floor=3"]);
    ward.fleet
        .does(&["gateways", "tag", "gw-1", "--remove", "floor"]);
    ward.broker.stop();
    let said = ask(&ward, &["show", "gw-1", "--json"], false);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stderr.contains("broker localhost"),
        "does not say that the broker is away: {}",
        said.stderr
    );
    let shown = json(&said);
    assert_eq!(shown["groups"], serde_json::json!(["ward-3"]));
    assert_eq!(shown["tags"], serde_json::json!({"bed": "12"}));
    assert_eq!(shown["state"], "unknown");
    let said = ask(&ward, &["list", "--group", "ward-3"], false);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("gw-1"), "{}", said.stdout);
    let said = ask(&ward, &["list", "--group", "icu", "--offline"], false);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(!said.stdout.contains("gw-1"), "{}", said.stdout);
    let said = ask(&ward, &["show", "gw-9", "--offline"], false);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    let log = ward.fleet.does(&["audit", "show"]);
    for words in ["gw-1 out of icu", "gw-1: bed=12", "gw-1: no floor"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

/// Asks with the monitor's archive named last, if wanted.
fn ask(ward: &Ward, arguments: &[&str], with_data: bool) -> Said {
    let address = format!("localhost:{}", ward.broker.port());
    let data = ward.folder.join("monitor").display().to_string();
    let mut all = vec!["gateways"];
    all.extend(arguments);
    if with_data {
        all.push(&data);
    }
    all.extend(["--broker", &address]);
    ward.fleet.run(&all)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
}
