//! A plan's file, held against all that is known of it before TensorRT sees it.
//!
//! | module | holds |
//! | --- | --- |
//! | `header` | what the first bytes of a plan say |
//! | `file` | the file: opened, mapped, read |
//! | [`sidecar`] | the record that lies beside a plan |
//! | `verify` | whether a plan can run with a library on a GPU |
//! | `hash` | SHA-256 |

mod file;
mod hash;
mod header;
pub mod sidecar;
mod verify;

use std::fmt;
use std::io;
use std::path::Path;

pub use file::{MAX_PLAN_BYTES, PlanFile};
pub use hash::{sha256, sha256_of_file};
pub use header::{HEADER_BYTES, MAGICS, PlanHeader};
pub use verify::{Here, Notice, check};

use crate::{Error, ErrorKind};

const REBUILD: &str = "build it again";

fn refused(
    kind: ErrorKind,
    path: &Path,
    expected: impl fmt::Display,
    got: impl fmt::Display,
    remedy: impl fmt::Display,
) -> Error {
    Error::new(kind, format!("{}: expected {expected}, got {got}; {remedy}", path.display()))
}

fn cut_short(path: &Path, expected: usize, got: usize) -> Error {
    refused(
        ErrorKind::Plan,
        path,
        format_args!("at least {expected} bytes of header"),
        format_args!("{got} bytes"),
        REBUILD,
    )
}

fn unreadable(path: &Path, e: io::Error) -> Error {
    let line = format!("{}: expected a readable file, got {e}; check the file and its permissions", path.display());
    Error::new(ErrorKind::Io, line).caused_by(e)
}

/// Compute capabilities as people write them: `8.0, 8.6`.
struct Capabilities<'a>(&'a [(u32, u32)]);

impl fmt::Display for Capabilities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (major, minor)) in self.0.iter().enumerate() {
            write!(f, "{}{major}.{minor}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
