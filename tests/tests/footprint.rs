//! What the agent takes of a gateway: memory, start, CPU, and the life of its flash. `make footprint` runs this with
//! the release program and writes docs/footprint.md around it.
//!
//! Under an emulator (`WARDLINK_FOOTPRINT_COUNTS=1`) only what does not depend on the emulator is measured.

#[path = "footprint/kernel.rs"]
mod kernel;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_tests::disk::Medium;
use wardlink_tests::folder::Folder;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::program::{Program, ours};
use wardlink_tests::recording::{self, Signal};
use wardlink_tests::seed::Seed;
use wardlink_tests::ward::{Ward, lonely};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;

use kernel::{cpu, memory};

#[test]
#[ignore = "measures for some minutes: make footprint"]
fn report() {
    let mut text = String::new();
    let counts_only = std::env::var_os("WARDLINK_FOOTPRINT_COUNTS").is_some();
    if !counts_only {
        text.push_str(&starts());
        text.push_str(&backlog());
    }
    text.push_str(&loads(counts_only));
    match std::env::var_os("WARDLINK_FOOTPRINT_OUT") {
        Some(path) => fs::write(path, text).expect("the figures are written"),
        None => println!("{text}"),
    }
}

/// Time from the start of the process to READY=1 (sd_notify(3)): the store is open and the devices run.
fn starts() -> String {
    let (mut gateway, _fleet, _folder) = lonely(BEDSIDE);
    let mut times: Vec<_> = (0..STARTS).map(|_| time_to_ready(&mut gateway)).collect();
    times.sort();
    format!(
        "| start to READY, median of {STARTS} | {} ms |\n| slowest of them | {} ms |\n",
        times[STARTS / 2].as_millis(),
        times[STARTS - 1].as_millis()
    )
}

fn time_to_ready(gateway: &mut Gateway) -> Duration {
    let path = gateway.join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket for READY");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    let mut command = ours("wardlink-agent");
    command.arg("run").arg("--config").arg(gateway.config());
    command.env("NOTIFY_SOCKET", &path);
    let began = Instant::now();
    let mut agent = Program::start("started", &mut command, gateway.folder());
    let mut said = [0; 4096];
    loop {
        let length = socket.recv(&mut said).expect("READY in time");
        if said[..length].starts_with(b"READY=1") {
            break;
        }
    }
    let took = began.elapsed();
    agent.kill();
    fs::remove_file(path).expect("the socket goes away");
    took
}

/// Memory and start with a GiB that nobody took.
fn backlog() -> String {
    let (mut gateway, _fleet, _folder) = lonely(BEDSIDE);
    gateway.reconfigure(&[("[store]", "[store]\nbudget_mib = 1536")]);
    fill(&gateway);
    let took = time_to_ready(&mut gateway);
    gateway.start();
    thread::sleep(SETTLING);
    let (pss, own) = memory(gateway.program().id());
    let report = gateway.until("it can be asked", |_| true);
    gateway.kill();
    format!(
        "| start to READY with {} MiB of backlog | {} ms |\n| memory with it, four devices recorded, no broker | {} PSS, {} its own |\n",
        report.store_bytes >> 20,
        took.as_millis(),
        mib(pss),
        mib(own)
    )
}

fn fill(gateway: &Gateway) {
    let key = wardlink_link::file::read_key(&gateway.join("store.key")).expect("a store key");
    let settings = Settings::new(gateway.join("store"), 1536 << 20);
    let key = StoreKey::from_bytes(*key);
    let (store, _) = Store::open(settings, &gateway.id(), &key).expect("an empty store");
    let mut seed = Seed::of("footprint");
    let bytes: Vec<_> = (0..8 << 10)
        .flat_map(|_| seed.below(u64::MAX).to_le_bytes())
        .collect();
    for _ in 0..(1 << 30) / bytes.len() {
        let range = SequenceRange::starting(store.next_sequence(Lane::Wave), 1).expect("a place");
        let batch = NewBatch {
            lane: Lane::Wave,
            range,
            bytes: &bytes,
        };
        store.append(&[batch]).expect("room for a GiB");
    }
}

/// What typical loads cost, connected to a broker and a monitor that take everything.
fn loads(counts_only: bool) -> String {
    let folder = Folder::new();
    let leads = twelve_leads(folder.path());
    let mut text = String::from(if counts_only {
        "\n| load | records/s | written to the medium | a day |\n| --- | --- | --- | --- |\n"
    } else {
        "\n| load | records/s | memory (PSS) | its own | CPU | written to the medium | a day | 8 GiB of eMMC last |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    });
    let loads = [
        (
            "idle: connected, one thermometer read once an hour",
            IDLE.to_owned(),
        ),
        (
            "vitals: a thermometer and an oximeter, once a second",
            VITALS.to_owned(),
        ),
        (
            "bedside: these, PPG at 100 Hz, two leads of ECG at 250 Hz",
            BEDSIDE.to_owned(),
        ),
        ("monitor: twelve leads at 500 Hz, with the vitals", leads),
    ];
    for (name, mut profile) in loads {
        if counts_only {
            // qemu-user knows no TIOCGPTPEER, and the simulated line is a pseudo terminal.
            profile = profile.replace(OXIMETER, "");
        }
        writeln!(text, "{}", load(name, &profile, counts_only)).expect("a string takes everything");
    }
    text
}

fn load(name: &str, profile: &str, counts_only: bool) -> String {
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", profile);
    let medium = Medium::mount(&gateway.join("store"), 1024);
    gateway.start();
    gateway.until("it is connected", |report| report.link == "connected");
    thread::sleep(SETTLING);
    let first = gateway.until("it can be asked", |_| true);
    let before = (medium.written(), cpu(gateway.program().id()));
    let began = Instant::now();
    thread::sleep(span());
    let written = medium.written() - before.0;
    let spent = cpu(gateway.program().id()).saturating_sub(before.1);
    let took = began.elapsed().as_secs_f64();
    let last = gateway.until("it can be asked", |_| true);
    let (pss, own) = memory(gateway.program().id());
    let lost: Vec<_> = last
        .devices
        .iter()
        .filter(|device| device.fault.is_some())
        .collect();
    assert!(lost.is_empty(), "{name}: {lost:#?}");
    gateway.stop();

    let records = per_second(last.recorded - first.recorded, took);
    let rate = per_second(written, took);
    let day = rate * 86_400.0 / f64::from(1 << 20);
    let written = format!("{:.1} KiB/s | {day:.0} MiB", rate / 1024.0);
    if counts_only {
        return format!("| {name} | {records:.1} | {written} |");
    }
    let cpu = spent.as_secs_f64() / took * 100.0;
    let life = match day {
        day if day < 1.0 => "longer than the rest".to_owned(),
        day => format!("{:.0} years", ENDURANCE_MIB / DEVICE_FACTOR / day / 365.0),
    };
    format!(
        "| {name} | {records:.1} | {} | {} | {cpu:.2} % | {written} | {life} |",
        mib(pss),
        mib(own)
    )
}

/// A profile that plays some minutes of twelve leads of noise: it cannot be packed better than real ones.
fn twelve_leads(folder: &Path) -> String {
    let mut seed = Seed::of("twelve leads");
    let names = [
        "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
    ];
    let mut sample = || Some(i32::try_from(seed.below(4096)).expect("small") - 2048);
    let signals = names.map(|name| Signal {
        name,
        calibration: "1000(0)/mV 12 0",
        per_frame: 1,
        samples: (0..500 * 400).map(|_| sample()).collect(),
    });
    let file = recording::File {
        format: 16,
        offset: 0,
        signals: signals.into(),
    };
    let header = recording::write(folder, "leads", 500, &[file]);
    format!(
        "{VITALS}[[device]]\nid = \"monitor\"\ndriver = \"frontend\"\nrecording = {:?}\nbus = \"sim\"\n",
        header.display().to_string()
    )
}

fn span() -> Duration {
    let seconds = std::env::var("WARDLINK_FOOTPRINT_SECONDS").ok();
    Duration::from_secs(seconds.map_or(240, |text| text.parse().expect("seconds")))
}

#[allow(clippy::cast_precision_loss, reason = "counts of a minute")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[allow(clippy::cast_precision_loss, reason = "memory of one process")]
fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

const IDLE: &str =
    "schema = 1\n[[device]]\nid = \"skin\"\ndriver = \"tmp117\"\nbus = \"sim\"\nperiod = \"1h\"\n";
const VITALS: &str = "schema = 1\n\
    [[device]]\nid = \"skin\"\ndriver = \"tmp117\"\nbus = \"sim\"\nperiod = \"1s\"\n\
    [[device]]\nid = \"oximeter\"\ndriver = \"nonin\"\nbus = \"sim\"\n";
const BEDSIDE: &str = "schema = 1\n\
    [[device]]\nid = \"skin\"\ndriver = \"tmp117\"\nbus = \"sim\"\nperiod = \"1s\"\n\
    [[device]]\nid = \"oximeter\"\ndriver = \"nonin\"\nbus = \"sim\"\n\
    [[device]]\nid = \"ppg\"\ndriver = \"max30102\"\nbus = \"sim\"\nrate = 100\n\
    [[device]]\nid = \"ecg\"\ndriver = \"ads1292r\"\nbus = \"sim\"\nrate = 250\n";
const OXIMETER: &str = "[[device]]\nid = \"oximeter\"\ndriver = \"nonin\"\nbus = \"sim\"\n";
const STARTS: usize = 9;
const PATIENCE: Duration = Duration::from_secs(60);
/// Until what a start allocates for itself is given back and the first batches are through.
const SETTLING: Duration = Duration::from_secs(10);
/// 8 GiB that bear 3000 erasures each: what is commonly said of MLC flash in managed devices.
const ENDURANCE_MIB: f64 = 8.0 * 1024.0 * 3000.0;
/// What the device itself writes for one byte of ours: an assumption, for no device says it.
const DEVICE_FACTOR: f64 = 4.0;
