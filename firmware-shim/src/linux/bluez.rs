//! Health devices on Bluetooth Low Energy, received by BlueZ and handed over on the system's D-Bus.
//!
//! Owns one connection to the system bus a device, so that devices do not wait for each other. Promises that opening
//! ends within its deadline, whatever the bus, BlueZ or the device do, with the step that did not; that taking
//! a value never waits; and that what comes is BlueZ's own, of this device. Refuses to pair: that is a person's
//! decision (`bluetoothctl pair`). Sources: BlueZ `doc/org.bluez.Device.rst`, `doc/org.bluez.GattCharacteristic.rst`,
//! D-Bus specification, "Standard Interfaces".

mod connect;
mod objects;

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use zbus::message::{Message, Type};
use zbus::names::OwnedUniqueName;
use zbus::{MessageStream, OwnedObjectPath, OwnedVariant};

use crate::device::{Fault, FaultKind};
use crate::drivers::Port;
use crate::drivers::ble::{Characteristic, Notifications};

/// A device by its address, and what of it is wanted.
#[derive(Debug)]
pub(super) struct BluezPort {
    address: String,
    characteristic: Characteristic,
}

/// A characteristic that BlueZ notifies us of. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Subscription {
    who: String,
    /// The name on the bus that is BlueZ.
    bluez: OwnedUniqueName,
    device: OwnedObjectPath,
    characteristic: OwnedObjectPath,
    messages: MessageStream,
}

/// What a message says.
enum News {
    Value(Vec<u8>),
    Gone(&'static str),
    Nothing,
}

impl BluezPort {
    /// `address` as BlueZ writes it: `AA:BB:CC:DD:EE:FF`.
    pub(super) fn new(address: &str, characteristic: Characteristic) -> Self {
        Self {
            address: address.to_owned(),
            characteristic,
        }
    }

    fn unopened(&self, why: &str) -> Fault {
        unopened(&self.name(), why)
    }
}

impl Port for BluezPort {
    type Bus = Subscription;

    fn name(&self) -> String {
        format!("bluetooth:{}", self.address)
    }

    fn open(&mut self) -> Result<Subscription, Fault> {
        let step = Cell::new("the system bus");
        let connecting = connect::connect(self, &step);
        zbus::block_on(async {
            let runtime = zruntime::SharedRuntime::current();
            let runtime = runtime.map_err(|error| self.unopened(&error.to_string()))?;
            let ended = runtime.timeout(DEADLINE, connecting).await;
            ended.unwrap_or_else(|_| {
                let seconds = DEADLINE.as_secs();
                let text = format!("waited {seconds} s in vain for {}", step.get());
                Err(self.unopened(&text))
            })
        })
    }
}

impl Notifications for Subscription {
    fn take(&mut self, value: &mut Vec<u8>) -> Result<bool, Fault> {
        // The connection reads by itself; what is not here yet is taken at the next poll.
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let message = match Pin::new(&mut self.messages).poll_next(&mut context) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => {
                    return Err(self.gone(&format!("the system bus: {error}")));
                }
                Poll::Ready(None) => return Err(self.gone("the system bus has closed")),
            };
            match self.read(&message) {
                News::Value(bytes) => {
                    *value = bytes;
                    return Ok(true);
                }
                News::Gone(why) => return Err(self.gone(why)),
                News::Nothing => {}
            }
        }
    }
}

impl Subscription {
    fn gone(&self, why: &str) -> Fault {
        unopened(&self.who, why)
    }

    fn read(&self, message: &Message) -> News {
        if message.message_type() != Type::Signal {
            return News::Nothing;
        }
        let header = message.header();
        let sender = header.sender().map_or("", |name| name.as_str());
        let member = header.member().map_or("", |name| name.as_str());
        let path = header.path().map_or("", |path| path.as_str());
        match member {
            "NameOwnerChanged" if sender == BUS => News::Gone("BlueZ has ended"),
            _ if sender != self.bluez.as_str() => News::Nothing,
            "InterfacesRemoved" => self.removed(message),
            "PropertiesChanged" => self.changed(path, message),
            _ => News::Nothing,
        }
    }

    fn removed(&self, message: &Message) -> News {
        let body = message.body();
        let Ok((path, interfaces)) = body.deserialize::<(OwnedObjectPath, Vec<String>)>() else {
            return News::Nothing;
        };
        let is = |mine: &OwnedObjectPath, interface: &str| {
            path == *mine && interfaces.iter().any(|one| one == interface)
        };
        if is(&self.device, DEVICE) || is(&self.characteristic, CHARACTERISTIC) {
            return News::Gone("BlueZ does not know it any more");
        }
        News::Nothing
    }

    fn changed(&self, path: &str, message: &Message) -> News {
        type Changed = (String, HashMap<String, OwnedVariant>, Vec<String>);
        let Ok((interface, mut changed, _)) = message.body().deserialize::<Changed>() else {
            return News::Nothing;
        };
        let is_off = |name| changed.get(name).is_some_and(|value| **value == NO);
        if interface == DEVICE && path == self.device.as_str() && is_off("Connected") {
            return News::Gone("has disconnected");
        }
        if interface != CHARACTERISTIC || path != self.characteristic.as_str() {
            return News::Nothing;
        }
        if is_off("Notifying") {
            return News::Gone("does not notify any more");
        }
        let value = changed.remove("Value");
        let value = value.and_then(|value| Vec::<u8>::try_from(value).ok());
        value.map_or(News::Nothing, News::Value)
    }
}

/// Such a fault is tried again soon, for it costs nothing: a cuff is on for seconds only.
fn unopened(who: &str, why: &str) -> Fault {
    Fault::new(FaultKind::Unopened, format!("{who}: {why}"))
}

/// Shorter than what a caller takes for a stuck bus.
const DEADLINE: Duration = Duration::from_secs(4);
const NO: zbus::Variant<'static> = zbus::Variant::Bool(false);
const BUS: &str = "org.freedesktop.DBus";
const BLUEZ: &str = "org.bluez";
const DEVICE: &str = "org.bluez.Device1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
