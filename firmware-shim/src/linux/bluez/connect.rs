//! From nothing to a subscribed characteristic, step by step.
//!
//! Who waits for this sets its deadline. BlueZ may go on connecting when nobody waits any more, which it says at
//! the next try (`org.bluez.Error.InProgress`): a device that wakes up later is found by one of the next starts.

use std::cell::Cell;
use std::future;
use std::num::NonZeroUsize;
use std::pin::Pin;

use futures_core::Stream;
use zbus::connection::Builder;
use zbus::message::Message;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Error, MessageStream, OwnedObjectPath};

use super::objects::Objects;
use super::{BLUEZ, BUS, BluezPort, CHARACTERISTIC, DEVICE, Subscription};
use crate::device::{Fault, FaultKind};
use crate::drivers::Port;

/// Connects to the device if it is not connected, and subscribes. `step` always names what is waited for.
pub(super) async fn connect(
    port: &BluezPort,
    step: &Cell<&'static str>,
) -> Result<Subscription, Fault> {
    let connection = Builder::system().max_queued(QUEUED).build().await;
    let connection = connection
        .map_err(|error| port.unopened(&format!("the system bus: {error}: is D-Bus running?")))?;
    let mut messages = MessageStream::from(&connection);
    step.set("BlueZ");
    let (bluez, device) = find(port, &connection).await?;
    step.set("the device: is it on and near?");
    let objects = reach(port, &connection, &device, &mut messages).await?;
    step.set("its subscription");
    let wanted = port.characteristic;
    let characteristic = objects
        .characteristic(&device, wanted.number())
        .ok_or_else(|| {
            let why = format!("{}: it has no {}", port.name(), wanted.name());
            Fault::new(FaultKind::OtherDevice, why)
        })?;
    let to = [BLUEZ, characteristic.as_str(), CHARACTERISTIC];
    let started = call(&connection, to, "StartNotify", None).await;
    started.map_err(|error| port.unopened(&format!("does not notify: {error}")))?;
    Ok(Subscription {
        who: port.name(),
        bluez,
        device,
        characteristic,
        messages,
    })
}

/// Who BlueZ is on this bus, and which of its objects the device is.
async fn find(
    port: &BluezPort,
    connection: &Connection,
) -> Result<(OwnedUniqueName, OwnedObjectPath), Fault> {
    let asked = async {
        let ends = format!("type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'");
        call(connection, BROKER, "AddMatch", Some(&ends)).await?;
        let objects = managed(connection).await?;
        let owner = call(connection, BROKER, "GetNameOwner", Some(BLUEZ)).await?;
        Ok::<_, Error>((objects, owner.body().deserialize()?))
    };
    let (objects, bluez) = asked.await.map_err(|error| {
        port.unopened(&format!(
            "BlueZ: {error}: is bluetoothd running, and this user in group bluetooth?"
        ))
    })?;
    let pair = format!("bluetoothctl pair {}", port.address);
    match objects.device(&port.address) {
        Some(found) if found.trusted => Ok((bluez, found.path)),
        Some(_) => Err(port.unopened(&format!("neither paired nor trusted: {pair}"))),
        None => Err(port.unopened(&format!("not known here: {pair}"))),
    }
}

/// Connects, and waits until BlueZ knows the device's characteristics.
async fn reach(
    port: &BluezPort,
    connection: &Connection,
    device: &OwnedObjectPath,
    messages: &mut MessageStream,
) -> Result<Objects, Fault> {
    let failed = |error: Error| port.unopened(&format!("BlueZ: {error}"));
    for rule in [
        format!("type='signal',sender='{BLUEZ}',path_namespace='{device}'"),
        format!("type='signal',sender='{BLUEZ}',member='InterfacesRemoved'"),
    ] {
        let added = call(connection, BROKER, "AddMatch", Some(&rule)).await;
        added.map_err(failed)?;
    }
    let mut asked = false;
    loop {
        let objects = managed(connection).await.map_err(failed)?;
        match objects.device(&port.address) {
            Some(found) if found.resolved => return Ok(objects),
            Some(found) if !found.connected && !asked => {
                asked = true;
                let to = [BLUEZ, device.as_str(), DEVICE];
                match call(connection, to, "Connect", None).await {
                    // an earlier try may still be on its way
                    Err(error) if !is_under_way(&error) => {
                        return Err(port.unopened(&format!("does not connect: {error}")));
                    }
                    _ => continue,
                }
            }
            Some(_) => {}
            None => return Err(port.unopened("BlueZ does not know it any more")),
        }
        // Before it can be ready, BlueZ says that something of it has changed.
        change(messages)
            .await
            .ok_or_else(|| port.unopened("the system bus has closed"))?;
    }
}

async fn managed(connection: &Connection) -> Result<Objects, Error> {
    let to = [BLUEZ, "/", "org.freedesktop.DBus.ObjectManager"];
    let reply = call(connection, to, "GetManagedObjects", None).await?;
    Ok(Objects(reply.body().deserialize()?))
}

/// Calls a method; `to` is name, object and interface.
async fn call(
    connection: &Connection,
    [name, path, interface]: [&str; 3],
    method: &str,
    argument: Option<&str>,
) -> Result<Message, Error> {
    let (name, interface) = (Some(name), Some(interface));
    match argument {
        Some(text) => {
            let called = connection.call_method(name, path, interface, method, &text);
            called.await
        }
        None => {
            connection
                .call_method(name, path, interface, method, &())
                .await
        }
    }
}

/// Waits for a change of properties; none when the bus is gone. Answers to our own calls pass by here as well.
async fn change(messages: &mut MessageStream) -> Option<()> {
    loop {
        let message = future::poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await;
        let message = message?.ok()?;
        let header = message.header();
        if header
            .member()
            .is_some_and(|name| name.as_str() == "PropertiesChanged")
        {
            return Some(());
        }
    }
}

fn is_under_way(error: &Error) -> bool {
    let Error::MethodError(name, ..) = error else {
        return false;
    };
    [
        "org.bluez.Error.InProgress",
        "org.bluez.Error.AlreadyConnected",
    ]
    .contains(&name.as_str())
}

const BROKER: [&str; 3] = [BUS, "/org/freedesktop/DBus", BUS];
/// Messages that may wait for the next poll; beyond them the bus's own queue fills.
const QUEUED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
