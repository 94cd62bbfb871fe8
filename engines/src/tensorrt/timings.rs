//! A build's timings. TensorRT times kernels to choose among them, and chooses others from one build to the next; with the timings of an
//! earlier build it chooses the same.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use trt_select_base::file::Draft;

use crate::{Error, ErrorKind};

/// The timings that a build begins with, and those that it ends with.
#[derive(Debug)]
pub(super) struct Timings {
    path: PathBuf,
    /// Those of earlier builds; empty if there are none.
    pub(super) before: Vec<u8>,
    /// Those of this build, once it has ended.
    pub(super) after: Vec<u8>,
    /// What will take the file's place.
    draft: Draft,
}

impl Timings {
    /// Reads the file, which need not be there yet, and makes sure that it can be written: the build between takes minutes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it cannot be read or written.
    pub(super) fn open(path: &Path) -> Result<Timings, Error> {
        let before = match std::fs::read(path) {
            Ok(before) => before,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(unusable(path, "a readable file, or none yet", e)),
        };
        let draft = Draft::new(path).map_err(|e| unusable(path, "a place that can be written", e))?;
        Ok(Timings { path: path.to_owned(), before, after: Vec::new(), draft })
    }

    /// Their file.
    pub(super) fn path(&self) -> impl Display {
        self.path.display()
    }

    /// Puts the timings that a build ended with into the file's place. The plan is as good without them, so that a failure is no more than
    /// a warning.
    pub(super) fn keep(self) {
        let Timings { path, before, after, mut draft } = self;
        if after.is_empty() || after == before {
            return;
        }
        if let Err(e) = draft.write(&after).and_then(|()| draft.persist()) {
            log::warn!("{}: the timings of this build are not kept: {e}", path.display());
        }
    }
}

fn unusable(path: &Path, expected: &str, got: std::io::Error) -> Error {
    let remedy = "name another file, or build without timings";
    let what = format!("{}: timings of builds: expected {expected}, got {got}; {remedy}", path.display());
    Error::new(ErrorKind::Io, what).caused_by(got)
}
