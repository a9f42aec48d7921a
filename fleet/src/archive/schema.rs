//! The tables.
//!
//! `batch.bytes` is the truth. `record` says where each place is and what it holds, as a digest that tells
//! a repeated record from a conflicting one. `run` is the set of places per lane, as ranges: what receipts
//! and holes are made of. A sequence is a SQLite integer: places beyond 2^63 - 1 are not taken.

use aws_lc_rs::rand;
use rusqlite::{Connection, TransactionBehavior};

use super::ArchiveError;
use crate::pki::hex;

/// Makes the tables in an empty file; checks the version of one that is not.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), ArchiveError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == 0 {
        let mut name = [0; 6];
        rand::fill(&mut name)
            .map_err(|_| ArchiveError::Damaged("the system gives no random bytes"))?;
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(AUDIT)?;
        transaction.execute("INSERT INTO archive (name) VALUES (?1)", [hex(&name)])?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    } else if found == WITHOUT_AUDIT {
        transaction.execute_batch(AUDIT)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    check(connection)
}

/// Checks the version.
pub(super) fn check(connection: &Connection) -> Result<(), ArchiveError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == VERSION {
        Ok(())
    } else {
        Err(ArchiveError::Version { found })
    }
}

/// The version of the tables below.
pub(super) const VERSION: i64 = 2;

/// The version before the heads of audit logs were kept; the monitor adds them when it opens such a file.
const WITHOUT_AUDIT: i64 = 1;

/// The end of each gateway's audit log, as it said last, and how often that contradicted what was known.
const AUDIT: &str = "
CREATE TABLE audit (
    gateway INTEGER PRIMARY KEY REFERENCES gateway,
    entries INTEGER NOT NULL,
    hash BLOB NOT NULL,
    said_ns INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    contradictions INTEGER NOT NULL DEFAULT 0,
    last_ns INTEGER,
    last TEXT
) STRICT;
";

const TABLES: &str = "
CREATE TABLE archive (name TEXT NOT NULL) STRICT;

CREATE TABLE gateway (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    birth BLOB,
    state BLOB,
    config_state BLOB,
    receipts INTEGER NOT NULL DEFAULT 0,
    receipt_ns INTEGER
) STRICT;

-- One lane of one epoch of one gateway: a sequence of its own.
CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway,
    epoch BLOB NOT NULL,
    number INTEGER NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0,
    conflicts INTEGER NOT NULL DEFAULT 0,
    newest_ns INTEGER,
    UNIQUE (gateway, epoch, number)
) STRICT;

-- The places held, as runs that neither touch nor overlap.
CREATE TABLE run (
    lane INTEGER NOT NULL REFERENCES lane,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    touched_ns INTEGER NOT NULL,
    PRIMARY KEY (lane, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL REFERENCES lane,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway,
    device TEXT NOT NULL,
    name TEXT NOT NULL,
    sampled INTEGER NOT NULL,
    UNIQUE (gateway, device, name)
) STRICT;

CREATE TABLE record (
    lane INTEGER NOT NULL REFERENCES lane,
    sequence INTEGER NOT NULL,
    batch INTEGER NOT NULL REFERENCES batch,
    stream INTEGER NOT NULL REFERENCES stream,
    digest BLOB NOT NULL,
    PRIMARY KEY (lane, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_of_stream ON record (stream, lane, sequence);

-- What gap records say: the lane they stand in, the lane they are about, the places that never arrive.
CREATE TABLE gap (
    lane INTEGER NOT NULL REFERENCES lane,
    sequence INTEGER NOT NULL,
    stream INTEGER NOT NULL REFERENCES stream,
    about INTEGER NOT NULL REFERENCES lane,
    first INTEGER,
    last INTEGER,
    cause TEXT NOT NULL,
    PRIMARY KEY (lane, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX gap_about ON gap (about, first);

-- Every refused message is counted; of the newest ones it is kept what they were.
CREATE TABLE refusal (reason TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;

CREATE TABLE refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_ns INTEGER NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;
";
