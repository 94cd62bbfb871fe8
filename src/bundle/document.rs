//! `bundle.toml` as serde reads it, and the reader's errors with the lines that they are on.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::error::{Error, ErrorKind, Result};

/// Only the version. It is read before the rest, so that the error for a later format names the format and not its first unknown key.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: Option<Spanned<toml::Value>>,
}

/// The whole document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Root {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    pub(super) name: Spanned<String>,
    pub(super) task: Option<Spanned<String>>,
    pub(super) premodel: Option<Spanned<String>>,
    pub(super) labels: Option<Spanned<String>>,
    pub(super) input: Option<Spanned<Input>>,
    pub(super) samples: Option<Spanned<Samples>>,
    #[serde(default)]
    pub(super) candidate: Vec<Spanned<Candidate>>,
}

/// `[input]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an [input] table")]
pub(super) struct Input {
    pub(super) kind: Option<Spanned<String>>,
    pub(super) shape: Option<Spanned<Vec<i64>>>,
}

/// `[samples]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a [samples] table")]
pub(super) struct Samples {
    pub(super) images: Option<Spanned<String>>,
    pub(super) labels: Option<Spanned<String>>,
    pub(super) list: Option<Spanned<String>>,
    pub(super) root: Option<Spanned<String>>,
}

/// `[[candidate]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a [[candidate]] table")]
pub(super) struct Candidate {
    pub(super) name: Spanned<String>,
    pub(super) onnx: Option<Spanned<String>>,
    pub(super) plan: Option<Spanned<String>>,
    pub(super) precision: Option<Spanned<String>>,
    pub(super) input: Option<Spanned<String>>,
    pub(super) output: Option<Spanned<String>>,
    pub(super) scores: Option<Spanned<String>>,
    pub(super) size: Option<Spanned<Vec<i64>>>,
    pub(super) channels: Option<Spanned<i64>>,
    pub(super) order: Option<Spanned<String>>,
    pub(super) layout: Option<Spanned<String>>,
    pub(super) resize: Option<Spanned<String>>,
    pub(super) crop: Option<Spanned<f64>>,
    pub(super) filter: Option<Spanned<String>>,
    pub(super) mean: Option<Spanned<Vec<f64>>>,
    pub(super) std: Option<Spanned<Vec<f64>>>,
    pub(super) cost_ns: Option<Spanned<f64>>,
}

/// The text of a `bundle.toml` and the file that it is from: what an error needs to name a line.
pub(super) struct Document<'a> {
    pub(super) path: PathBuf,
    pub(super) dir: &'a Path,
    pub(super) text: &'a str,
}

impl Document<'_> {
    /// Reads the document as a `T`.
    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(self.text).map_err(|e| self.refused(e))
    }

    /// `path:line` of a place in the text.
    pub(super) fn at(&self, span: Range<usize>) -> String {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        format!("{}:{}", self.path.display(), 1 + before.iter().filter(|&&b| b == b'\n').count())
    }

    /// The error of something at a place in the text.
    pub(super) fn error(
        &self,
        span: Range<usize>,
        what: impl Display,
        expected: impl Display,
        got: impl Display,
        remedy: impl Display,
    ) -> Error {
        Error::expected(ErrorKind::Bundle, format_args!("{}: {what}", self.at(span)), expected, got, remedy)
    }

    /// The error of the TOML reader or of serde as an error of this crate.
    fn refused(&self, mut error: toml::de::Error) -> Error {
        let message = error.message().to_owned();
        let mut object = match error.span() {
            // If the file as a whole lacks a key, no line is to blame, so the error names only the file.
            Some(span) if span.start > 0 || !message.starts_with(MISSING) => self.at(span),
            _ => self.path.display().to_string(),
        };
        // Without the text, the reader's message ends with the key's path instead of a picture of the line.
        error.set_input(None);
        let whole = error.to_string();
        if let Some(key) = whole.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("in `")) {
            object += &format!(": `{}`", key.trim_end_matches('`'));
        }
        let (expected, got, remedy) = explain(&message);
        Error::expected(ErrorKind::Bundle, object, expected, got, remedy)
    }
}

const MISSING: &str = "missing field ";

/// What was expected, what was found, and the remedy, from a message of serde or of the TOML reader.
fn explain(message: &str) -> (String, String, &'static str) {
    if let Some(key) = message.strip_prefix(MISSING) {
        return (format!("the key {key}"), "a table without it".into(), "add the key");
    }
    // The last ", expected " separates the two parts: the first quotes the file, so it may contain these words, and the second does not.
    let (got, expected) = message.rsplit_once(", expected ").unwrap_or((message, "valid TOML"));
    if let Some(key) = got.strip_prefix("unknown field ") {
        let keys = expected.strip_prefix("one of ").unwrap_or(expected);
        return (format!("one of the keys {keys}"), format!("the key {key}"), "correct or remove the key");
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some(got) = got.strip_prefix(prefix) {
            let expected = match expected {
                "f64" => "a number",
                "i64" => "a whole number",
                "a sequence" => "a list",
                other => other,
            };
            return (expected.into(), got.into(), "correct the value");
        }
    }
    (expected.into(), got.into(), "correct the line")
}
