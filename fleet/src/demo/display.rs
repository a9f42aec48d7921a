//! What a person sees while the demo runs.
//!
//! On a terminal a small block that is redrawn in place; anywhere else one line every few seconds, so that
//! a log stays readable. Standard output is left alone when it has to carry the JSON line.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use super::progress::Snapshot;

/// Where progress is shown, and how.
pub(super) struct Display {
    out: Box<dyn Write + Send>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Redrawn in place; so many lines are on the screen.
    Block { drawn: usize },
    /// One line now and then; when the last one was written.
    Lines { last: Option<Instant> },
}

impl Display {
    /// On standard output, or on standard error if the former carries JSON.
    pub(super) fn new(json: bool) -> Self {
        let terminal = if json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        Self {
            out: if json {
                Box::new(io::stderr())
            } else {
                Box::new(io::stdout())
            },
            form: if terminal {
                Form::Block { drawn: 0 }
            } else {
                Form::Lines { last: None }
            },
        }
    }

    /// Shows a snapshot, if it is time to.
    pub(super) fn show(&mut self, snapshot: &Snapshot) {
        match &mut self.form {
            Form::Block { drawn } => {
                let width = width();
                let lines = block(snapshot);
                let mut text = rewind(*drawn);
                for line in &lines {
                    text.extend(line.chars().take(width));
                    text.push('\n');
                }
                *drawn = lines.len();
                self.write(&text);
            }
            Form::Lines { last } => {
                if last.is_some_and(|last| last.elapsed() < EVERY) {
                    return;
                }
                *last = Some(Instant::now());
                let text = line(snapshot) + "\n";
                self.write(&text);
            }
        }
    }

    /// Says something once; it stays.
    pub(super) fn say(&mut self, text: &str) {
        let mut rewound = String::new();
        if let Form::Block { drawn } = &mut self.form {
            rewound = rewind(std::mem::take(drawn));
        }
        self.write(&(rewound + text.trim_end() + "\n"));
    }

    fn write(&mut self, text: &str) {
        // A reader that went away must not end the run: its account is still wanted.
        drop(
            self.out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush()),
        );
    }
}

/// Back to the first of the lines on the screen, and clear from there (ECMA-48 CPL, ED).
fn rewind(drawn: usize) -> String {
    if drawn == 0 {
        String::new()
    } else {
        format!("\x1b[{drawn}F\x1b[J")
    }
}

fn width() -> usize {
    let size = tcgetwinsize(io::stderr()).or_else(|_| tcgetwinsize(io::stdout()));
    size.map_or(80, |size| usize::from(size.ws_col).max(20))
}

fn block(snapshot: &Snapshot) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{}   link {}   {}",
            clock(snapshot),
            link(snapshot),
            freshness(snapshot)
        ),
        format!(
            "{:<8}{:>12}{:>12}{:>12}{:>10}",
            "lane", "records/s", "recorded", "delivered", "backlog"
        ),
    ];
    lines.extend(snapshot.lanes.iter().map(|lane| {
        format!(
            "{:<8}{:>12.1}{:>12}{:>12}{:>10}",
            lane.lane.as_str(),
            lane.rate,
            lane.recorded,
            lane.delivered,
            lane.backlog
        )
    }));
    lines.push(format!("{} receipts", snapshot.receipts));
    lines.extend(
        snapshot
            .trouble
            .iter()
            .map(|trouble| format!("! {trouble}")),
    );
    lines
}

fn line(snapshot: &Snapshot) -> String {
    let mut parts = vec![clock(snapshot), format!("link {}", link(snapshot))];
    parts.extend(snapshot.lanes.iter().map(|lane| {
        format!(
            "{} {:.1}/s {} of {}",
            lane.lane, lane.rate, lane.delivered, lane.recorded
        )
    }));
    parts.push(format!("backlog {}", snapshot.backlog));
    parts.push(freshness(snapshot));
    parts.push(format!("{} receipts", snapshot.receipts));
    parts.extend(
        snapshot
            .trouble
            .iter()
            .map(|trouble| format!("! {trouble}")),
    );
    parts.join("  ")
}

fn clock(snapshot: &Snapshot) -> String {
    let elapsed = snapshot.elapsed.as_secs();
    match snapshot.planned {
        Some(planned) => format!("{elapsed} s of {} s", planned.as_secs()),
        None => format!("{elapsed} s"),
    }
}

fn link(snapshot: &Snapshot) -> String {
    match snapshot.outage_left {
        Some(left) => format!(
            "{} (broker cut off for another {:.0} s)",
            snapshot.link,
            left.as_secs_f64().ceil()
        ),
        None => snapshot.link.clone(),
    }
}

fn freshness(snapshot: &Snapshot) -> String {
    match snapshot.newest_age {
        Some(age) => format!("newest value {:.1} s old", age.as_secs_f64()),
        None => "nothing has arrived yet".to_owned(),
    }
}

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use wardlink_wire::lane::Lane;

    use super::*;
    use crate::demo::progress::LaneLine;

    fn snapshot() -> Snapshot {
        Snapshot {
            elapsed: Duration::from_secs(12),
            planned: Some(Duration::from_secs(30)),
            link: "connecting".to_owned(),
            outage_left: Some(Duration::from_millis(6200)),
            receipts: 4,
            backlog: 17,
            newest_age: Some(Duration::from_millis(900)),
            lanes: vec![LaneLine {
                lane: Lane::Wave,
                rate: 3.0,
                recorded: 36,
                delivered: 19,
                backlog: 17,
            }],
            trouble: vec!["ecg (ads1292r) is lost".to_owned()],
        }
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn display(form: Form) -> (Display, Page) {
        let page = Page::default();
        let out = Box::new(page.clone());
        (Display { out, form }, page)
    }

    fn text(page: &Page) -> String {
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn everything_a_person_needs_is_in_both_forms() {
        for text in [block(&snapshot()).join("\n"), line(&snapshot())] {
            for part in [
                "12 s of 30 s",
                "connecting (broker cut off for another 7 s)",
                "0.9 s old",
                "wave",
                "3.0",
                "36",
                "19",
                "17",
                "4 receipts",
                "! ecg (ads1292r) is lost",
            ] {
                assert!(text.contains(part), "{part:?} is missing in\n{text}");
            }
        }
    }

    #[test]
    fn a_block_goes_back_exactly_over_what_it_drew() {
        let (mut display, page) = display(Form::Block { drawn: 0 });
        display.show(&snapshot());
        let first = text(&page);
        assert!(!first.contains('\x1b'), "{first:?}");
        display.show(&snapshot());
        let second = text(&page).split_off(first.len());
        let lines = first.matches('\n').count();
        assert!(
            second.starts_with(&format!("\x1b[{lines}F\x1b[J")),
            "{second:?}"
        );
        display.say("done");
        assert!(text(&page).ends_with("\x1b[Jdone\n"));
    }

    #[test]
    fn a_log_gets_no_control_characters_and_no_flood() {
        let (mut display, page) = display(Form::Lines { last: None });
        display.show(&snapshot());
        display.show(&snapshot());
        let text = text(&page);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\x1b'));
    }
}
