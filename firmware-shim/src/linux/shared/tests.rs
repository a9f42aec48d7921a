//! Two real drivers on one bus, and a bus that fails.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use embedded_hal::i2c::NoAcknowledgeSource;

use super::*;
use crate::device::{Device, FaultKind};
use crate::drivers::Port;
use crate::drivers::max30205::Max30205;

/// A bus with MAX30205s at 0x48 and 0x49, which does as it is told.
struct Wire {
    configuration: u8,
    does: Does,
}

enum Does {
    Work,
    Fail,
    /// Says that a transfer has begun, and waits until it is let go.
    Hang(mpsc::Sender<()>, mpsc::Receiver<()>),
}

#[derive(Debug)]
struct Refused(ErrorKind);

impl Error for Refused {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl ErrorType for Wire {
    type Error = Refused;
}

impl I2c for Wire {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), Refused> {
        match &self.does {
            Does::Work => {}
            Does::Fail => return Err(Refused(ErrorKind::Other)),
            Does::Hang(begun, go_on) => {
                begun.send(()).unwrap();
                go_on.recv().unwrap_err();
                return Err(Refused(ErrorKind::Bus));
            }
        }
        if !(0x48..=0x49).contains(&address) {
            let nobody = NoAcknowledgeSource::Address;
            return Err(Refused(ErrorKind::NoAcknowledge(nobody)));
        }
        for operation in operations {
            match operation {
                Operation::Write([1, configuration]) => self.configuration = *configuration,
                Operation::Write(_) => {}
                Operation::Read(bytes) if bytes.len() == 1 => bytes[0] = self.configuration,
                Operation::Read(bytes) => bytes.fill(0x20),
            }
        }
        Ok(())
    }
}

/// A port of a test's own buses.
struct Wired {
    buses: &'static Buses<Wire>,
    path: &'static str,
    opened: Arc<AtomicU32>,
    does: fn() -> Does,
}

impl Port for Wired {
    type Bus = Share<Wire>;

    fn name(&self) -> String {
        self.path.to_owned()
    }

    fn open(&mut self) -> Result<Share<Wire>, Fault> {
        self.buses.share(Path::new(self.path), || {
            self.opened.fetch_add(1, Ordering::SeqCst);
            Ok(Wire {
                configuration: 0,
                does: (self.does)(),
            })
        })
    }
}

#[test]
fn two_devices_on_one_path_share_the_bus_and_the_last_one_closes_it() {
    static BUSES: Buses<Wire> = Buses::new();
    let opened = Arc::new(AtomicU32::new(0));
    let device = |address| {
        let port = Wired {
            buses: &BUSES,
            path: "/dev/i2c-1",
            opened: Arc::clone(&opened),
            does: || Does::Work,
        };
        Max30205::new(port, address, Duration::from_secs(1))
    };
    let (mut first, mut second, mut absent) = (device(0x48), device(0x49), device(0x4a));
    first.start().unwrap();
    second.start().unwrap();
    // One that is not there is not the bus's fault.
    assert_eq!(absent.start().unwrap_err().kind, FaultKind::NoResponse);
    let mut readings = Vec::new();
    for _ in 0..2 {
        first.poll(&mut readings).unwrap();
        second.poll(&mut readings).unwrap();
    }
    assert_eq!(readings.len(), 2);
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    drop((first, second));
    device(0x48).start().unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

#[test]
fn a_bus_that_fails_is_opened_anew_though_another_device_still_holds_it() {
    static BUSES: Buses<Wire> = Buses::new();
    let opened = Arc::new(AtomicU32::new(0));
    let path = Path::new("/dev/i2c-1");
    let open = |does| {
        opened.fetch_add(1, Ordering::SeqCst);
        Ok(Wire {
            configuration: 0,
            does,
        })
    };
    let mut first = BUSES.share(path, || open(Does::Fail)).unwrap();
    let mut second = BUSES.share(path, || open(Does::Work)).unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    first.write(0x48, &[0]).unwrap_err();
    let mut third = BUSES.share(path, || open(Does::Work)).unwrap();
    third.write(0x48, &[0]).unwrap();
    // The dead one takes nobody with it.
    second.write(0x48, &[0]).unwrap_err();
    let mut fourth = BUSES.share(path, || open(Does::Fail)).unwrap();
    fourth.write(0x48, &[0]).unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

#[test]
fn a_bus_that_hangs_delays_nobody_on_another() {
    static BUSES: Buses<Wire> = Buses::new();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let hanging = thread::spawn(move || {
        let open = || {
            Ok(Wire {
                configuration: 0,
                does: Does::Hang(begun, waits),
            })
        };
        let mut share = BUSES.share(Path::new("/dev/i2c-1"), open).unwrap();
        share.write(0x48, &[0]).unwrap_err()
    });
    has_begun.recv().unwrap();
    // The transfer has begun and does not end; a device on the other bus starts and is read meanwhile.
    let port = Wired {
        buses: &BUSES,
        path: "/dev/i2c-2",
        opened: Arc::default(),
        does: || Does::Work,
    };
    let mut device = Max30205::new(port, 0x48, Duration::from_secs(1));
    device.start().unwrap();
    let mut readings = Vec::new();
    for _ in 0..2 {
        device.poll(&mut readings).unwrap();
    }
    assert_eq!(readings.len(), 1);
    drop(go_on);
    assert_eq!(hanging.join().unwrap().kind(), ErrorKind::Bus);
}
