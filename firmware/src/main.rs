//! A sensor board: reads a TMP105 and a MAX30102 on one I2C bus and sends what they give to a gateway.
//!
//! The drivers are those of the gateway, unchanged; the bus is shared by `embedded-hal-bus`; the frames are
//! those of docs/sensor-board.md. Made for QEMU's mps2-an386, where the TMP105 is QEMU's own model, reached
//! through the board's I2C controller bit by bit, and the MAX30102 a small model in this program.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod bus;
mod light;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::panic::PanicInfo;
use core::time::Duration;

use critical_section::Mutex;
use embedded_alloc::LlffHeap as Heap;
use embedded_hal_bus::i2c::CriticalSectionDevice;
use wardlink_firmware_shim::device::{Device, Fault};
use wardlink_firmware_shim::drivers::Port;
use wardlink_firmware_shim::drivers::board::{BOARD, Content, Frame};
use wardlink_firmware_shim::drivers::max30102::Max30102;
use wardlink_firmware_shim::drivers::tmp10x::{Part, Tmp10x};
use wardlink_firmware_shim::reading::Reading;

use crate::board::{Timer, Uart};
use crate::bus::Bus;

#[global_allocator]
static HEAP: Heap = Heap::empty();

/// A device, the channel of its first stream, and when it is due.
struct Slot {
    device: Box<dyn Device>,
    channel: u8,
    due: Duration,
    running: bool,
}

/// A port on the one bus that all sensors share.
struct Shared(&'static Mutex<RefCell<Bus>>);

impl Port for Shared {
    type Bus = CriticalSectionDevice<'static, Bus>;

    fn name(&self) -> alloc::string::String {
        "i2c".into()
    }

    fn open(&mut self) -> Result<Self::Bus, Fault> {
        Ok(CriticalSectionDevice::new(self.0))
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    board::give_memory(&HEAP);
    let mut uart = Uart::new();
    let mut timer = Timer::new();
    let bus: &'static _ = Box::leak(Box::new(Mutex::new(RefCell::new(Bus::new()))));
    let period = Duration::from_millis(500);
    let slots: [(Box<dyn Device>, u8); 2] = [
        (
            Box::new(Tmp10x::new(Part::Tmp105, Shared(bus), 0x48, period)),
            0,
        ),
        (Box::new(Max30102::new(Shared(bus), 100)), 1),
    ];
    let mut slots = slots.map(|(device, channel)| Slot {
        device,
        channel,
        due: Duration::ZERO,
        running: false,
    });
    let mut line = Vec::new();
    let started = Frame {
        channel: BOARD,
        sequence: 0,
        content: Content::Started,
    };
    started.encode(&mut line);
    let mut sequence: u16 = 1;
    let mut readings = Vec::new();
    loop {
        let now = timer.now();
        for slot in slots.iter_mut().filter(|slot| slot.due <= now) {
            serve(slot, now, &mut readings);
            for reading in readings.drain(..) {
                let channel = slot.channel + u8::try_from(reading.stream).unwrap_or(0);
                if let Some(frame) = Frame::of(&reading, channel, sequence) {
                    frame.encode(&mut line);
                    sequence = sequence.wrapping_add(1);
                }
            }
        }
        uart.write(&line);
        line.clear();
    }
}

/// Starts a device or polls it; what it cannot give it has said in its readings.
fn serve(slot: &mut Slot, now: Duration, readings: &mut Vec<Reading>) {
    let outcome = if slot.running {
        slot.device.poll(readings)
    } else {
        slot.device.start()
    };
    slot.running = outcome.is_ok();
    slot.due = match outcome {
        Ok(()) => now + slot.device.period(),
        Err(_) => now + PATIENCE,
    };
}

/// Before a device that failed is started again.
const PATIENCE: Duration = Duration::from_secs(1);

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // A board that cannot go on says so by starting anew: the gateway sees the started frame.
    cortex_m::peripheral::SCB::sys_reset()
}
