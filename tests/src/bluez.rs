//! A system bus of its own with a BlueZ on it that a test plays: one device with one characteristic.
//!
//! The bus is a real `dbus-daemon`; what BlueZ answers and signals is written after its documentation
//! (`doc/org.bluez.Device.rst`, `doc/org.bluez.GattCharacteristic.rst`).

use std::fs;
use std::future;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use zbus::connection::{Builder, Connection};
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{ObjectPath, OwnedObjectPath, block_on, fdo, interface};

use crate::program::Program;
use crate::wait;

/// A bus and a BlueZ.
#[derive(Debug)]
pub struct Bluez {
    _daemon: Program,
    connection: Connection,
    address: String,
    control: Arc<Control>,
}

/// What the device does when it is asked to connect.
#[derive(Debug, Default)]
struct Control {
    /// It answers.
    on: AtomicBool,
    /// It neither answers nor gives up.
    hangs: AtomicBool,
    subscriptions: AtomicU32,
}

impl Bluez {
    /// Starts a bus in a folder, with a paired device on BlueZ that is on and not connected.
    #[track_caller]
    #[must_use]
    pub fn start(folder: &Path, uuid: &str) -> Self {
        let socket = folder.join("bus");
        let config = folder.join("bus.conf");
        fs::write(
            &config,
            CONFIG.replace("SOCKET", &socket.display().to_string()),
        )
        .expect("the bus is configured");
        let mut command = Command::new("dbus-daemon");
        command.arg("--nofork").arg("--nopidfile");
        command.arg(format!("--config-file={}", config.display()));
        let mut daemon = Program::start("dbus-daemon", &mut command, folder);
        wait::until("the bus is there", || {
            daemon.assert_running();
            socket.exists().then_some(())
        });
        let address = format!("unix:path={}", socket.display());
        let control = Arc::new(Control::default());
        control.on.store(true, Ordering::SeqCst);
        let device = Device {
            paired: true,
            connected: false,
            control: Arc::clone(&control),
        };
        let characteristic = Characteristic {
            uuid: uuid.to_owned(),
            value: Vec::new(),
            control: Arc::clone(&control),
        };
        let connection = block_on(async {
            Builder::address(address.as_str())
                .serve_at("/", fdo::ObjectManager)
                .serve_at(DEVICE, device)
                .serve_at(CHARACTERISTIC, characteristic)
                .name("org.bluez")
                .build()
                .await
        });
        Self {
            _daemon: daemon,
            connection: connection.expect("BlueZ is on the bus"),
            address,
            control,
        }
    }

    /// The environment in which a program takes this bus for the system's.
    #[must_use]
    pub fn environment(&self) -> (&'static str, &str) {
        ("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
    }

    /// The device notifies a value.
    #[track_caller]
    pub fn notify(&self, value: &[u8]) {
        let characteristic = self.interface::<Characteristic>(CHARACTERISTIC);
        block_on(async {
            let mut it = characteristic.get_mut().await;
            it.value = value.to_vec();
            it.value_changed(characteristic.signal_emitter()).await
        })
        .expect("the value is signalled");
    }

    /// The device is switched off: its link breaks, and it connects no more.
    pub fn switch_off(&self) {
        self.control.on.store(false, Ordering::SeqCst);
        self.connected(false);
    }

    /// The device is switched on: it connects when it is asked.
    pub fn switch_on(&self) {
        self.control.on.store(true, Ordering::SeqCst);
    }

    /// From now on, connecting neither succeeds nor fails.
    pub fn hang(&self) {
        self.control.hangs.store(true, Ordering::SeqCst);
    }

    /// The pairing is forgotten.
    pub fn unpair(&self) {
        let device = self.interface::<Device>(DEVICE);
        block_on(async { device.get_mut().await.paired = false });
    }

    /// BlueZ leaves the bus.
    #[track_caller]
    pub fn crash(&self) {
        let released = block_on(self.connection.release_name("org.bluez"));
        assert!(released.expect("the bus answers"));
    }

    /// How often somebody subscribed.
    #[must_use]
    pub fn subscriptions(&self) -> u32 {
        self.control.subscriptions.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn connected(&self, connected: bool) {
        let device = self.interface::<Device>(DEVICE);
        block_on(async {
            let mut it = device.get_mut().await;
            it.connected = connected;
            it.connected_changed(device.signal_emitter()).await
        })
        .expect("the change is signalled");
    }

    #[track_caller]
    fn interface<I: zbus::object_server::Interface>(&self, path: &'static str) -> InterfaceRef<I> {
        let found = block_on(self.connection.object_server().interface::<_, I>(path));
        found.expect("it is served")
    }
}

/// `org.bluez.Device1`.
struct Device {
    paired: bool,
    connected: bool,
    control: Arc<Control>,
}

#[interface(name = "org.bluez.Device1")]
impl Device {
    #[zbus(property)]
    fn address(&self) -> String {
        ADDRESS.to_owned()
    }

    #[zbus(property)]
    fn paired(&self) -> bool {
        self.paired
    }

    #[zbus(property)]
    fn connected(&self) -> bool {
        self.connected
    }

    /// A device that was paired is known with its characteristics.
    #[zbus(property)]
    fn services_resolved(&self) -> bool {
        self.connected
    }

    async fn connect(
        &mut self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), fdo::Error> {
        if self.control.hangs.load(Ordering::SeqCst) {
            future::pending::<()>().await;
        }
        if !self.control.on.load(Ordering::SeqCst) {
            return Err(fdo::Error::Failed(
                "le-connection-abort-by-local".to_owned(),
            ));
        }
        self.connected = true;
        self.connected_changed(&emitter).await?;
        self.services_resolved_changed(&emitter).await?;
        Ok(())
    }
}

/// `org.bluez.GattCharacteristic1`.
struct Characteristic {
    uuid: String,
    value: Vec<u8>,
    control: Arc<Control>,
}

#[interface(name = "org.bluez.GattCharacteristic1")]
impl Characteristic {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> String {
        self.uuid.clone()
    }

    #[zbus(property)]
    fn service(&self) -> OwnedObjectPath {
        ObjectPath::from_static_str_unchecked(SERVICE).into()
    }

    #[zbus(property)]
    fn value(&self) -> Vec<u8> {
        self.value.clone()
    }

    fn start_notify(&self) {
        self.control.subscriptions.fetch_add(1, Ordering::SeqCst);
    }
}

/// The device's address.
pub const ADDRESS: &str = "00:1C:05:00:00:42";
const DEVICE: &str = "/org/bluez/hci0/dev_00_1C_05_00_00_42";
const SERVICE: &str = "/org/bluez/hci0/dev_00_1C_05_00_00_42/service000c";
const CHARACTERISTIC: &str = "/org/bluez/hci0/dev_00_1C_05_00_00_42/service000c/char000d";
const CONFIG: &str =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context=\"default\">
    <allow own=\"*\"/>
    <allow send_destination=\"*\"/>
    <allow receive_sender=\"*\"/>
  </policy>
</busconfig>
";
