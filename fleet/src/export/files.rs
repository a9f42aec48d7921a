//! The files of an export: their names and how they come into being.
//!
//! Promises that a name stays within the directory whatever a gateway called its stream, that no two
//! streams share a file, and that a file has its name only when it is complete.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// Hands out names in one directory.
#[derive(Debug)]
pub(super) struct Names {
    directory: PathBuf,
    taken: BTreeSet<String>,
}

impl Names {
    pub(super) fn within(directory: &Path) -> Result<Self, ExportError> {
        fs::create_dir_all(directory).map_err(|error| ExportError::file(directory, error))?;
        Ok(Self {
            directory: directory.to_owned(),
            taken: BTreeSet::new(),
        })
    }

    /// A name of these parts that no other file has: `a.b.csv`, or `a.b~2.csv` if that is taken.
    pub(super) fn create(&mut self, parts: &[&str], header: &str) -> Result<CsvFile, ExportError> {
        let parts: Vec<String> = parts.iter().map(|part| plain(part)).collect();
        let stem = parts.join(".");
        let mut name = format!("{stem}.csv");
        let mut attempt = 2_u32;
        // Names are compared without case, for file systems that do so.
        while !self.taken.insert(name.to_lowercase()) {
            name = format!("{stem}~{attempt}.csv");
            attempt += 1;
        }
        CsvFile::create(self.directory.join(&name), name, header)
    }
}

/// A file in the making.
#[derive(Debug)]
pub(super) struct CsvFile {
    writer: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    name: String,
    lines: u64,
}

impl CsvFile {
    fn create(path: PathBuf, name: String, header: &str) -> Result<Self, ExportError> {
        let partial = path.with_extension("csv.partial");
        let failed = |error| ExportError::file(&partial, error);
        let mut writer = BufWriter::with_capacity(BUFFER, File::create(&partial).map_err(failed)?);
        writeln!(writer, "{header}").map_err(failed)?;
        Ok(Self {
            writer,
            partial,
            path,
            name,
            lines: 0,
        })
    }

    /// One line; fields that carry text come from [`quoted`].
    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), ExportError> {
        self.lines += 1;
        self.writer
            .write_fmt(line)
            .and_then(|()| self.writer.write_all(b"\n"))
            .map_err(|error| ExportError::file(&self.partial, error))
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<Written, ExportError> {
        let flushed = self
            .writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error);
        flushed
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.partial, &self.path))
            .map_err(|error| ExportError::file(&self.path, error))?;
        Ok(Written {
            name: self.name,
            lines: self.lines,
        })
    }
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name within the directory.
    pub name: String,
    /// Its lines, the header aside.
    pub lines: u64,
}

/// A field as RFC 4180 wants it.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// What is left of a text in a file name.
fn plain(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let kept = text.chars().take(LONGEST_PART);
    let mut plain: String = kept.map(|c| if allowed(c) { c } else { '_' }).collect();
    if plain.is_empty() || plain.starts_with('.') {
        plain.insert(0, '_');
    }
    plain
}

const BUFFER: usize = 64 << 10;
const LONGEST_PART: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stream_name_leaves_the_directory_or_takes_the_file_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut names = Names::within(&out).unwrap();
        let mut files = Vec::new();
        for parts in [
            ["d", "../../x"],
            ["d", "/etc/x"],
            ["d", ""],
            ["d.a", "b"],
            ["d", "a.b"],
            ["d", "A.b"],
        ] {
            let file = names.create(&parts, "h").unwrap();
            files.push(file.finish().unwrap().name);
        }
        assert_eq!(
            files,
            [
                "d._.._.._x.csv",
                "d._etc_x.csv",
                "d._.csv",
                "d.a.b.csv",
                "d.a.b~2.csv",
                "d.A.b~3.csv"
            ]
        );
        assert_eq!(fs::read_dir(&out).unwrap().count(), files.len());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn text_with_separators_stays_one_field() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}
