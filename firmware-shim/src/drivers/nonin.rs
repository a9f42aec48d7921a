//! Nonin's serial data formats: bytes in, readings out (OEM III Module Specification, Nonin Medical).
//!
//! Formats 2 and 7 send 25 frames of five bytes in a packet, three packets a second; format 2 has a pulse wave
//! of 8 bits, format 7 of 16; [`Format8`] and [`Format13`] send only saturation and pulse rate.
//!
//! Format 2: 1, status, pleth, a byte whose meaning depends on the frame's place, the sum of the four modulo
//! 256. Format 7: status, pleth (two bytes), that byte, that sum. The status of a packet's first frame carries
//! the sync bit. The decoder does no I/O. Promises that every frame of a packet has its true place or counts
//! as lost: after garbage it holds frames back until the next sync says how many are missing, and no packet
//! goes out before the next one's sync has confirmed it. Counts every byte it had to skip.

mod format13;
mod format8;
mod packets;

use alloc::vec::Vec;
use core::mem;

pub use format8::Format8;
pub use format13::Format13;
pub use packets::Packets;

use super::line::Settings;
use super::numeric;
use crate::reading::StreamSpec;

/// How a frame is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// A pulse wave of 8 bits, and a start byte.
    #[default]
    Format2,
    /// A pulse wave of 16 bits.
    Format7,
}

/// Turns bytes into packets.
#[derive(Debug, Default)]
pub struct Decoder {
    layout: Layout,
    /// The last bytes, fewer than a frame.
    held: Vec<u8>,
    /// Place of the next frame in its packet, 25 when that is full; none before the first sync.
    place: Option<usize>,
    packet: [Option<Frame>; FRAMES],
    /// Good frames since the decoder fell out of step, their places not known yet.
    waiting: Vec<Frame>,
    /// Bytes since the last placed frame that are in no frame, or in frames without place.
    astray: u64,
    skipped: u64,
}

/// What 25 frames say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The frames in order; none where one was lost.
    pub frames: [Option<Frame>; FRAMES],
}

/// What one frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The status bits.
    pub status: Status,
    /// The pulse wave: 0 to 255, or 0 to 65535 in format 7.
    pub pleth: u16,
    /// Byte 4: heart rate, saturation and others by the frame's place.
    pub other: u8,
}

/// The status byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status(u8);

impl Status {
    /// No sensor is connected, or it does not work.
    #[must_use]
    pub const fn sensor_disconnected(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// A beat did not match the current pulse interval.
    #[must_use]
    pub const fn artefact(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// No consecutive good pulses.
    #[must_use]
    pub const fn out_of_track(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// The sensor gives nothing that can be used.
    #[must_use]
    pub const fn sensor_alarm(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// Pulse amplitude low (red) or marginal (yellow: red and green together). Said during a pulse only.
    #[must_use]
    pub const fn low_perfusion(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// First frame of a packet.
    #[must_use]
    pub const fn sync(self) -> bool {
        self.0 & 1 != 0
    }
}

impl Packet {
    /// The bits of all frames that arrived, together.
    #[must_use]
    pub fn status(&self) -> Status {
        let bits = self.frames.iter().flatten();
        Status(bits.fold(0, |all, frame| all | frame.status.0))
    }

    /// Heart rate as sent, 511 for none; nothing if its frames were lost.
    #[must_use]
    pub fn heart_rate(&self) -> Option<u16> {
        let [Some(high), Some(low), ..] = self.frames else {
            return None;
        };
        Some(u16::from(high.other & 0b11) << 7 | u16::from(low.other & 0x7f))
    }

    /// Saturation as sent, 127 for none; nothing if its frame was lost.
    #[must_use]
    pub fn spo2(&self) -> Option<u8> {
        let [_, _, Some(frame), ..] = self.frames else {
            return None;
        };
        Some(frame.other & 0x7f)
    }
}

impl Decoder {
    /// Of a layout's frames.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            ..Self::default()
        }
    }

    /// Takes bytes as they come and appends the packets they complete.
    pub fn push(&mut self, bytes: &[u8], packets: &mut Vec<Packet>) {
        for byte in bytes {
            self.held.push(*byte);
            let Ok(window) = <[u8; FRAME]>::try_from(self.held.as_slice()) else {
                continue;
            };
            if let Some(frame) = Frame::parse(self.layout, window) {
                self.held.clear();
                self.place_frame(frame, packets);
            } else {
                self.held.remove(0);
                self.stray();
            }
        }
    }

    /// Bytes that belonged to no frame, since the decoder was made.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes since the last frame whose place in its packet is certain.
    #[must_use]
    pub const fn astray(&self) -> u64 {
        self.astray
    }

    fn stray(&mut self) {
        self.skipped = self.skipped.saturating_add(1);
        self.astray = self.astray.saturating_add(1);
        self.forget_waiting();
    }

    /// Frames between two patches of garbage have no certain place: they are lost with the garbage.
    fn forget_waiting(&mut self) {
        let frames = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.astray = self.astray.saturating_add(frames * FRAME as u64);
        self.waiting.clear();
    }

    fn place_frame(&mut self, frame: Frame, packets: &mut Vec<Packet>) {
        let sync = frame.status.sync();
        let Some(place) = self.place else {
            if sync {
                // The line was joined in the middle of a packet: what came before is no loss.
                self.astray = 0;
                self.put(Some(frame), packets);
            } else {
                self.astray = self.astray.saturating_add(FRAME as u64);
            }
            return;
        };
        let in_step = self.astray == 0 && self.waiting.is_empty();
        match (in_step, sync) {
            (true, true) => {
                if place < FRAMES {
                    self.distrust();
                }
                self.put(Some(frame), packets);
            }
            (true, false) if place < FRAMES => self.put(Some(frame), packets),
            (true, false) => {
                self.distrust();
                self.waiting.push(frame);
            }
            (false, true) => {
                self.settle(place, packets);
                self.put(Some(frame), packets);
            }
            (false, false) => {
                self.waiting.push(frame);
                if self.waiting.len() >= FRAMES {
                    self.forget_waiting();
                }
            }
        }
    }

    /// Whole frames vanished without a trace, so no frame of this packet has a certain place: a
    /// saturation read from the place of another value would be a wrong saturation.
    fn distrust(&mut self) {
        self.packet = [None; FRAMES];
        self.place = Some(FRAMES);
    }

    /// A sync shows where the waiting frames belong: at the end of a packet. What lies between them and
    /// the last placed frame is lost; of the numbers that fit, the one nearest to the stray bytes.
    fn settle(&mut self, place: usize, packets: &mut Vec<Packet>) {
        let taken = place + self.waiting.len();
        let fits = (FRAMES - taken % FRAMES) % FRAMES;
        let stray = usize::try_from(self.astray / FRAME as u64).unwrap_or(usize::MAX);
        let packets_more = stray.saturating_sub(fits).saturating_add(FRAMES / 2) / FRAMES;
        for _ in 0..fits + packets_more * FRAMES {
            self.put(None, packets);
        }
        for frame in mem::take(&mut self.waiting) {
            self.put(Some(frame), packets);
        }
        self.astray = 0;
    }

    /// Fills the next place. A full packet goes out when the next one begins, not before: only the next
    /// sync proves that none of its frames vanished.
    fn put(&mut self, frame: Option<Frame>, packets: &mut Vec<Packet>) {
        let mut place = self.place.unwrap_or(0);
        if place >= FRAMES {
            let frames = mem::take(&mut self.packet);
            packets.push(Packet { frames });
            place = 0;
        }
        if let Some(slot) = self.packet.get_mut(place) {
            *slot = frame;
        }
        self.place = Some(place + 1);
    }
}

impl Frame {
    /// Five bytes, if they are a frame.
    #[must_use]
    pub fn parse(layout: Layout, bytes: [u8; FRAME]) -> Option<Self> {
        let [first, second, third, other, check] = bytes;
        let sum = first
            .wrapping_add(second)
            .wrapping_add(third)
            .wrapping_add(other);
        let (status, pleth) = match layout {
            Layout::Format2 => (second, u16::from(third)),
            Layout::Format7 => (first, u16::from_be_bytes([second, third])),
        };
        let starts = layout == Layout::Format7 || first == START;
        if !starts || status & ALWAYS == 0 || sum != check {
            return None;
        }
        Some(Self {
            status: Status(status),
            pleth,
            other,
        })
    }
}

/// The streams that every format has.
fn vitals() -> [StreamSpec; 2] {
    [
        numeric::stream("spo2", MDC_PULS_OXIM_SAT_O2, "%"),
        numeric::stream("pulse-rate", MDC_PULS_OXIM_PULS_RATE, "/min"),
    ]
}

/// Frames of a packet.
pub const FRAMES: usize = 25;
/// Bytes of a frame.
pub const FRAME: usize = 5;
const START: u8 = 1;
/// Bit 7 of the status is always set.
const ALWAYS: u8 = 1 << 7;
/// 9600 baud, 8 bits, no parity.
const SETTINGS: Settings = Settings {
    baud: 9600,
    odd_parity: false,
};

const MDC_PULS_OXIM_SAT_O2: u32 = 150_456;
const MDC_PULS_OXIM_PULS_RATE: u32 = 149_530;

#[cfg(test)]
mod tests;
