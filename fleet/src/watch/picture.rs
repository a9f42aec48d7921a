//! What is drawn: a line for each gateway, and how many are in trouble.

use wardlink_terminal::ratatui::Frame;
use wardlink_terminal::ratatui::layout::{Constraint, Layout};
use wardlink_terminal::ratatui::style::{Color, Style, Stylize};
use wardlink_terminal::ratatui::text::Line;
use wardlink_terminal::ratatui::widgets::{Row, Table};

use super::trouble::{self, Trouble};
use crate::gateways::report::Report;

pub(super) fn draw(frame: &mut Frame<'_>, mut reports: Vec<Report>, away: Option<&str>) {
    trouble::sort(&mut reports);
    let [head, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let count = reports.len();
    let well = reports
        .iter()
        .filter(|report| Trouble::of(report) == Trouble::Well)
        .count();
    let title = format!("{count} gateways, {well} well");
    frame.render_widget(Line::from(title).bold(), head);
    let widths = [
        Constraint::Length(20),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Min(10),
    ];
    let header = [
        "gateway",
        "state",
        "profile",
        "backlog",
        "oldest",
        "cert days",
        "faults",
    ];
    let rows = reports.iter().map(line);
    frame.render_widget(
        Table::new(rows, widths).header(Row::new(header).dim()),
        table,
    );
    let below = match away {
        Some(away) => Line::from(format!("no news: {away}")).style(Style::new().fg(Color::Red)),
        None => Line::from("q leaves").dim(),
    };
    frame.render_widget(below, foot);
}

fn line(report: &Report) -> Row<'static> {
    let colour = match Trouble::of(report) {
        Trouble::Away | Trouble::Faults => Color::Red,
        Trouble::Expiring | Trouble::Behind | Trouble::Bundle => Color::Yellow,
        Trouble::Unknown => Color::DarkGray,
        Trouble::Well => Color::Green,
    };
    let number = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    Row::new([
        report.gateway.clone(),
        report.state.as_str().to_owned(),
        number(report.profile.map(|profile| profile.to_string())),
        number(report.backlog().map(|backlog| backlog.to_string())),
        number(report.oldest_age_s().map(|age| format!("{age} s"))),
        number(report.certificate_days.map(|days| days.to_string())),
        faults(report),
    ])
    .style(Style::new().fg(colour))
}

/// Everything that is wrong by its own words, in one line.
fn faults(report: &Report) -> String {
    let health = report.health.iter();
    let mut words: Vec<String> = health
        .flat_map(|health| {
            let lost = health
                .devices_lost
                .iter()
                .map(|device| format!("{device} gives no readings"));
            lost.chain(health.faults.iter().cloned())
        })
        .collect();
    if let Some(bundle) = &report.bundle
        && !bundle.reason.is_empty()
    {
        words.push(format!("bundle: {}", bundle.reason));
    }
    words.join("; ").escape_debug().to_string()
}
