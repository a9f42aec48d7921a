//! The tables.

use rusqlite::{Connection, TransactionBehavior};

use super::RosterError;

/// Makes the tables in an empty file; checks the version of one that is not.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), RosterError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(RosterError::Version(other)),
    }
    Ok(transaction.commit()?)
}

/// The version of the tables below.
pub(super) const VERSION: i64 = 1;

const TABLES: &str = "
-- `good` is the profile that was last seen to work: what a failed rollout goes back to.
CREATE TABLE gateway (
    name TEXT PRIMARY KEY,
    enrolled INTEGER NOT NULL,
    good TEXT NOT NULL,
    good_version INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE membership (
    team TEXT NOT NULL,
    gateway TEXT NOT NULL REFERENCES gateway,
    PRIMARY KEY (team, gateway)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    gateway TEXT NOT NULL REFERENCES gateway,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (gateway, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificate (
    serial TEXT PRIMARY KEY,
    party TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    pem TEXT NOT NULL,
    issued INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    revoked INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX certificate_of_party ON certificate (party, issued);

-- `request` and `answer` are those of its one use.
CREATE TABLE claim (
    id TEXT PRIMARY KEY,
    gateway TEXT NOT NULL,
    secret BLOB NOT NULL,
    serial TEXT NOT NULL,
    teams TEXT NOT NULL,
    profile TEXT NOT NULL,
    broker TEXT NOT NULL,
    days INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    withdrawn INTEGER,
    request BLOB,
    answer BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE version (target TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE rollout (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    begun INTEGER NOT NULL,
    source TEXT NOT NULL,
    valid INTEGER NOT NULL,
    patience INTEGER NOT NULL,
    soak INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

-- One gateway of a rollout. `parcel` is here before it is published; `faults` is what was wrong before.
CREATE TABLE step (
    rollout INTEGER NOT NULL REFERENCES rollout,
    gateway TEXT NOT NULL REFERENCES gateway,
    wave INTEGER NOT NULL,
    profile TEXT NOT NULL,
    before TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    faults TEXT NOT NULL DEFAULT '',
    version INTEGER,
    parcel BLOB,
    PRIMARY KEY (rollout, gateway)
) STRICT, WITHOUT ROWID;
";
