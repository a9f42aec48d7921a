//! `wardlink-agent store`: what it says is true, what it exports is whole, and it changes nothing it only looks at.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wardlink_tests::disk::{files_below, flip, fullest_file, inside_an_entry};
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::program::{Said, ours, run};
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::record::GapCause;

#[test]
fn no_tool_touches_a_store_that_an_agent_has_open() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(2));
    gateway.until_more_is_recorded();
    let target = gateway.join("salvaged");
    for command in COMMANDS {
        let said = tool(&gateway, command, &target);
        assert_eq!(
            said.code,
            Some(1),
            "{command}: {}{}",
            said.stdout,
            said.stderr
        );
        assert!(
            said.stderr.contains("is in use by another process"),
            "{}",
            said.stderr
        );
        assert_eq!(said.stdout, "", "{command}");
    }
    assert!(
        !gateway.join("store.key.next").exists(),
        "a key was drawn all the same"
    );
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn a_log_is_told_exported_and_rotated_and_then_delivered_whole() {
    told_exported_and_rotated("log");
}

#[test]
fn a_store_of_sled_is_told_exported_and_rotated_and_then_delivered_whole() {
    told_exported_and_rotated("sled");
}

fn told_exported_and_rotated(engine: &str) {
    let (mut ward, mut gateway) = recorded_alone(engine);
    let before = contents(&gateway.join("store"));
    let target = gateway.join("salvaged");

    let inspected = json(&tool(&gateway, "inspect", &target), 0);
    assert_eq!(inspected["gateway"], "gw-1");
    assert_eq!(inspected["engine"], engine);
    let waiting = sum(&inspected, "waiting_records");
    assert!(waiting > 600, "{inspected}");
    assert_eq!(waiting, sum(&inspected, "next"), "nothing was acknowledged");
    let verified = json(&tool(&gateway, "verify", &target), 0);
    assert_eq!(verified["lost"], Value::Array(Vec::new()));
    let exported = tool(&gateway, "export", &target);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let batches = lines(&exported);
    assert_eq!(verified["seals"], batches.len());
    assert_eq!(records(&batches), waiting);
    let temperature = batches
        .iter()
        .flat_map(|batch| batch["records"].as_array().expect("records"));
    let values = temperature.filter_map(|record| record["body"]["numeric"]["value"].as_str());
    assert!(
        values.into_iter().any(|value| value.parse::<f64>().is_ok()),
        "no number is told"
    );
    let people = run(ours("wardlink-agent")
        .args(["store", "inspect", "--config"])
        .arg(gateway.config()));
    assert!(
        people.stdout.contains("records waiting"),
        "{}",
        people.stdout
    );
    assert_eq!(
        contents(&gateway.join("store")),
        before,
        "a look changed the store"
    );

    let old_key = fs::read(gateway.join("store.key")).expect("a key");
    let rotated = tool(&gateway, "rotate-key", &target);
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    let new_key = fs::read(gateway.join("store.key")).expect("a key");
    assert!(old_key != new_key && !gateway.join("store.key.next").exists());
    fs::write(gateway.join("store.key"), &old_key).expect("written");
    let said = tool(&gateway, "verify", &target);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(
        said.stderr.contains("store key does not fit this store"),
        "{}",
        said.stderr
    );
    fs::write(gateway.join("store.key"), &new_key).expect("written");

    let again = json(&tool(&gateway, "verify", &target), 0);
    assert_eq!(sum(&again, "waiting_records"), waiting);
    ward.broker.come_back();
    let started = gateway.start();
    assert!(started.recorded >= waiting);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn a_damaged_store_is_told_and_salvaged_and_only_the_damage_is_a_gap() {
    let (mut ward, mut gateway) = recorded_alone("log");
    let store = gateway.join("store");
    let (segment, used) = fullest_file(&store);
    let at = inside_an_entry(&segment, used / 2);
    println!("{} of {used} bytes: byte {at} is turned", segment.display());
    flip(&segment, at, 1);
    let before = contents(&store);

    let target = gateway.join("salvaged");
    let verified = json(&tool(&gateway, "verify", &target), 3);
    let [loss] = verified["lost"].as_array().expect("a list").as_slice() else {
        panic!("one loss was to be expected: {verified}");
    };
    let number = |key: &str| loss[key].as_u64().expect("a place");
    let lost = number("last") - number("first") + 1;
    let exported = tool(&gateway, "export", &target);
    assert_eq!(exported.code, Some(3));
    assert!(
        exported.stderr.contains("lost: lane"),
        "{}",
        exported.stderr
    );
    let kept = records(&lines(&exported));
    assert_eq!(kept + lost, sum(&verified, "next"));
    let saved = json(&tool(&gateway, "salvage", &target), 3);
    assert_eq!(saved["records"], kept);
    assert_eq!(saved["lost"], verified["lost"]);
    assert_eq!(contents(&store), before, "salvaging changed the old store");
    let refused = tool(&gateway, "salvage", &target);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("is not empty"),
        "{}",
        refused.stderr
    );

    // The agent goes on in the new one: same epoch, same places, and a gap for what is lost.
    gateway.reconfigure(&[("path = \"store\"", "path = \"salvaged\"")]);
    ward.broker.come_back();
    let started = gateway.start();
    assert_eq!(started.epoch, verified["epoch"].as_str().expect("an epoch"));
    assert!(started.recorded >= kept + lost);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of(&last);
    let gaps = series::gaps(&ward.monitor.archive());
    let [gap] = gaps.as_slice() else {
        panic!("one gap was to be expected: {gaps:#?}")
    };
    assert_eq!((gap.cause, gap.count), (GapCause::StoreDamaged, Some(lost)));
}

/// A ward without broker whose gateway has recorded something and was killed then.
fn recorded_alone(engine: &str) -> (Ward, Gateway) {
    let mut ward = Ward::open();
    ward.broker.stop();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(10));
    let chosen = format!("path = \"store\"\nengine = \"{engine}\"");
    gateway.reconfigure(&[("path = \"store\"", &chosen)]);
    gateway.start();
    gateway.until("a backlog is there", |report| report.backlog > 600);
    gateway.kill();
    (ward, gateway)
}

fn tool(gateway: &Gateway, command: &str, target: &Path) -> Said {
    let mut tool = ours("wardlink-agent");
    tool.args(["store", command, "--json", "--config"])
        .arg(gateway.config());
    if command == "salvage" {
        tool.arg("--to").arg(target);
    }
    run(&mut tool)
}

#[track_caller]
fn json(said: &Said, code: i32) -> Value {
    assert_eq!(said.code, Some(code), "{}{}", said.stdout, said.stderr);
    serde_json::from_str(&said.stdout).expect("one line of JSON")
}

fn lines(said: &Said) -> Vec<Value> {
    let lines = said.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Records of exported batches, each of which has as many as its range says.
fn records(batches: &[Value]) -> u64 {
    let count = |batch: &Value| {
        let place = |key: &str| batch[key].as_u64().expect("a place");
        let count = batch["records"].as_array().expect("records").len() as u64;
        assert_eq!(count, place("last") - place("first") + 1, "{batch}");
        count
    };
    batches.iter().map(count).sum()
}

fn sum(shown: &Value, key: &str) -> u64 {
    let lanes = shown["lanes"].as_array().expect("lanes").iter();
    lanes
        .map(|lane| lane[key].as_u64().expect("a number"))
        .sum()
}

fn contents(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(store).into_iter();
    files
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect()
}

const COMMANDS: [&str; 5] = ["inspect", "verify", "export", "salvage", "rotate-key"];
