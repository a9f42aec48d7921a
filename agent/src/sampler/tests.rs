//! Several buses at once: which devices share one, and what one that hangs does to the others.

use std::fs;

use tokio::runtime::Builder;
use tokio::time::timeout;
use wardlink_wire::record::EventKind;

use super::*;
use crate::record::Content;

#[test]
fn a_bus_that_does_not_return_is_lost_with_all_that_hangs_on_it_and_delays_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("stuck.toml");
    let text =
        "schema = 1\n[[fault]]\nkind = \"stuck-bus\"\nat = \"0s\"\nfor = \"1h\"\nhold = \"30s\"\n";
    fs::write(&scenario, text).unwrap();
    let device = |id: &str, bus: &str| {
        format!(
            "[[device]]\nid = \"{id}\"\ndriver = \"tmp117\"\nperiod = \"50ms\"\nbus = \"{bus}\"\n"
        )
    };
    let text = [
        "schema = 1\n".to_owned(),
        device("holding", "sim:ward"),
        format!(
            "[device.simulation]\nscenario = \"{}\"\n",
            scenario.display()
        ),
        device("neighbour", "sim:ward") + "address = 0x49\n",
        device("elsewhere", "sim"),
    ];
    let profile = Profile::parse(&text.concat()).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (captures, mut captured) = mpsc::channel(64);
        let (_profile, in_force) = watch::channel(Arc::new(profile));
        let sampler = Sampler {
            profile: in_force,
            captures,
            attached: watch::channel(Vec::new()).0,
            health: Health::new(0),
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(sampler.run(stop.clone()));
        let (mut lost, mut readings) = (Vec::new(), 0);
        // The others have lost the bus; what is elsewhere is read before and after.
        while lost.len() < 2 || readings < 20 {
            let capture = timeout(Duration::from_secs(60), captured.recv()).await;
            let capture = capture.expect("no capture within a minute").unwrap();
            let id = capture.device.as_ref().unwrap().settings.id.to_string();
            match capture.content {
                Content::Event(EventKind::DeviceLost, text) if id != "elsewhere" => {
                    assert_eq!(text, "sim:ward does not return within 5000 ms");
                    lost.push(id);
                    readings = 0;
                }
                Content::Event(..) => assert_eq!(id, "elsewhere"),
                Content::Readings(given) => {
                    assert_eq!(id, "elsewhere");
                    readings += given.len();
                }
            }
        }
        lost.sort();
        assert_eq!(lost, ["holding", "neighbour"]);
        stop.cancel();
        // The bus that hangs is left behind, also when the agent ends.
        timeout(Duration::from_secs(60), running)
            .await
            .expect("the sampler ends")
            .unwrap()
            .unwrap();
    });
    runtime.shutdown_background();
}

#[test]
fn devices_on_one_bus_share_its_thread_whatever_their_chip_selects() {
    let bus = |text: &str| {
        let text = format!("schema = 1\n[[device]]\nid = \"d\"\n{text}");
        bus_of(&Profile::parse(&text).unwrap().devices[0])
    };
    let ecg = |bus: &str| {
        format!("driver = \"ads1292r\"\nbus = \"{bus}\"\nready = \"/dev/gpiochip0:25\"\n")
    };
    assert_eq!(bus(&ecg("/dev/spidev0.0")), bus(&ecg("/dev/spidev0.1")));
    assert_ne!(bus(&ecg("/dev/spidev0.0")), bus(&ecg("/dev/spidev1.0")));
    let chip =
        |driver: &str, path: &str| bus(&format!("driver = \"{driver}\"\nbus = \"{path}\"\n"));
    assert_eq!(chip("tmp117", "/dev/i2c-1"), chip("max30102", "/dev/i2c-1"));
    assert_ne!(chip("tmp117", "/dev/i2c-1"), chip("tmp117", "/dev/i2c-2"));
    assert_ne!(chip("nonin", "sim"), chip("nonin", "sim:ward"));
}
