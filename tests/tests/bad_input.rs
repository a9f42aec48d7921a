//! What cannot be used is refused with a message that names it and says what to do; what can wait, waits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wardlink_tests::client::gateway_files;
use wardlink_tests::fleet::{self, Fleet, install};
use wardlink_tests::folder::Folder;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::impostor::{Impostor, Manner, tls_of};
use wardlink_tests::profile;
use wardlink_tests::program::{Said, ours, run};
use wardlink_tests::series;
use wardlink_tests::ward::Ward;

#[test]
fn every_fault_of_a_configuration_is_named_at_once_and_nothing_is_started() {
    let clinic = Clinic::new();
    let gateway = clinic.gateway("gw-1");
    gateway.reconfigure(&[
        ("id = \"gw-1\"", "id = \"gw 1\""),
        (
            "host = \"localhost\"",
            "hots = \"localhost\"\nkeep_alive = \"soon\"",
        ),
        ("path = \"store\"", "path = \"store\"\nbudget_mib = 1"),
        ("[status]", "[colour]\nred = true\n\n[status]"),
    ]);
    set_mode(&gateway.join("gateway.key"), 0o644);
    fs::remove_file(gateway.join("payload.key")).expect("it was there");
    fs::write(gateway.join("operator.pub"), "no key").expect("written");
    fs::write(gateway.join("store.key"), "0123").expect("written");
    fs::write(gateway.join("profile.toml"), FAULTY_PROFILE).expect("written");

    let said = refused(&gateway);
    let wanted: [&[&str]; 13] = [
        &["gateway.id", "gw 1"],
        &["broker.host", "missing"],
        &["broker.hots", "unknown key", "host"],
        &["broker.keep_alive", "soon"],
        &["gateway.key", "0644", "chmod 600"],
        &["monitor.payload_key", "payload.key", "No such file"],
        &["operators.keys", "operator.pub", "PUBLIC KEY"],
        &["store.key", "store.key", "64 hexadecimal digits"],
        &["store.budget_mib", "16"],
        &["colour", "unknown"],
        &["profile.toml device[0].driver", "tmp118", "tmp117"],
        &[
            "profile.toml device[1].rate",
            "333",
            "one of 125, 250, 500, 1000",
        ],
        &["profile.toml device[1].sped", "unknown key"],
    ];
    for words in wanted {
        let found = said
            .stderr
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line says {words:?}:\n{}", said.stderr);
    }
    assert!(
        !gateway.join("store").exists(),
        "a store was made all the same"
    );
    assert!(!gateway.join("status.sock").exists());
}

#[test]
fn a_configuration_that_is_not_there_or_no_toml_is_named() {
    let clinic = Clinic::new();
    let gateway = clinic.gateway("gw-1");
    fs::write(gateway.config(), "schema = 1\n[gateway\nid = ").expect("written");
    says(&refused(&gateway), &["agent.toml", "line 2"]);
    fs::write(gateway.config(), [0xff, 0xfe, 0]).expect("written");
    says(&refused(&gateway), &["agent.toml", "UTF-8"]);
    fs::remove_file(gateway.config()).expect("it was there");
    says(&refused(&gateway), &["agent.toml", "No such file"]);
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_named() {
    let clinic = Clinic::new();
    let authority = clinic.fleet.authority();
    let of_another = fleet::client(&authority, "gw-1", fleet::holds());

    let gateway = clinic.gateway("garbage");
    fs::write(gateway.join("gateway.pem"), "garbage").expect("written");
    says(&refused(&gateway), &["gateway.pem", "certificate"]);

    let gateway = clinic.gateway("no-ca");
    fs::remove_file(gateway.join("ca.pem")).expect("it was there");
    says(&refused(&gateway), &["ca.pem", "No such file"]);

    let gateway = clinic.gateway("other-key");
    fs::remove_file(gateway.join("gateway.key")).expect("it was there");
    wardlink_link::file::write_private(&gateway.join("gateway.key"), of_another.key.as_bytes())
        .expect("written");
    says(
        &refused(&gateway),
        &[
            "gateway.key is not the key of",
            "gateway.pem",
            "wardlink enrol",
        ],
    );

    let gateway = clinic.gateway("other-name");
    let files = gateway_files(&gateway);
    install(&of_another, &files.certificate, &files.key);
    says(
        &refused(&gateway),
        &["gateway.id", "other-name", "\"gw-1\""],
    );

    let gateway = clinic.gateway("key-as-certificate");
    fs::copy(gateway.join("gateway.key"), gateway.join("gateway.pem")).expect("copied");
    says(&refused(&gateway), &["gateway.pem", "certificate"]);
}

#[test]
fn a_faultless_configuration_is_said_to_be_one() {
    let clinic = Clinic::new();
    let gateway = clinic.gateway("gw-1");
    let said = gateway.check();
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        said.stdout.contains("no faults") && said.stdout.contains("gw-1"),
        "{}",
        said.stdout
    );
    assert!(!gateway.join("store").exists(), "a check made a store");
}

#[test]
fn a_command_without_a_file_looks_where_the_package_puts_it() {
    for command in ["run", "check", "doctor", "status", "store inspect"] {
        let said = run(ours("wardlink-agent")
            .args(command.split(' '))
            .arg("--help"));
        // However wide the terminal is said to be.
        let words: Vec<_> = said.stdout.split_whitespace().collect();
        let told = "[default: /var/lib/wardlink/agent.toml]";
        assert!(words.join(" ").contains(told), "{command}: {}", said.stdout);
    }
}

#[test]
fn asking_an_agent_that_does_not_run_says_so() {
    let clinic = Clinic::new();
    let gateway = clinic.gateway("gw-1");
    let said = run(ours("wardlink-agent")
        .arg("status")
        .arg("--config")
        .arg(gateway.config()));
    assert_eq!(said.code, Some(1));
    says(&said, &["status.sock", "is it running"]);
}

#[test]
fn the_status_of_a_running_agent_is_told_to_people_and_to_programs() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(1));
    gateway.until("something is delivered", |report| report.receipts > 0);
    let ask = |json: bool| {
        let mut command = ours("wardlink-agent");
        command
            .arg("status")
            .arg("--config")
            .arg(gateway.config())
            .args(json.then_some("--json"));
        let said = run(&mut command);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        said.stdout
    };
    let for_programs: wardlink_agent::status::Report =
        serde_json::from_str(&ask(true)).expect("one report");
    assert_eq!(for_programs.gateway, "gw-1");
    let for_people = ask(false);
    for word in [
        "gw-1",
        "connected",
        "temperature",
        "tmp117",
        "reading",
        "vital",
        "no faults",
    ] {
        assert!(for_people.contains(word), "{word}: {for_people}");
    }
    let mode = fs::metadata(gateway.join("status.sock"))
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "others may ask: {mode:o}");
}

#[test]
fn a_broker_that_speaks_garbage_stops_delivery_and_nothing_else() {
    survives(&Manner::Garbage, "does not speak TLS");
}

#[test]
fn a_broker_that_never_answers_stops_delivery_and_nothing_else() {
    survives(&Manner::Silence, "did not answer within");
}

#[test]
fn a_broker_that_speaks_garbage_inside_tls_stops_delivery_and_nothing_else() {
    let manner = |ward: &Ward| Manner::GarbageInside(tls_of(&ward.fleet.join("broker")));
    with_impostor(manner, "does not speak MQTT");
}

fn survives(manner: &Manner, words: &str) {
    with_impostor(|_| manner.clone(), words);
}

/// Recording goes on, the fault says why nothing is delivered, and everything is once a broker is there.
fn with_impostor(manner: impl FnOnce(&Ward) -> Manner, words: &str) {
    let mut ward = Ward::open();
    ward.broker.stop();
    let impostor = Impostor::on(ward.broker.port(), manner(&ward));
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(2));
    let fault = gateway.until_fault(words);
    assert_eq!(fault.link, "connecting");
    let recording = gateway.until_more_is_recorded();
    assert_eq!(recording.backlog, recording.recorded);
    assert!(impostor.leave() > 0, "nobody came");
    ward.broker.come_back();
    gateway.until("everything is well", |report| {
        report.link == "connected" && report.faults.is_empty()
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

/// A fleet without a broker: nothing here gets as far as the network.
struct Clinic {
    fleet: Fleet,
    folder: Folder,
}

impl Clinic {
    fn new() -> Self {
        let folder = Folder::new();
        Self {
            fleet: Fleet::init(folder.join("fleet")),
            folder,
        }
    }

    fn gateway(&self, name: &str) -> Gateway {
        let out = self.folder.join(name);
        self.fleet.enrol(name, &profile::thermometer(), 1, &out);
        Gateway::at(name, out)
    }
}

/// What `check` says of a configuration that cannot be used; `run` must say the same.
#[track_caller]
fn refused(gateway: &Gateway) -> Said {
    let checked = gateway.check();
    assert_eq!(
        checked.code,
        Some(2),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    let started = run(ours("wardlink-agent")
        .arg("run")
        .arg("--config")
        .arg(gateway.config()));
    assert_eq!(
        started.code,
        Some(2),
        "{}{}",
        started.stdout,
        started.stderr
    );
    assert_eq!(
        started.stderr, checked.stderr,
        "run and check say different things"
    );
    checked
}

#[track_caller]
fn says(said: &Said, words: &[&str]) {
    for word in words {
        assert!(
            said.stderr.contains(word),
            "{word:?} is not said:\n{}",
            said.stderr
        );
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode is changed");
}

const FAULTY_PROFILE: &str = "schema = 1
[[device]]
id = \"x\"
driver = \"tmp118\"
bus = \"sim\"
[[device]]
id = \"y\"
driver = \"ads1292r\"
bus = \"sim\"
rate = 333
sped = 2
";
