//! A MAX30102 as far as its driver looks: it converts whenever it is asked how many samples there are, and
//! its light is a row of numbers that a test can check.

/// The model.
pub struct Max30102 {
    pointer: u8,
    mode: u8,
    /// Samples given and converted since it was started.
    given: u32,
    converted: u32,
    /// Place within the sample that is read.
    byte: usize,
}

impl Max30102 {
    /// At rest.
    pub const fn new() -> Self {
        Self {
            pointer: 0,
            mode: 0,
            given: 0,
            converted: 0,
            byte: 0,
        }
    }

    /// The controller writes.
    pub fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.pointer = *pointer;
        if let (MODE, [mode]) = (*pointer, data) {
            // The reset is over before anybody can look.
            self.mode = mode & !RESET;
            (self.given, self.converted, self.byte) = (0, 0, 0);
        }
    }

    /// The controller reads.
    pub fn read(&mut self, bytes: &mut [u8]) {
        if self.pointer == STATUS && self.mode == SPO2 {
            self.converted += A_POLL;
        }
        for byte in bytes {
            *byte = match self.pointer {
                FIFO_DATA => self.pop(),
                WRITE_POINTER => low(self.converted) & 0x1f,
                READ_POINTER => low(self.given) & 0x1f,
                MODE => self.mode,
                PART_ID => 0x15,
                _ => 0,
            };
            if self.pointer != FIFO_DATA {
                self.pointer = self.pointer.wrapping_add(1);
            }
        }
    }

    /// Red is 1000 and the sample's number, infrared 2000 and the number, both modulo 256.
    fn pop(&mut self) -> u8 {
        let number = self.given & 0xff;
        let [_, r2, r1, r0] = (1000 + number).to_be_bytes();
        let [_, i2, i1, i0] = (2000 + number).to_be_bytes();
        let byte = [r2, r1, r0, i2, i1, i0]
            .get(self.byte)
            .copied()
            .unwrap_or(0);
        self.byte += 1;
        if self.byte == 6 {
            self.byte = 0;
            self.given += 1;
        }
        byte
    }
}

fn low(number: u32) -> u8 {
    let [byte, ..] = number.to_le_bytes();
    byte
}

/// Where it answers.
pub const ADDRESS: u8 = 0x57;
const A_POLL: u32 = 10;
const STATUS: u8 = 0x00;
const WRITE_POINTER: u8 = 0x04;
const READ_POINTER: u8 = 0x06;
const FIFO_DATA: u8 = 0x07;
const MODE: u8 = 0x09;
const PART_ID: u8 = 0xff;
const RESET: u8 = 1 << 6;
const SPO2: u8 = 0b011;
