//! How a driver comes by its bus, and what it says when the bus fails.

use alloc::format;
use alloc::string::{String, ToString};

use embedded_hal::i2c;

use crate::device::{Fault, FaultKind};
use crate::reading::Absence;

/// Where a device is attached. A driver opens it at every start and drops the bus after every fault.
pub trait Port: Send {
    /// What it gives when open.
    type Bus: Send;

    /// Its name for people: `/dev/i2c-1`.
    fn name(&self) -> String;

    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be opened; the fault names it and says what to do.
    fn open(&mut self) -> Result<Self::Bus, Fault>;
}

/// A port that is open from the beginning and gives clones of one bus.
#[derive(Debug, Clone)]
pub struct Ready<B> {
    name: &'static str,
    bus: B,
}

impl<B: Clone + Send> Ready<B> {
    /// Gives clones of `bus`.
    #[must_use]
    pub const fn new(name: &'static str, bus: B) -> Self {
        Self { name, bus }
    }
}

impl<B: Clone + Send> Port for Ready<B> {
    type Bus = B;

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn open(&mut self) -> Result<B, Fault> {
        Ok(self.bus.clone())
    }
}

/// A failed I2C transfer, in words. `who` names the device and its bus.
pub(super) fn i2c_fault(who: &str, doing: &str, error: &impl i2c::Error) -> Fault {
    let (kind, why) = match error.kind() {
        i2c::ErrorKind::NoAcknowledge(_) => (
            FaultKind::NoResponse,
            "nothing acknowledges, check power, wiring and address".to_string(),
        ),
        i2c::ErrorKind::Bus => (
            FaultKind::Bus,
            "the bus is stuck or its signal is bad, check pull-ups and wiring".to_string(),
        ),
        i2c::ErrorKind::ArbitrationLoss => (FaultKind::Bus, "another controller won".to_string()),
        i2c::ErrorKind::Overrun => (FaultKind::Bus, "the controller was too slow".to_string()),
        i2c::ErrorKind::Other | _ => (FaultKind::Bus, format!("{error:?}")),
    };
    Fault::new(kind, format!("{who}: {doing}: {why}"))
}

/// `poll` before `start`, or after a fault.
pub(super) fn not_started(who: &str) -> Fault {
    Fault::new(FaultKind::Unopened, format!("{who}: start it first"))
}

/// What a fault means for the values it cost.
pub(super) const fn absence_of(kind: FaultKind) -> Absence {
    match kind {
        FaultKind::NoResponse => Absence::NoResponse,
        FaultKind::Bus | FaultKind::Unopened => Absence::BusError,
        FaultKind::OtherDevice | FaultKind::Ended => Absence::DeviceOff,
        FaultKind::Garbled => Absence::Garbled,
    }
}
