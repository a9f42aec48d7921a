//! What of QEMU's mps2-an386 this program touches: UART 0, the system timer, memory. All unsafe code is here.
//!
//! Addresses from the CMSDK's and AN386's manuals (Arm DDI 0479 and DAI 0386).

use core::mem::MaybeUninit;
use core::ptr::{read_volatile, write_volatile};
use core::time::Duration;

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use embedded_alloc::LlffHeap as Heap;

/// Gives the heap its memory. Called once, before anything is allocated.
pub fn give_memory(heap: &Heap) {
    static mut MEMORY: [MaybeUninit<u8>; HEAP] = [MaybeUninit::uninit(); HEAP];
    // SAFETY: nobody else names MEMORY, and main calls this once.
    unsafe { heap.init(&raw mut MEMORY as usize, HEAP) }
}

/// A 32-bit register of a device.
#[derive(Clone, Copy)]
pub struct Register(usize);

impl Register {
    /// The register of this program's devices at an address.
    pub const fn at(address: usize) -> Self {
        Self(address)
    }

    /// What it reads.
    pub fn read(self) -> u32 {
        // SAFETY: the constants of this program are addresses of the board's devices, aligned to 4.
        unsafe { read_volatile(self.0 as *const u32) }
    }

    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: as for reading; no device here writes memory.
        unsafe { write_volatile(self.0 as *mut u32, value) }
    }
}

/// UART 0.
pub struct Uart(());

impl Uart {
    /// Sets it up to send.
    pub fn new() -> Self {
        UART_DIVIDER.write(CLOCK_HZ / BAUD);
        UART_CONTROL.write(UART_SENDS);
        Self(())
    }

    /// Sends bytes, waiting for room.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while UART_STATE.read() & UART_FULL != 0 {}
            UART_DATA.write(u32::from(*byte));
        }
    }
}

/// Time since the start, from the system timer; ask at least every half second.
pub struct Timer {
    timer: SYST,
    last: u32,
    ticks: u64,
}

impl Timer {
    /// Begins at 0.
    pub fn new() -> Self {
        // SAFETY: called once from main; nothing else takes the core's peripherals.
        let mut timer = unsafe { Peripherals::steal() }.SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TIMER_TOP);
        timer.clear_current();
        timer.enable_counter();
        Self {
            timer,
            last: TIMER_TOP,
            ticks: 0,
        }
    }

    /// The time.
    pub fn now(&mut self) -> Duration {
        let _ = &self.timer;
        let current = SYST::get_current();
        // It counts down, over the top again.
        let passed = self.last.wrapping_sub(current) & TIMER_TOP;
        self.last = current;
        self.ticks += u64::from(passed);
        Duration::from_nanos(self.ticks * 1_000_000_000 / u64::from(CLOCK_HZ))
    }
}

const HEAP: usize = 64 * 1024;
const CLOCK_HZ: u32 = 25_000_000;
const BAUD: u32 = 115_200;
const TIMER_TOP: u32 = 0x00ff_ffff;
const UART_DATA: Register = Register::at(0x4000_4000);
const UART_STATE: Register = Register::at(0x4000_4004);
const UART_CONTROL: Register = Register::at(0x4000_4008);
const UART_DIVIDER: Register = Register::at(0x4000_4010);
const UART_FULL: u32 = 1;
const UART_SENDS: u32 = 1;
