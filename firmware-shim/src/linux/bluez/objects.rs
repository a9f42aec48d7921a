//! What BlueZ knows: adapters, devices, services and characteristics, as its object manager tells them.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use super::{CHARACTERISTIC, DEVICE};

/// Every object, by path, interface and property.
#[derive(Debug)]
pub(super) struct Objects(
    pub(super) HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>,
);

/// A device.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: OwnedObjectPath,
    /// Paired, or trusted by whoever looks after this machine.
    pub(super) trusted: bool,
    pub(super) connected: bool,
    /// Whether its characteristics are known.
    pub(super) resolved: bool,
}

impl Objects {
    /// The device of an address; if two adapters know it, the one that is connected.
    pub(super) fn device(&self, address: &str) -> Option<Found> {
        let known = self.of(DEVICE).filter_map(|(path, properties)| {
            let is = |name| properties.get(name).is_some_and(|value| **value == YES);
            let said: &str = properties.get("Address")?.downcast_ref().ok()?;
            said.eq_ignore_ascii_case(address).then(|| Found {
                path: path.clone(),
                trusted: is("Paired") || is("Trusted"),
                connected: is("Connected"),
                resolved: is("Connected") && is("ServicesResolved"),
            })
        });
        known.max_by_key(|found| (found.connected, found.trusted))
    }

    /// A device's characteristic with a number that the Bluetooth SIG assigned.
    pub(super) fn characteristic(
        &self,
        device: &OwnedObjectPath,
        number: u16,
    ) -> Option<OwnedObjectPath> {
        // Short numbers stand for UUIDs on the Bluetooth Base UUID (Core Specification, Vol 3, Part B, 2.5.1).
        let wanted = format!("0000{number:04x}-0000-1000-8000-00805f9b34fb");
        let beneath = format!("{device}/");
        let mut found = self.of(CHARACTERISTIC).filter(|(path, properties)| {
            let said = properties
                .get("UUID")
                .and_then(|value| value.downcast_ref::<&str>().ok());
            path.as_str().starts_with(&beneath)
                && said.is_some_and(|said| said.eq_ignore_ascii_case(&wanted))
        });
        found.next().map(|(path, _)| path.clone())
    }

    fn of(
        &self,
        interface: &str,
    ) -> impl Iterator<Item = (&OwnedObjectPath, &HashMap<String, OwnedVariant>)> {
        self.0
            .iter()
            .filter_map(move |(path, interfaces)| Some((path, interfaces.get(interface)?)))
    }
}

const YES: Variant<'static> = Variant::Bool(true);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_adapters_that_know_a_device_the_connected_one_is_taken() {
        let mut objects = Objects(HashMap::new());
        let device = |connected| {
            [
                ("Address", Variant::from("AA:BB:CC:DD:EE:FF")),
                ("Paired", Variant::from(true)),
                ("Connected", Variant::from(connected)),
                ("ServicesResolved", Variant::from(connected)),
            ]
        };
        add(&mut objects, "/org/bluez/hci0/dev", DEVICE, device(false));
        add(&mut objects, "/org/bluez/hci1/dev", DEVICE, device(true));
        let found = objects.device("aa:bb:cc:dd:ee:ff").unwrap();
        assert_eq!(found.path.as_str(), "/org/bluez/hci1/dev");
        assert!(found.trusted && found.connected && found.resolved);
        assert_eq!(objects.device("AA:BB:CC:DD:EE:00"), None);
    }

    #[test]
    fn a_stranger_is_not_trusted_and_one_that_a_person_trusts_is() {
        for (word, trusted) in [("Paired", true), ("Trusted", true), ("Blocked", false)] {
            let mut objects = Objects(HashMap::new());
            let properties = [
                ("Address", Variant::from("AA:BB:CC:DD:EE:FF")),
                (word, Variant::from(true)),
            ];
            add(&mut objects, "/org/bluez/hci0/dev", DEVICE, properties);
            let found = objects.device("AA:BB:CC:DD:EE:FF").unwrap();
            assert_eq!(found.trusted, trusted, "{word}");
            assert!(!found.connected && !found.resolved, "{word}");
        }
    }

    #[test]
    fn a_characteristic_is_found_beneath_its_own_device_only() {
        let mut objects = Objects(HashMap::new());
        let uuid = "00002A37-0000-1000-8000-00805F9B34FB";
        for path in ["/org/bluez/hci0/dev_1/s/c", "/org/bluez/hci0/dev_10/s/c"] {
            add(
                &mut objects,
                path,
                CHARACTERISTIC,
                [("UUID", Variant::from(uuid))],
            );
        }
        let device = |path: &'static str| OwnedObjectPath::try_from(path).unwrap();
        let found = objects.characteristic(&device("/org/bluez/hci0/dev_1"), 0x2a37);
        assert_eq!(found, Some(device("/org/bluez/hci0/dev_1/s/c")));
        let others = objects.characteristic(&device("/org/bluez/hci0/dev_1"), 0x2a38);
        assert_eq!(others, None);
        let nobodys = objects.characteristic(&device("/org/bluez/hci0/dev_2"), 0x2a37);
        assert_eq!(nobodys, None);
    }

    fn add<const N: usize>(
        objects: &mut Objects,
        path: &str,
        interface: &str,
        properties: [(&str, Variant<'_>); N],
    ) {
        let properties = properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.try_to_owned().unwrap()));
        let path = OwnedObjectPath::try_from(path.to_owned()).unwrap();
        let interfaces = objects.0.entry(path).or_default();
        interfaces.insert(interface.to_owned(), properties.collect());
    }
}
