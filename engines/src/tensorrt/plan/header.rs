//! The first bytes of a plan, and what they say.
//!
//! # Headers
//! All numbers are little-endian. What is not listed is not read.
//!
//! | bytes | TensorRT-RTX | TensorRT ≥ 8.6 | TensorRT ≤ 8.5 |
//! | --- | --- | --- | --- |
//! | 0–3 | `vtrt` | `ftrt` | `ptrt` |
//! | 4–7 | 0 | 0 | |
//! | 8–15 | number of sections | | from 8: number of the serialization |
//! | 16–23 | size of the whole file | | |
//! | 24–27 | major, minor, patch, build | the same | |
//! | 28–31 | `vtrt` again | | |
//! | 32–39 | GPUs, one bit each: 1 = 7.5, 2 = 8.0, 4 = 8.6, 8 = 8.9, 16 = 12.0, 32 = 12.1 | | |
//!
//! Sources. RTX: plans that versions 1.4, 1.5, 1.6 and 1.7 built for each of these GPUs (but 7.5, for which 1.7 refused our
//! network, so that bit is an inference), compared with each other; TensorRT-RTX itself refuses a plan whose bytes 16–23 are
//! not its size. TensorRT: `printPlanVersion` in trtexec, public in NVIDIA/TensorRT; that 8.6 writes it already is told by
//! NVIDIA/TensorRT#2915. Older ones: NVIDIA/TensorRT#3073 and #2072 (205 is 8.2, 213 is 8.4, 232 is 8.5).

use std::fmt;
use std::path::Path;

use super::{REBUILD, cut_short, refused};
use crate::tensorrt::{Edition, Version};
use crate::{Error, ErrorKind};

/// Bytes of a file that [`PlanHeader::parse`] looks at, at most.
pub const HEADER_BYTES: usize = 64;

/// The first bytes of plans, by product and version: see the table.
pub const MAGICS: [&[u8; 4]; 3] = [b"vtrt", b"ftrt", b"ptrt"];

/// The GPUs that bits 0, 1, … of an RTX plan's header name.
const RTX_CAPABILITIES: [(u32, u32); 6] = [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)];

/// Serialization numbers of TensorRT 8, and the minor version that wrote them.
const SERIALIZATIONS: [(u32, u32); 3] = [(205, 2), (213, 4), (232, 5)];

/// What the first bytes of a plan say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanHeader {
    /// Which product wrote it.
    pub edition: Edition,
    /// Which version; `None` in plans of TensorRT 8.5 and older.
    pub version: Option<Version>,
    /// Number of the serialization, in plans of TensorRT 8.5 and older.
    pub serialization: Option<u32>,
    /// Size of the file, in bytes, where the header tells it.
    pub size_bytes: Option<u64>,
    /// Compute capabilities that it was built for, where the header tells them; else empty.
    pub compute_capabilities: Vec<(u32, u32)>,
}

impl PlanHeader {
    /// Reads the header from the first bytes of a plan: [`HEADER_BYTES`] of them, or the whole file where it is shorter. `path`
    /// is for the error's line.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if they are not those of a plan that any version of TensorRT wrote.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<PlanHeader, Error> {
        let head = &bytes[..bytes.len().min(HEADER_BYTES)];
        match head.get(..4) {
            Some(b"vtrt") => Self::rtx(path, head),
            Some(b"ftrt") => Self::enterprise(path, head),
            Some(b"ptrt") => Self::old(path, head),
            _ => Err(refused(
                ErrorKind::Plan,
                path,
                "a TensorRT plan (a file that begins with ftrt, vtrt or ptrt)",
                Unknown(head),
                "build one from the model",
            )),
        }
    }

    fn rtx(path: &Path, head: &[u8]) -> Result<PlanHeader, Error> {
        if head.len() < HEADER_BYTES {
            return Err(cut_short(path, HEADER_BYTES, head.len()));
        }
        if u32_at(head, 4) != 0 || head[28..32] != *b"vtrt" || u64_at(head, 8) == 0 {
            return Err(refused(ErrorKind::Plan, path, "a header as TensorRT-RTX writes it", "other bytes", REBUILD));
        }
        let mask = u64_at(head, 32);
        let known = |&(bit, _): &(usize, (u32, u32))| mask >> bit & 1 == 1;
        // A bit that is not in our table stands for a GPU that we do not know. The list of GPUs would be incomplete, so none is given, and
        // nothing is checked against it.
        let told = mask != 0 && mask >> RTX_CAPABILITIES.len() == 0;
        let named = RTX_CAPABILITIES.into_iter().enumerate().filter(known).map(|(_, capability)| capability);
        Ok(PlanHeader {
            edition: Edition::Rtx,
            version: Some(version(head)),
            serialization: None,
            size_bytes: Some(u64_at(head, 16)),
            compute_capabilities: if told { named.collect() } else { Vec::new() },
        })
    }

    fn enterprise(path: &Path, head: &[u8]) -> Result<PlanHeader, Error> {
        if head.len() < 28 {
            return Err(cut_short(path, 28, head.len()));
        }
        if u32_at(head, 4) != 0 {
            let got = format_args!("{:#x}", u32_at(head, 4)).to_string();
            return Err(refused(
                ErrorKind::Plan,
                path,
                "0 in bytes 4-7 of the plan, as Linux builds write it",
                got,
                REBUILD,
            ));
        }
        let version = version(head);
        if version.major < 8 {
            return Err(refused(
                ErrorKind::Plan,
                path,
                "a version of TensorRT from 8 on in the header",
                version,
                REBUILD,
            ));
        }
        Ok(PlanHeader {
            edition: Edition::Enterprise,
            version: Some(version),
            serialization: None,
            size_bytes: None,
            compute_capabilities: Vec::new(),
        })
    }

    fn old(path: &Path, head: &[u8]) -> Result<PlanHeader, Error> {
        if head.len() < 12 {
            return Err(cut_short(path, 12, head.len()));
        }
        Ok(PlanHeader {
            edition: Edition::Enterprise,
            version: None,
            serialization: Some(u32_at(head, 8)),
            size_bytes: None,
            compute_capabilities: Vec::new(),
        })
    }

    /// Minor version of the TensorRT 8 that wrote the plan, where only the serialization number tells it.
    pub(super) fn old_minor(&self) -> Option<u32> {
        let number = self.serialization?;
        SERIALIZATIONS.iter().find(|(known, _)| *known == number).map(|&(_, minor)| minor)
    }

    /// The product and version that wrote the plan, in words.
    pub(super) fn made_by(&self) -> String {
        match (self.version, self.serialization, self.old_minor()) {
            (Some(version), ..) => format!("{} {version}", self.edition),
            (None, Some(number), Some(minor)) => format!("{} 8.{minor} (serialization {number})", self.edition),
            (None, number, _) => format!("{} 8.5 or older (serialization {})", self.edition, number.unwrap_or(0)),
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn version(head: &[u8]) -> Version {
    let [major, minor, patch, build] = [head[24], head[25], head[26], head[27]].map(u32::from);
    Version { major, minor, patch, build }
}

/// The first bytes of a file that is no plan, and what they look like.
struct Unknown<'a>(&'a [u8]);

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unknown(head) = *self;
        if head.is_empty() {
            return f.write_str("an empty file");
        }
        f.write_str("a file that begins with")?;
        for byte in &head[..head.len().min(4)] {
            write!(f, " {byte:02x}")?;
        }
        if head.starts_with(b"version https://git-lfs") {
            f.write_str(" (a git-lfs pointer: fetch the file itself)")
        } else if head.get(4) == Some(&b'{') {
            f.write_str(" and a JSON text (metadata that Ultralytics writes before the plan: export without it)")
        } else if head[0] == 0x08 && head.len() > 1 {
            f.write_str(" (it looks like an ONNX model)")
        } else {
            Ok(())
        }
    }
}
