//! The pre-flight check says beforehand what would go wrong, and disturbs nobody.

use std::fs;
use std::path::Path;

use wardlink_tests::disk::SmallDisk;
use wardlink_tests::fleet::{self, another_authority};
use wardlink_tests::folder::Folder;
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
fn check_warns_of_every_recording_and_scenario_that_cannot_be_played() {
    let folder = Folder::new();
    let (table, scenario) = (folder.join("beats.csv"), folder.join("noise.toml"));
    fs::write(&table, "II [mV]\n0.1\n0.2\n").expect("a table");
    let noise = "schema = 1\n[[fault]]\nkind = \"garbage\"\nat = \"1s\"\nfor = \"1s\"\n";
    fs::write(&scenario, noise).expect("a scenario");
    let device = |id: &str, driver: &str, rest: String| {
        format!("[[device]]\nid = \"{id}\"\ndriver = \"{driver}\"\nbus = \"sim\"\n{rest}\n")
    };
    let plays = |path: &Path, rate: &str| format!("recording = {path:?}\n{rate}");
    let scripted = format!("[device.simulation]\nscenario = {scenario:?}");
    let text = [
        profile::lanes("100ms"),
        device("gone", "frontend", plays(&folder.join("gone.edf"), "")),
        device("no-rate", "frontend", plays(&table, "")),
        device("with-rate", "frontend", plays(&table, "rate = 250")),
        device("chip", "tmp117", scripted.clone()),
        device("line", "nonin", scripted),
    ];
    let (gateway, _fleet, _home) = lonely(&text.concat());
    let said = check(&gateway);
    // The agent would start: these devices say the same as their fault, the others measure.
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("5 devices"), "{said:?}");
    for warning in [
        "device gone: ",
        "gone.edf",
        "device no-rate: ",
        "say the profile's key rate",
        "device chip: scenario ",
        "fault[0]: garbage: only a serial line",
    ] {
        assert!(said.stderr.contains(warning), "{warning}: {said:?}");
    }
    for good in ["with-rate", "device line"] {
        assert!(!said.stderr.contains(good), "{good}: {said:?}");
    }
}

#[test]
fn check_refuses_a_profile_whose_driver_nobody_knows_and_names_those_there_are() {
    let (gateway, _fleet, _folder) = lonely(&profile::thermometer());
    let file = gateway.join("profile.toml");
    let text = fs::read_to_string(&file).expect("the enrolled profile");
    fs::write(&file, text.replace("tmp117", "tmp118")).expect("it is changed");
    let said = check(&gateway);
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in ["device[0].driver", "tmp118", "tmp117"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
}

fn check(gateway: &Gateway) -> Said {
    let mut command = ours("wardlink-agent");
    command.arg("check").arg("--config").arg(gateway.config());
    run(&mut command)
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
