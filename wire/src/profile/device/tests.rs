//! What a device table may say, and what is said of one that says it wrong.

use crate::profile::{DRIVERS, Driver, Kind, Profile};

fn profile(device: &str) -> Result<Profile, String> {
    let text = format!("schema = 1\n[[device]]\nid = \"d\"\n{device}");
    Profile::parse(&text).map_err(|faults| faults.to_string())
}

#[test]
fn every_driver_is_read_with_its_own_keys() {
    for device in [
        "driver = \"tmp117\"\nbus = \"/dev/i2c-1\"\naddress = 0x4b\nperiod = \"16ms\"",
        "driver = \"max30102\"\nbus = \"/dev/i2c-1\"\nrate = 400",
        "driver = \"ads1292r\"\nbus = \"/dev/spidev0.0\"\nrate = 1000\nready = \"/dev/gpiochip0:25\"",
        "driver = \"nonin\"\nbus = \"/dev/ttyUSB0\"",
        "driver = \"board\"\nbus = \"/dev/ttyACM0\"",
        "driver = \"tmp102\"\nbus = \"/dev/i2c-1\"\naddress = 0x49",
        "driver = \"tmp105\"\nbus = \"/dev/i2c-1\"\naddress = 0x4f\nperiod = \"500ms\"",
        "driver = \"max30205\"\nbus = \"/dev/i2c-1\"\naddress = 0x5f",
        "driver = \"mlx90614\"\nbus = \"/dev/i2c-1\"\nperiod = \"100ms\"",
        "driver = \"ads1115\"\nbus = \"/dev/i2c-1\"\naddress = 0x49\ninput = 3",
        "driver = \"tmp117\"\nbus = \"sim:ward\"\n[device.simulation]\nscenario = \"/srv/a.toml\"",
        "driver = \"nonin\"\nbus = \"/dev/ttyUSB0\"\nformat = 13",
        "driver = \"cms50d\"\nbus = \"/dev/ttyUSB0\"",
        "driver = \"masimo\"\nbus = \"/dev/ttyUSB0\"",
        "driver = \"ivy450c\"\nbus = \"sim\"",
        "driver = \"hl7\"\nbus = \"tcp:192.168.7.2:2575\"\nsender = \"MONITOR@WARD^1^4\"",
        "driver = \"hl7\"\nbus = \"tcp:[::1]:2575\"",
        "driver = \"bluetooth\"\nbus = \"bluetooth:aa:bb:cc:dd:ee:0f\"\ncharacteristic = \"plx-continuous\"",
        "driver = \"bluetooth\"\nbus = \"sim\"\ncharacteristic = \"glucose\"",
        "driver = \"frontend\"\nbus = \"sim\"\nrecording = \"/srv/100.hea\"",
        "driver = \"frontend\"\nbus = \"sim\"\nrecording = \"/srv/a.csv\"\nrate = 100",
        "driver = \"tmp117\"\nbus = \"sim\"\n[device.simulation.signal]\nrecording = \"/srv/a.csv\"\nrate = 4",
        "driver = \"ads1292r\"\nbus = \"sim\"\n[device.simulation]\nseed = 3\nspeed = 4.0\n\
         [device.simulation.signal]\nrecording = \"/srv/100.hea\"\nname = \"MLII\"",
    ] {
        let read = profile(device).unwrap_or_else(|faults| panic!("{device}: {faults}"));
        assert_eq!(read.devices.len(), 1);
        assert!(device.contains(read.devices[0].driver.name()), "{device}");
    }
}

#[test]
fn what_a_chip_cannot_do_is_a_fault_with_a_hint() {
    for (device, says) in [
        (
            "driver = \"max30102\"\nbus = \"sim\"\nrate = 123",
            "one of 50, 100",
        ),
        (
            "driver = \"tmp117\"\nbus = \"sim\"\naddress = 0x10",
            "address",
        ),
        (
            "driver = \"tmp117\"\nbus = \"sim\"\nperiod = \"1ms\"",
            "period",
        ),
        (
            "driver = \"ads1292r\"\nbus = \"/dev/spidev0.0\"",
            "GPIO line of DRDY",
        ),
        (
            "driver = \"ads1292r\"\nbus = \"sim\"\nready = \"25\"",
            "no GPIO line",
        ),
        (
            "driver = \"frontend\"\nbus = \"/dev/x\"\nrecording = \"a.hea\"",
            "is simulated",
        ),
        ("driver = \"frontend\"\nbus = \"sim\"", "recording"),
        ("driver = \"ads1115\"\nbus = \"sim\"\ninput = 4", "0 to 3"),
        ("driver = \"nonin\"\nbus = \"ttyUSB0\"", "absolute path"),
        ("driver = \"nonin\"\nbus = \"sim\"\nrate = 5", "rate"),
        (
            "driver = \"nonin\"\nbus = \"sim\"\nformat = 3",
            "2, 7, 8, 13",
        ),
        ("driver = \"hl7\"\nbus = \"/dev/x\"", "over the network"),
        (
            "driver = \"hl7\"\nbus = \"tcp:0.0.0.0:2575\"",
            "private network",
        ),
        (
            "driver = \"hl7\"\nbus = \"tcp:8.8.8.8:2575\"",
            "private network",
        ),
        (
            "driver = \"hl7\"\nbus = \"tcp:here\"",
            "no address and port",
        ),
        (
            "driver = \"nonin\"\nbus = \"tcp:127.0.0.1:1\"",
            "not attached to a network",
        ),
        (
            "driver = \"nonin\"\nbus = \"bluetooth:AA:BB:CC:DD:EE:FF\"",
            "not send over Bluetooth",
        ),
        (
            "driver = \"bluetooth\"\nbus = \"/dev/ttyUSB0\"\ncharacteristic = \"weight\"",
            "sends over Bluetooth",
        ),
        (
            "driver = \"bluetooth\"\nbus = \"bluetooth:AA:BB:CC\"\ncharacteristic = \"weight\"",
            "no address of Bluetooth",
        ),
        ("driver = \"bluetooth\"\nbus = \"sim\"", "characteristic"),
        (
            "driver = \"bluetooth\"\nbus = \"sim\"\ncharacteristic = \"colour\"",
            "plx-continuous",
        ),
        (
            "driver = \"nonin\"\nbus = \"/dev/x\"\n[device.simulation]\nseed = 1",
            "not simulated",
        ),
    ] {
        let faults = profile(device).unwrap_err();
        assert!(faults.contains(says), "{device}: {faults}");
    }
}

#[test]
fn two_devices_cannot_have_one_id() {
    let nonin = "driver = \"nonin\"\nbus = \"sim\"\n";
    let faults = profile(&format!("{nonin}[[device]]\nid = \"d\"\n{nonin}")).unwrap_err();
    assert!(faults.contains("two devices are called d"), "{faults}");
}

#[test]
fn a_device_whose_address_is_left_out_takes_the_chip_s_first() {
    let read = profile("driver = \"tmp117\"\nbus = \"sim\"").unwrap();
    let driver = &read.devices[0].driver;
    assert_eq!((driver.kind, driver.options.address), (Kind::Tmp117, 0x48));
}

#[test]
fn every_kind_has_its_own_row_and_word() {
    for row in &DRIVERS {
        assert_eq!(row.kind.row().word, row.word);
        assert_eq!(Driver::new(row.kind).name(), row.word);
    }
    // The last kind's number: a kind without a row would make more kinds than rows.
    assert_eq!(Kind::Frontend as usize + 1, DRIVERS.len());
}
