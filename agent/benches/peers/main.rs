//! The store beside its peers: sled as shipped, redb, fjall and SQLite, in the same run on the same medium.
//!
//! `make bench` runs it. Every figure comes from a process of its own, so that memory and the kernel's
//! counters are that engine's alone. As root it mounts an ext4 file system on a loop device, whose counters
//! say what reached the device; otherwise it writes below the target directory and leaves those columns out.
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `WARDLINK_BENCH_COMMITS` | commits of each append run; 1000 unless told |
//! | `WARDLINK_BENCH_BACKLOG_MIB` | the backlog that is opened and drained; 64 unless told |
//! | `WARDLINK_BENCH_ENGINES` | which engines, by comma; all unless told |
//! | `WARDLINK_BENCH_REPORT` | a Markdown file whose part between the two `measured` marks is replaced |

mod counters;
mod engines;
mod load;
mod orders;
mod place;
mod report;
mod tasks;

use std::io::{Write, stdout};

use anyhow::Context;

use engines::Kind;
use orders::{Order, Step};
use place::Place;
use report::{Commits, Outage, Report};

fn main() -> anyhow::Result<()> {
    if let Some(order) = Order::given()? {
        return tasks::carry_out(&order);
    }
    let commits = number("WARDLINK_BENCH_COMMITS", 1000)?;
    let backlog_mib = number("WARDLINK_BENCH_BACKLOG_MIB", 64)?;
    let kinds = kinds()?;
    let place = Place::prepare(backlog_mib)?;
    let mut report = Report::new(&place, commits, backlog_mib);
    for records in load::RECORDS {
        report
            .encoding
            .push((records, load::cpu_of_encoding(records)?));
    }
    for kind in kinds {
        for records in load::RECORDS {
            note(&format!(
                "{}: {commits} commits of {records} records",
                kind.title()
            ))?;
            let order = Order::new(kind, Step::Append { records, commits }, place.fresh()?);
            let traced = Step::Append {
                records,
                commits: TRACED,
            };
            let syncs = Order::new(kind, traced, place.fresh()?).syncs_seen_by_strace()?;
            let outcome = order.run(&place)?;
            report.commits.push(Commits {
                kind,
                records,
                outcome,
                syncs,
            });
        }
        note(&format!("{}: a backlog of {backlog_mib} MiB", kind.title()))?;
        let folder = place.fresh()?;
        let filled =
            Order::new(kind, Step::Fill { mib: backlog_mib }, folder.clone()).run(&place)?;
        let drained = Order::new(kind, Step::Drain, folder).run(&place)?;
        report.outages.push(Outage {
            kind,
            filled,
            drained,
        });
    }
    report.deliver()
}

/// A progress line; the tables come at the end.
fn note(text: &str) -> anyhow::Result<()> {
    writeln!(stdout(), "peers: {text}")?;
    Ok(())
}

fn kinds() -> anyhow::Result<Vec<Kind>> {
    let Ok(words) = std::env::var("WARDLINK_BENCH_ENGINES") else {
        return Ok(Kind::ALL.to_vec());
    };
    words
        .split(',')
        .map(|word| Kind::named(word).with_context(|| format!("there is no engine {word}")))
        .collect()
}

fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(default),
    }
}

/// strace makes every call slow, so it sees fewer.
const TRACED: u64 = 200;
