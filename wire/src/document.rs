//! Reads TOML and notes every fault at once, each with its key path and a hint.
//!
//! Owns [`Section`], one table that is taken apart key by key, and [`Faults`], what was wrong. Promises
//! that a key nobody asked for is a fault with the nearest known key as its hint, so that a slip of the
//! pen is never silently ignored. Refuses to guess: a value of the wrong type is a fault, not a default.

mod faults;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::{Table, Value};

pub use faults::{Fault, Faults};

/// One table of a document.
#[derive(Debug)]
pub struct Section {
    path: String,
    table: Table,
    asked: Vec<&'static str>,
}

impl Section {
    /// The outermost table of a TOML text.
    ///
    /// # Errors
    /// When the text is not TOML; the fault names line and column.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        match text.parse::<Table>() {
            Ok(table) => Ok(Self::new(String::new(), table)),
            Err(error) => {
                let mut faults = Faults::default();
                faults.note(
                    "",
                    format!("not valid TOML: {}", error.to_string().trim_end()),
                );
                Err(faults)
            }
        }
    }

    const fn new(path: String, table: Table) -> Self {
        Self {
            path,
            table,
            asked: Vec::new(),
        }
    }

    /// The full path of one of its keys.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Text, if the key is there.
    pub fn text(&mut self, key: &'static str, faults: &mut Faults) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => self.wrong_type(key, "text in quotes", &other, faults),
        }
    }

    /// A whole number within `range`, if the key is there.
    pub fn integer(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        faults: &mut Faults,
    ) -> Option<i64> {
        match self.take(key)? {
            Value::Integer(number) if range.contains(&number) => Some(number),
            Value::Integer(number) => {
                let allowed = format!("{} to {}", range.start(), range.end());
                faults.note_with_hint(self.path(key), format!("{number} is out of range"), allowed);
                None
            }
            other => self.wrong_type(key, "a whole number", &other, faults),
        }
    }

    /// A number above 0 with or without fraction, if the key is there.
    pub fn factor(&mut self, key: &'static str, faults: &mut Faults) -> Option<f64> {
        let number = match self.take(key)? {
            Value::Float(number) => number,
            Value::Integer(number) => f64::from(i32::try_from(number).unwrap_or(-1)),
            other => return self.wrong_type(key, "a number", &other, faults),
        };
        if number.is_finite() && number > 0.0 {
            return Some(number);
        }
        faults.note(self.path(key), format!("{number} is not a number above 0"));
        None
    }

    /// True or false, if the key is there.
    pub fn flag(&mut self, key: &'static str, faults: &mut Faults) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(flag) => Some(flag),
            other => self.wrong_type(key, "true or false", &other, faults),
        }
    }

    /// A duration such as `"500ms"` or `"1m 30s"` within `range`, if the key is there.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<Duration>,
        faults: &mut Faults,
    ) -> Option<Duration> {
        let text = match self.take(key)? {
            Value::String(text) => text,
            other => return self.wrong_type(key, "a duration such as \"500ms\"", &other, faults),
        };
        match humantime::parse_duration(&text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let from = humantime::format_duration(*range.start());
                let to = humantime::format_duration(*range.end());
                faults.note_with_hint(
                    self.path(key),
                    format!("{text} is out of range"),
                    format!("{from} to {to}"),
                );
                None
            }
            Err(_) => {
                let hint = "a number and a unit, such as \"500ms\", \"1s\" or \"2m\"";
                faults.note_with_hint(self.path(key), format!("not a duration: {text:?}"), hint);
                None
            }
        }
    }

    /// Text that another type accepts, if the key is there.
    pub fn parsed<T>(&mut self, key: &'static str, faults: &mut Faults) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.text(key, faults)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                faults.note(self.path(key), format!("{text:?}: {error}"));
                None
            }
        }
    }

    /// One of several words, if the key is there.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        faults: &mut Faults,
    ) -> Option<T> {
        let text = self.text(key, faults)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<_> = choices
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect();
        let hint = format!("one of {}", words.join(", "));
        faults.note_with_hint(self.path(key), format!("unknown value {text:?}"), hint);
        None
    }

    /// A list of texts; empty if the key is not there.
    pub fn texts(&mut self, key: &'static str, faults: &mut Faults) -> Vec<String> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(other) => {
                let _: Option<()> = self.wrong_type(key, "a list of texts", &other, faults);
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            match value {
                Value::String(text) => texts.push(text),
                other => faults.note(
                    format!("{}[{index}]", self.path(key)),
                    format!("this is {}, it must be text in quotes", article(&other)),
                ),
            }
        }
        texts
    }

    /// A table within, if the key is there.
    pub fn section(&mut self, key: &'static str, faults: &mut Faults) -> Option<Self> {
        match self.take(key)? {
            Value::Table(table) => Some(Self::new(self.path(key), table)),
            other => self.wrong_type(key, "a table", &other, faults),
        }
    }

    /// The tables of a list such as `[[device]]`; empty if the key is not there.
    pub fn sections(&mut self, key: &'static str, faults: &mut Faults) -> Vec<Self> {
        let values = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(other) => {
                let _: Option<()> =
                    self.wrong_type(key, "a list of tables ([[...]])", &other, faults);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path(key));
            match value {
                Value::Table(table) => sections.push(Self::new(path, table)),
                other => faults.note(
                    path,
                    format!("this is {}, it must be a table", article(&other)),
                ),
            }
        }
        sections
    }

    /// Notes a fault if `value`, which was asked for under `key`, is not there.
    pub fn require<T>(&self, key: &str, value: Option<T>, faults: &mut Faults) -> Option<T> {
        let noted = |fault: &Fault| fault.path == self.path(key);
        if value.is_none() && !faults.iter().any(noted) {
            faults.note(self.path(key), "this key is missing");
        }
        value
    }

    /// Ends the reading: whatever is left over is a fault.
    pub fn finish(self, faults: &mut Faults) {
        for key in self.table.keys() {
            let nearest = self
                .asked
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, key), *known))
                .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
                .min();
            let path = self.path(key);
            match nearest {
                Some((_, known)) => {
                    faults.note_with_hint(path, "unknown key", format!("did you mean {known:?}?"));
                }
                None => {
                    let known: Vec<_> = self.asked.iter().map(|key| format!("{key:?}")).collect();
                    faults.note_with_hint(
                        path,
                        "unknown key",
                        format!("known here: {}", known.join(", ")),
                    );
                }
            }
        }
    }

    fn wrong_type<T>(
        &self,
        key: &str,
        wanted: &str,
        found: &Value,
        faults: &mut Faults,
    ) -> Option<T> {
        let problem = format!("this is {}, it must be {wanted}", article(found));
        faults.note(self.path(key), problem);
        None
    }
}

const fn article(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_at_once_with_its_path() {
        let mut faults = Faults::default();
        let mut root = Section::parse("periud = 1\nrate = \"fast\"\n[[device]]\nid = 3\n").unwrap();
        assert_eq!(
            root.duration("period", Duration::ZERO..=Duration::MAX, &mut faults),
            None
        );
        assert_eq!(root.integer("rate", 1..=9, &mut faults), None);
        for mut device in root.sections("device", &mut faults) {
            let id = device.text("id", &mut faults);
            assert_eq!(device.require("id", id, &mut faults), None);
            device.finish(&mut faults);
        }
        root.finish(&mut faults);
        let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "rate: this is text, it must be a whole number",
                "device[0].id: this is a whole number, it must be text in quotes",
                "periud: unknown key (hint: did you mean \"period\"?)",
            ]
        );
    }
}
