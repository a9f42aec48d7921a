//! The board's I2C bus: two wires moved bit by bit, and a model of a MAX30102 that hangs on them in thought.

use embedded_hal::i2c::{
    Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress,
};

use crate::board::Register;
use crate::light;

/// The bus.
pub struct Bus {
    light: light::Max30102,
}

/// Nothing acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct NoAcknowledge;

impl Error for NoAcknowledge {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
    }
}

impl ErrorType for Bus {
    type Error = NoAcknowledge;
}

impl Bus {
    /// Both wires at rest.
    pub fn new() -> Self {
        SET.write(CLOCK | DATA);
        Self {
            light: light::Max30102::new(),
        }
    }

    fn transfer(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), NoAcknowledge> {
        let mut reading = None;
        for operation in operations {
            let read = matches!(operation, Operation::Read(_));
            if reading != Some(read) {
                start();
                send(address << 1 | u8::from(read))?;
                reading = Some(read);
            }
            match operation {
                Operation::Write(bytes) => bytes.iter().try_for_each(|byte| send(*byte))?,
                Operation::Read(bytes) => {
                    let last = bytes.len().saturating_sub(1);
                    for (place, byte) in bytes.iter_mut().enumerate() {
                        *byte = receive(place < last);
                    }
                }
            }
        }
        Ok(())
    }
}

impl I2c<SevenBitAddress> for Bus {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), NoAcknowledge> {
        if address == light::ADDRESS {
            for operation in operations {
                match operation {
                    Operation::Write(bytes) => self.light.write(bytes),
                    Operation::Read(bytes) => self.light.read(bytes),
                }
            }
            return Ok(());
        }
        let outcome = self.transfer(address, operations);
        stop();
        outcome
    }
}

fn start() {
    SET.write(DATA);
    SET.write(CLOCK);
    CLEAR.write(DATA);
    CLEAR.write(CLOCK);
}

fn stop() {
    CLEAR.write(DATA);
    SET.write(CLOCK);
    SET.write(DATA);
}

fn send(byte: u8) -> Result<(), NoAcknowledge> {
    for place in (0..8).rev() {
        bit(byte >> place & 1 != 0);
    }
    // The ninth bit is the other side's.
    if bit(true) {
        Err(NoAcknowledge)
    } else {
        Ok(())
    }
}

fn receive(more: bool) -> u8 {
    let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(bit(true)));
    bit(!more);
    byte
}

/// One clock; what the data wire shows while the clock is high.
fn bit(high: bool) -> bool {
    if high {
        SET.write(DATA)
    } else {
        CLEAR.write(DATA)
    }
    SET.write(CLOCK);
    let seen = SET.read() & DATA != 0;
    CLEAR.write(CLOCK);
    seen
}

/// The controller of the second shield (SBCon), which QEMU hangs its first device on: written to raise wires,
/// read to see them.
const SET: Register = Register::at(0x4002_a000);
/// Written to lower wires.
const CLEAR: Register = Register::at(0x4002_a004);
const CLOCK: u32 = 1;
const DATA: u32 = 1 << 1;
