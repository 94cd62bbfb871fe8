//! A build's timings. TensorRT times kernels to choose among them, and chooses others from one build to the next; with the timings of an
//! earlier build it chooses the same.

use std::path::Path;

use trt_select_base::file;

use crate::{Error, ErrorKind};

/// The timings that a build begins with, and those that it ends with.
#[derive(Debug, Default)]
pub(super) struct Timings {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

impl Timings {
    /// Reads the file; one that is not there has no timings yet.
    pub(super) fn read(path: &Path) -> Result<Timings, Error> {
        match std::fs::read(path) {
            Ok(before) => Ok(Timings { before, after: Vec::new() }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Timings::default()),
            Err(e) => {
                let what = format!("{}: timings of earlier builds: cannot be read: {e}", path.display());
                Err(Error::new(ErrorKind::Io, what).caused_by(e))
            }
        }
    }

    /// Writes the timings that a build ended with, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        if self.after.is_empty() || self.after == self.before {
            return Ok(());
        }
        file::write(path, &self.after).map_err(|e| {
            let what = format!("{}: timings of this build: cannot be written: {e}", path.display());
            Error::new(ErrorKind::Io, what).caused_by(e)
        })
    }
}
