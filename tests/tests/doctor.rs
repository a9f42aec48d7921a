//! The pre-flight check says beforehand what would go wrong, and disturbs nobody.

use std::fs;
use std::path::Path;

use wardlink_tests::disk::SmallDisk;
use wardlink_tests::fleet::{self, another_authority};
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::program::{Said, ours, run};
use wardlink_tests::ward::{Ward, lonely};

#[test]
fn a_gateway_that_would_work_is_said_to_and_its_running_agent_goes_on() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    let before = gateway.until("it is connected", |report| report.link == "connected");
    let said = doctor(&gateway, &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("well   broker"), "{}", said.stdout);
    assert!(!said.stdout.contains("WRONG"), "{}", said.stdout);
    assert!(said.stdout.contains("1 simulated"), "{}", said.stdout);
    let after = gateway.until("more is delivered", |report| {
        report.published > before.published
    });
    assert_eq!(after.link, "connected");
    gateway.stop();
}

#[test]
fn a_bus_that_is_not_there_is_named_before_the_agent_starts() {
    let (gateway, _fleet, _folder) = lonely(&profile::oximeter(Path::new("/dev/ttyNobody7")));
    let said = doctor(&gateway, &["--offline"]);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    let line = "WRONG  bus /dev/ttyNobody7: not there";
    assert!(said.stdout.contains(line), "{}", said.stdout);
}

#[test]
fn a_broker_that_believes_another_authority_is_found_out() {
    let ward = Ward::open();
    let gateway = ward.enrol("gw-1", &profile::thermometer());
    let strange = fleet::client(&another_authority(), "gw-1", fleet::holds());
    fleet::install(
        &strange,
        &gateway.join("gateway.pem"),
        &gateway.join("gateway.key"),
    );
    let said = doctor(&gateway, &[]);
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stdout.contains("WRONG  broker"), "{}", said.stdout);
}

#[test]
fn an_expired_certificate_and_a_budget_beyond_the_medium_are_wrong_in_one_go() {
    let (gateway, ours, _folder) = lonely(&profile::thermometer());
    let authority = ours.authority();
    let expired = fleet::client(&authority, "gw-1", fleet::expired());
    fleet::install(
        &expired,
        &gateway.join("gateway.pem"),
        &gateway.join("gateway.key"),
    );
    let config = fs::read_to_string(gateway.config()).unwrap();
    let (head, tail) = config.split_once("[store]").unwrap();
    let text = format!(
        "{head}[store]\nbudget_mib = 1048576\n{}",
        without_budget(tail)
    );
    fs::write(gateway.config(), text).unwrap();
    let said = doctor(&gateway, &["--offline", "--json"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let wrong: Vec<String> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"))
        .filter(|finding| finding["verdict"] == "wrong")
        .map(|finding| finding["what"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(wrong, ["room", "certificate"], "{}", said.stdout);
}

#[test]
fn an_identity_that_could_not_be_renewed_is_found_out_before_it_expires() {
    let (gateway, _fleet, _folder) = lonely(&profile::thermometer());
    let place = gateway.join("identity");
    let Some(disk) = SmallDisk::mount(&place, 1) else {
        eprintln!("SKIPPED: no disk to take the right to write from");
        return;
    };
    for file in ["gateway.pem", "gateway.key"] {
        fs::copy(gateway.join(file), place.join(file)).expect("the identity moves");
    }
    gateway.reconfigure(&[
        ("\"gateway.pem\"", "\"identity/gateway.pem\""),
        ("\"gateway.key\"", "\"identity/gateway.key\""),
    ]);
    let said = doctor(&gateway, &["--offline"]);
    assert!(said.stdout.contains("well   renewal"), "{}", said.stdout);
    disk.freeze();
    let said = doctor(&gateway, &["--offline"]);
    let line = format!("doubt  renewal: {} cannot be written", place.display());
    assert!(said.stdout.contains(&line), "{}", said.stdout);
}

#[test]
fn a_configuration_with_faults_is_refused_with_all_of_them() {
    let (gateway, _fleet, _folder) = lonely(&profile::thermometer());
    gateway.reconfigure(&[("[store]", "[store]\nbudget_mb = 3\nbudged_mib = 4")]);
    let said = doctor(&gateway, &[]);
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    for key in ["budget_mb", "budged_mib"] {
        assert!(said.stderr.contains(key), "{}", said.stderr);
    }
}

fn doctor(gateway: &Gateway, arguments: &[&str]) -> Said {
    run(ours("wardlink-agent")
        .arg("doctor")
        .arg("--config")
        .arg(gateway.config())
        .args(arguments))
}

fn without_budget(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("budget_mib"))
        .map(|line| format!("{line}\n"))
        .collect()
}
