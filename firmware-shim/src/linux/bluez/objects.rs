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
