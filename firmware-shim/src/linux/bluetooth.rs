//! Bluetooth as this program was built: with BlueZ, or with a fault that says that it was not.

#[cfg(feature = "bluez")]
pub(super) fn device(address: &str, characteristic: Characteristic) -> Box<dyn Device> {
    let port = super::bluez::BluezPort::new(address, characteristic);
    Box::new(Receiver::new(port, characteristic))
}

#[cfg(not(feature = "bluez"))]
pub(super) fn device(address: &str, characteristic: Characteristic) -> Box<dyn Device> {
    Box::new(Receiver::new(
        without::NotBuilt::new(address),
        characteristic,
    ))
}

use crate::device::Device;
use crate::drivers::ble::{Characteristic, Receiver};

#[cfg(not(feature = "bluez"))]
mod without {
    use crate::device::{Fault, FaultKind};
    use crate::drivers::Port;
    use crate::drivers::ble::Notifications;

    /// A device that cannot be reached.
    pub(super) struct NotBuilt(String);

    impl NotBuilt {
        pub(super) fn new(address: &str) -> Self {
            Self(format!("bluetooth:{address}"))
        }
    }

    impl Port for NotBuilt {
        type Bus = Never;

        fn name(&self) -> String {
            self.0.clone()
        }

        fn open(&mut self) -> Result<Never, Fault> {
            let text = format!(
                "{}: this program was built without Bluetooth: build it with --features bluez",
                self.0
            );
            Err(Fault::new(FaultKind::Unopened, text))
        }
    }

    /// What is never opened.
    pub(super) enum Never {}

    impl Notifications for Never {
        fn take(&mut self, _value: &mut Vec<u8>) -> Result<bool, Fault> {
            match *self {}
        }
    }
}
