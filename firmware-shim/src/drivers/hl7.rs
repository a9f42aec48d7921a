//! HL7 version 2 observations (ORU^R01) as IHE PCD-01 carries them, over MLLP.
//!
//! A [`Framer`] cuts a stream of bytes into messages (HL7 Transport Specification: MLLP, release 1: VT, message,
//! FS, CR), a [`Session`] turns each message into readings and an acknowledgement. Neither does I/O. Promises
//! that only MSH, OBR, OBX and the location of PV1 are ever looked at, so that nothing of a patient's identity
//! is read; that a simulated or tested value keeps its mark; that a value in a unit other than the stream's is
//! never taken; and that messages of a second sender are refused, because two beds in one stream would be
//! one patient's record holding another's values.

mod message;
mod metrics;
mod mllp;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use metrics::streams;
pub use mllp::{Framer, Piece, frame};

use crate::reading::{Quality, Reading};
use message::Message;

/// What one monitor says, and what it is answered.
#[derive(Debug, Default)]
pub struct Session {
    /// The only one listened to; the first to speak, if it is not said.
    sender: Option<String>,
}

impl Session {
    /// Listens to one sender: `<MSH-3>@<PV1-3>`, or `<MSH-3>` of one that names no location.
    #[must_use]
    pub const fn new(sender: Option<String>) -> Self {
        Self { sender }
    }

    /// Takes one message, appends its readings, and says what to answer. Nothing can be answered to what is no
    /// HL7 message at all.
    pub fn take(&mut self, bytes: &[u8], readings: &mut Vec<Reading>) -> Option<String> {
        let text = ascii(bytes);
        let message = Message::parse(&text)?;
        let refused = self.refuse(&message);
        if refused.is_none() {
            message.read(readings);
        }
        let (code, text) =
            refused.map_or_else(|| ("AA", String::new()), |text| ("AR", format!("|{text}")));
        Some(message.acknowledge(code, &text))
    }

    fn refuse(&mut self, message: &Message<'_>) -> Option<String> {
        if !message.is_observation() {
            return Some(format!(
                "{} is not taken here, only ORU^R01",
                message.kind()
            ));
        }
        let sender = self.sender.get_or_insert_with(|| message.sender());
        if !message.is_from(sender) {
            return Some(format!("this address listens to {sender} only"));
        }
        None
    }
}

/// A message as ASCII: a byte beyond it is a question mark.
fn ascii(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => {
            let byte = |byte: &u8| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    '?'
                }
            };
            Cow::Owned(bytes.iter().map(byte).collect())
        }
    }
}

/// What OBX-8 and MSH-11 say of a value's quality.
fn quality(flags: &str, demo: bool) -> Quality {
    let says = |flag: &str| flags.split('~').any(|word| word.trim() == flag);
    Quality {
        questionable: says("QUES") || says("EARLY"),
        over_range: says(">"),
        under_range: says("<"),
        calibrating: says("CAL"),
        demo: demo || says("DEMO") || says("TEST"),
        ..Quality::default()
    }
}
