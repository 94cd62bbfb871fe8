//! The one reader of this crate's CSV files: the profile and its side file.
//!
//! Comments, blank lines and repeated headers are passed over; every row has as many fields as the header; every line ends with
//! a newline. What the columns mean is up to the caller.

use std::collections::BTreeMap;

use super::error::{Message, ProfileError, ProfileErrorKind};

/// A file while it is read, row by row.
pub(super) struct CsvTable<'a> {
    name: &'a str,
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    header: csv::StringRecord,
    comments: BTreeMap<String, String>,
    row: csv::StringRecord,
    /// Line of the row that was read last, and the byte that it begins with.
    line: usize,
    start: usize,
}

impl<'a> CsvTable<'a> {
    /// Reads comments and header. `name` stands for the file in messages.
    pub(super) fn open(name: &'a str, bytes: &'a [u8]) -> Result<CsvTable<'a>, ProfileError> {
        // Spreadsheets put a byte-order mark before the first line.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|cause| {
            let line = 1 + newlines(&bytes[..cause.valid_up_to()]);
            let message = Message::new(at(name, line), "UTF-8", "another encoding", "mend or remove that line");
            ProfileError::new(ProfileErrorKind::Syntax, message).caused_by(cause)
        })?;
        let comments = comments(name, text)?;
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let (header, row) = (csv::StringRecord::new(), csv::StringRecord::new());
        let mut table = CsvTable { name, text, reader, header, comments, row, line: 1, start: 0 };
        if !table.reader.read_record(&mut table.header).map_err(|e| bad_csv(name, e))? {
            let remedy = "give a file with a header and rows";
            return Err(table.error(1, ProfileErrorKind::Empty, "a header", "an empty file", remedy));
        }
        Ok(table)
    }

    /// The `# key: value` comments.
    pub(super) fn comments(&self) -> &BTreeMap<String, String> {
        &self.comments
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &csv::StringRecord {
        &self.header
    }

    /// Reads the next row. `false` stands for the end, which is a newline's.
    pub(super) fn next_row(&mut self) -> Result<bool, ProfileError> {
        loop {
            if !self.reader.read_record(&mut self.row).map_err(|e| bad_csv(self.name, e))? {
                return self.check_end().map(|()| false);
            }
            // `cat` joins the files of several runs, each with a header.
            if self.row != self.header {
                break;
            }
        }
        self.count_lines();
        if self.row.len() != self.header.len() {
            let expected = format!("{} fields", self.header.len());
            let remedy = "remove the line, or complete it";
            return Err(self.error(self.line, ProfileErrorKind::FieldCount, expected, self.row.len(), remedy));
        }
        Ok(true)
    }

    /// The row that was read last.
    pub(super) fn row(&self) -> &csv::StringRecord {
        &self.row
    }

    /// An error in a column of the row that was read last.
    pub(super) fn bad_field(&self, column: usize, expected: impl std::fmt::Display, remedy: &str) -> ProfileError {
        let object = format!("{}: column '{}'", at(self.name, self.line), &self.header[column]);
        let message = Message::new(object, expected, format!("'{}'", &self.row[column]), remedy);
        ProfileError::new(ProfileErrorKind::Value, message)
    }

    /// An error in the header's name of a column.
    pub(super) fn bad_column(&self, column: &str, expected: &str, got: &str, remedy: &str) -> ProfileError {
        let message = Message::new(format!("{}: column '{column}'", at(self.name, 1)), expected, got, remedy);
        ProfileError::new(ProfileErrorKind::Header, message)
    }

    /// An error in a line.
    pub(super) fn error(
        &self,
        line: usize,
        kind: ProfileErrorKind,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
        remedy: &str,
    ) -> ProfileError {
        ProfileError::new(kind, Message::new(at(self.name, line), expected, got, remedy))
    }

    /// Keeps count of the lines: the reader's own count passes over blank ones that end with CR LF.
    fn count_lines(&mut self) {
        let bytes = self.text.as_bytes();
        let from = self.row.position().map_or(0, |p| p.byte() as usize).min(bytes.len());
        let blank = bytes[from..].iter().take_while(|b| b"\r\n".contains(b)).count();
        self.line += newlines(&bytes[self.start..from + blank]);
        self.start = from + blank;
    }

    fn check_end(&self) -> Result<(), ProfileError> {
        if self.text.ends_with('\n') {
            return Ok(());
        }
        let line = newlines(self.text.as_bytes()) + 1;
        let remedy = "remove it, or end it with a newline if it is whole";
        Err(self.error(line, ProfileErrorKind::CutShort, "a newline at the end", "a line cut short", remedy))
    }
}

fn at(name: &str, line: usize) -> String {
    format!("{name} line {line}")
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&b| b == b'\n').count()
}

fn bad_csv(name: &str, cause: csv::Error) -> ProfileError {
    let line = cause.position().map_or(0, csv::Position::line) as usize;
    let message = Message::new(at(name, line), "CSV", &cause, "mend or remove that line");
    ProfileError::new(ProfileErrorKind::Syntax, message).caused_by(cause)
}

/// The `# key: value` comments of a file. A key that comes twice must have the same value: files of different set-ups are no table.
fn comments(name: &str, text: &str) -> Result<BTreeMap<String, String>, ProfileError> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (i, line) in text.split('\n').enumerate() {
        let Some((key, value)) = line.strip_prefix('#').and_then(|rest| rest.split_once(':')) else { continue };
        let (key, value) = (key.trim(), value.trim());
        if let Some(before) = found.get(key)
            && before != value
        {
            let object = format!("{}: comment '{key}'", at(name, i + 1));
            let (expected, got) = (format!("'{before}' as before"), format!("'{value}'"));
            let message = Message::new(object, expected, got, "join only shards of one set-up");
            return Err(ProfileError::new(ProfileErrorKind::Comment, message));
        }
        found.insert(key.to_string(), value.to_string());
    }
    Ok(found)
}
