//! What is drawn: a table of numbers, and the last seconds of each wave.

use std::collections::VecDeque;
use std::time::Duration;

use wardlink_firmware_shim::reading::{Body, Reading, StreamKind, StreamSpec};
use wardlink_terminal::ratatui::Frame;
use wardlink_terminal::ratatui::layout::{Constraint, Layout};
use wardlink_terminal::ratatui::style::{Color, Style, Stylize};
use wardlink_terminal::ratatui::symbols::Marker;
use wardlink_terminal::ratatui::text::Line;
use wardlink_terminal::ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Row, Table};

use super::super::text;

/// The state of the picture.
#[derive(Debug)]
pub(super) struct Picture {
    title: String,
    rows: Vec<Seen>,
    /// What went wrong, until readings come again.
    pub(super) fault: Option<String>,
}

/// What was seen of one stream.
#[derive(Debug)]
struct Seen {
    stream: StreamSpec,
    /// The last reading in words, and when it came.
    last: Option<(String, Duration)>,
    /// The last samples; none where there was no value.
    wave: VecDeque<Option<f64>>,
}

impl Picture {
    pub(super) fn new(title: String, streams: Vec<StreamSpec>) -> Self {
        let rows = streams.into_iter().map(|stream| Seen {
            stream,
            last: None,
            wave: VecDeque::new(),
        });
        Self {
            title,
            rows: rows.collect(),
            fault: None,
        }
    }

    /// Takes what the device said at a time.
    pub(super) fn take(&mut self, readings: Vec<Reading>, now: Duration) {
        for reading in readings {
            if let Some(row) = self.rows.get_mut(reading.stream) {
                row.take(&reading, now);
                if !matches!(reading.body, Body::Absent { .. }) {
                    self.fault = None;
                }
            }
        }
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>, now: Duration) {
        let is_wave = |row: &&Seen| row.stream.kind == StreamKind::Waveform;
        let (waves, numbers): (Vec<_>, Vec<_>) = self.rows.iter().partition(is_wave);
        let numbers: Vec<_> = numbers
            .into_iter()
            .filter(|row| row.last.is_some())
            .collect();
        let height = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
        let [head, table, charts, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(height.saturating_add(1)),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Line::from(self.title.as_str()).bold(), head);
        let rows = numbers.iter().map(|row| row.line(now));
        let widths = [
            Constraint::Length(28),
            Constraint::Min(20),
            Constraint::Length(8),
        ];
        let header = Row::new(["stream", "value", "age"]).dim();
        frame.render_widget(Table::new(rows, widths).header(header), table);
        let areas = Layout::vertical(vec![Constraint::Fill(1); waves.len()]).split(charts);
        for (wave, area) in waves.iter().zip(areas.iter()) {
            let points = wave.points();
            frame.render_widget(wave.chart(&points), *area);
        }
        let foot_line = match &self.fault {
            Some(fault) => Line::from(fault.as_str()).style(Style::new().fg(Color::Red)),
            None => Line::from("q leaves").dim(),
        };
        frame.render_widget(foot_line, foot);
    }
}

impl Seen {
    fn take(&mut self, reading: &Reading, now: Duration) {
        self.last = Some((text::words(&self.stream, reading), now));
        let Some(sampling) = self.stream.sampling else {
            return;
        };
        let scale = |value: i32| {
            let steps = 10_f64.powi(i32::from(sampling.scale.exponent));
            Some(f64::from(value) * f64::from(clamp(sampling.scale.mantissa)) * steps)
        };
        match &reading.body {
            Body::Samples { values, .. } => self.wave.extend(values.iter().copied().map(scale)),
            Body::Numeric { raw: Some(raw), .. } => self.wave.push_back(scale(*raw)),
            Body::Absent { count, .. } => {
                let count = usize::try_from(*count)
                    .unwrap_or(usize::MAX)
                    .min(self.room());
                self.wave.extend(std::iter::repeat_n(None, count));
            }
            Body::Numeric { .. } | Body::Alarm { .. } => {}
        }
        let room = self.room();
        let surplus = self.wave.len().saturating_sub(room);
        self.wave.drain(..surplus);
    }

    /// How many samples the picture shows.
    fn room(&self) -> usize {
        let rate = self.stream.sampling.map_or(1, |sampling| {
            sampling.rate_numerator / sampling.rate_denominator.max(1)
        });
        usize::try_from(rate.saturating_mul(SECONDS)).unwrap_or(usize::MAX)
    }

    fn line(&self, now: Duration) -> Row<'_> {
        let (words, since) = self
            .last
            .as_ref()
            .map_or(("", now), |(words, since)| (words.as_str(), *since));
        let age = now.saturating_sub(since);
        let style = if words.starts_with("no value") {
            Style::new().fg(Color::Yellow)
        } else {
            Style::new().fg(Color::Green)
        };
        Row::new([
            self.stream.name.clone(),
            words.to_owned(),
            format!("{} s", age.as_secs()),
        ])
        .style(style)
    }

    fn points(&self) -> Vec<(f64, f64)> {
        let places = (0_u32..).map(f64::from);
        let points = places.zip(&self.wave);
        points
            .filter_map(|(place, value)| Some((place, (*value)?)))
            .collect()
    }

    fn chart<'a>(&'a self, points: &'a [(f64, f64)]) -> Chart<'a> {
        let values = points.iter().map(|(_, value)| *value);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let bounds = if low < high { [low, high] } else { [0.0, 1.0] };
        let room = u32::try_from(self.room()).map_or(1.0, f64::from);
        let line = Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(Color::Cyan))
            .data(points);
        let said = self
            .last
            .as_ref()
            .filter(|(words, _)| words.starts_with("no value"));
        let title = said.map_or_else(
            || self.stream.name.clone(),
            |(words, _)| format!("{}: {words}", self.stream.name),
        );
        Chart::new(vec![line])
            .block(Block::bordered().title(title))
            .x_axis(Axis::default().bounds([0.0, room]))
            .y_axis(Axis::default().bounds(bounds))
    }
}

/// Scales have few digits.
fn clamp(mantissa: i64) -> i32 {
    i32::try_from(mantissa).unwrap_or(i32::MAX)
}

/// Seconds of a wave that are shown.
const SECONDS: u64 = 5;
