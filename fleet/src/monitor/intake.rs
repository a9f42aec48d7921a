//! From messages to the archive: what each is, whether it is believed, and where it goes.
//!
//! Promises that every message of a group ends as stored, noted or refused with a reason, whatever it
//! holds, and that only an archive that cannot store is an error.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wardlink_wire::batch::Batch;
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::{Message, OpenError, PayloadMasterKey};
use wardlink_wire::state::{ConfigState, State};
use wardlink_wire::topic::{Subject, Topic};
use wardlink_wire::{SCHEMA, birth::Birth, lane::Lane};

use crate::archive::{Archive, ArchiveError, Group, Note, Refusal};

/// One message as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
}

/// What became of a group of messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Whose receipts have to be sent.
    pub(super) gateways: BTreeSet<GatewayId>,
    pub(super) new: u64,
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) refusals: Vec<Refusal>,
}

/// Stores a group of messages; returns once all of it is committed.
pub(super) fn store<'a>(
    archive: &mut Archive,
    master: &PayloadMasterKey,
    arrivals: impl Iterator<Item = Arrival<'a>>,
    received_ns: i64,
) -> Result<Stored, ArchiveError> {
    let mut group = archive.group()?;
    let mut stored = Stored::default();
    for arrival in arrivals {
        let taken = take(&mut group, &mut stored, master, arrival, received_ns)?;
        if let Err(refusal) = taken {
            group.refuse(arrival.topic, arrival.payload, &refusal, received_ns)?;
            stored.refusals.push(refusal);
        }
    }
    group.commit()?;
    Ok(stored)
}

fn take(
    group: &mut Group<'_>,
    stored: &mut Stored,
    master: &PayloadMasterKey,
    arrival: Arrival<'_>,
    received_ns: i64,
) -> Result<Result<(), Refusal>, ArchiveError> {
    // A defect in a parser, ours or another's, must cost one message and not the monitor.
    let judged = catch_unwind(AssertUnwindSafe(|| judge(arrival, master)));
    let content = match judged {
        Ok(Ok(content)) => content,
        Ok(Err(refusal)) => return Ok(Err(refusal)),
        Err(_) => {
            return Ok(refuse(
                "defect",
                "reading this message failed in the program",
            ));
        }
    };
    let batches = match content {
        Content::Note(gateway, note) => {
            group.note(&gateway, note, arrival.payload)?;
            // Said of an archive that was put back, the receipt at the broker may promise what is gone.
            if note == Note::Birth {
                stored.gateways.insert(gateway);
            }
            return Ok(Ok(()));
        }
        Content::Batches(batches) => batches,
    };
    // Each of several batches in one message is stored or refused as if it had come alone.
    let mut refused = Ok(());
    for (batch, bytes) in batches {
        let inserted = insert(group, stored, &batch, &bytes, received_ns)?;
        refused = refused.and(inserted);
    }
    Ok(refused)
}

fn insert(
    group: &mut Group<'_>,
    stored: &mut Stored,
    batch: &Batch,
    bytes: &[u8],
    received_ns: i64,
) -> Result<Result<(), Refusal>, ArchiveError> {
    match group.insert(batch, bytes, received_ns) {
        Ok(inserted) => {
            stored.gateways.insert(batch.gateway.clone());
            stored.new += inserted.new;
            stored.duplicates += inserted.duplicate;
            stored.conflicts += inserted.conflicting;
            if inserted.conflicting == 0 {
                return Ok(Ok(()));
            }
            let detail = format!(
                "{} {} from {}: {} places are held with other content; the first was kept",
                batch.gateway, batch.lane, batch.first, inserted.conflicting
            );
            Ok(refuse("conflict", detail))
        }
        Err(error) if error.is_about_content() => Ok(refuse("not-storable", error.to_string())),
        Err(error) => Err(error),
    }
}

enum Content {
    /// Each with its encoded bytes.
    Batches(Vec<(Batch, Vec<u8>)>),
    Note(GatewayId, Note),
}

fn judge(arrival: Arrival<'_>, master: &PayloadMasterKey) -> Result<Content, Refusal> {
    let topic = Topic::parse(arrival.topic).or_else(|error| refuse("topic", error.to_string()))?;
    match topic.subject {
        Subject::Lane(lane) => opened(arrival.payload, &topic.gateway, lane, master),
        Subject::Birth => said(
            arrival.payload,
            topic.gateway,
            Note::Birth,
            |birth: &Birth| (birth.schema, &birth.gateway),
        ),
        Subject::State => said(
            arrival.payload,
            topic.gateway,
            Note::State,
            |state: &State| (state.schema, &state.gateway),
        ),
        Subject::ConfigState => said(
            arrival.payload,
            topic.gateway,
            Note::ConfigState,
            |state: &ConfigState| (state.schema, &state.gateway),
        ),
        Subject::Receipt | Subject::Config => refuse("topic", "not for the monitor"),
    }
}

/// Opens sealed batches that must be where their topic says.
fn opened(
    payload: &[u8],
    gateway: &GatewayId,
    lane: Lane,
    master: &PayloadMasterKey,
) -> Result<Content, Refusal> {
    let message = Message::decode(payload).or_else(|error| refuse("shape", error.to_string()))?;
    let head = message.head();
    if head.schema != SCHEMA {
        return refuse(
            "schema",
            format!("schema {}, only {SCHEMA} is known", head.schema),
        );
    }
    if (&head.gateway, head.lane) != (gateway, lane) {
        let said = format!(
            "says {} {} on the topic of {gateway} {lane}",
            head.gateway, head.lane
        );
        return refuse("other-topic", said);
    }
    let key = master
        .for_gateway(gateway)
        .or_else(|error| refuse("seal", error.to_string()))?;
    match message.open(&key) {
        Ok(batches) => Ok(Content::Batches(batches)),
        Err(error) => {
            let reason = match error {
                OpenError::Envelope => "shape",
                OpenError::Seal => "seal",
                OpenError::Head => "other-batch",
                OpenError::Batch(_) => "batch",
            };
            refuse(reason, error.to_string())
        }
    }
}

/// Reads what a gateway says of itself, far enough to know that it does.
fn said<T: serde::de::DeserializeOwned + serde::Serialize>(
    payload: &[u8],
    gateway: GatewayId,
    note: Note,
    head: impl Fn(&T) -> (u16, &GatewayId),
) -> Result<Content, Refusal> {
    let said: T =
        codec::decode(payload, LIMIT).or_else(|error| refuse("shape", error.to_string()))?;
    match head(&said) {
        (schema, _) if schema != SCHEMA => {
            refuse("schema", format!("schema {schema}, only {SCHEMA} is known"))
        }
        (_, other) if *other != gateway => refuse(
            "other-topic",
            format!("says {other} on the topic of {gateway}"),
        ),
        _ => Ok(Content::Note(gateway, note)),
    }
}

fn refuse<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        reason,
        detail: detail.into(),
    })
}

/// What gateways say openly of themselves: some hundred devices.
const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    depth: 16,
};

#[cfg(test)]
mod tests;
