//! Buses that several devices share: opened by the first of them, closed by the last.
//!
//! Promises that a bus which fails is opened anew by whoever starts next, though others may still hold it: an
//! adapter that was unplugged leaves nothing behind that keeps its devices away. A chip that does not acknowledge is no
//! failure of its bus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, Operation, SevenBitAddress};
use embedded_hal_bus::i2c::MutexDevice;

use crate::device::Fault;

/// The open buses of one kind, by path.
pub(super) struct Buses<B>(Mutex<BTreeMap<PathBuf, Weak<Mutex<B>>>>);

/// One device's share of a bus.
pub(super) struct Share<B: 'static> {
    bus: Arc<Mutex<B>>,
    path: PathBuf,
    buses: &'static Buses<B>,
}

impl<B> Buses<B> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// A share of the bus at a path, which is opened if nobody holds it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn share(
        &'static self,
        path: &Path,
        open: impl FnOnce() -> Result<B, Fault>,
    ) -> Result<Share<B>, Fault> {
        let held = self.held().get(path).and_then(Weak::upgrade);
        let bus = match held {
            Some(bus) => bus,
            // Nobody else waits while this one opens; the devices of one path are never started at once.
            None => {
                let bus = Arc::new(Mutex::new(open()?));
                self.held().insert(path.to_owned(), Arc::downgrade(&bus));
                bus
            }
        };
        Ok(Share {
            bus,
            path: path.to_owned(),
            buses: self,
        })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Weak<Mutex<B>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Share<B> {
    /// Whoever starts next opens the bus anew.
    fn give_up(&self) {
        let mut held = self.buses.held();
        let is_this = held
            .get(&self.path)
            .is_some_and(|bus| bus.as_ptr() == Arc::as_ptr(&self.bus));
        if is_this {
            held.remove(&self.path);
        }
    }
}

impl<B: I2c> ErrorType for Share<B> {
    type Error = B::Error;
}

impl<B: I2c> I2c<SevenBitAddress> for Share<B> {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), B::Error> {
        let done = MutexDevice::new(&self.bus).transaction(address, operations);
        done.inspect_err(|error| {
            if !matches!(error.kind(), ErrorKind::NoAcknowledge(_)) {
                self.give_up();
            }
        })
    }
}

#[cfg(test)]
mod tests;
