//! A plan's file: opened, mapped, and read.
//!
//! # A file that changes while it is mapped
//! If a file is cut short while it is mapped, a read past its new end kills the process with SIGBUS, whatever its length was before. So
//! nothing here but [`PlanFile::bytes`] touches the map: header and hash are read through the file, where a file that was cut short gives
//! an error. A caller who cannot be sure of the file uses [`PlanFile::read_into`], for example into pinned memory; one who uses the map
//! calls [`PlanFile::check_unchanged`] before and after. [`sidecar::write`](super::sidecar::write) replaces plans by renaming, which
//! leaves the old file whole to those that have it open.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::Mmap;

use super::hash::{hash, read_at};
use super::header::{HEADER_BYTES, PlanHeader};
use super::{REBUILD, refused, unreadable};
use crate::{Error, ErrorKind};

/// Largest plan that is taken, in bytes.
pub const MAX_PLAN_BYTES: u64 = 64 << 30;

/// A plan's file: opened, its header read, and mapped. Dropping it unmaps it.
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
    file: File,
    map: Mmap,
    modified: Option<SystemTime>,
    header: PlanHeader,
}

impl PlanFile {
    /// Opens and maps the plan at `path`, and reads its header. Nothing else of it is read.
    ///
    /// # Errors
    /// - [`ErrorKind::PlanMissing`] if there is no such file;
    /// - [`ErrorKind::Io`] if it is no regular file, or cannot be read or mapped;
    /// - [`ErrorKind::Plan`] if it is empty, larger than [`MAX_PLAN_BYTES`], cut short, or no plan.
    pub fn open(path: &Path) -> Result<PlanFile, Error> {
        let unreadable = |e: io::Error| unreadable(path, e);
        // This comes before the file is opened, because opening a pipe would wait for a writer.
        let found = fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::PlanMissing,
                format!("{}: expected a plan, got no such file; build it from its model", path.display()),
            )
            .caused_by(e),
            _ => unreadable(e),
        })?;
        if !found.is_file() {
            let got = if found.is_dir() { "a folder" } else { "a device or a pipe" };
            let line = format!("{}: expected a plan's file, got {got}; name the file itself", path.display());
            return Err(Error::new(ErrorKind::Io, line));
        }
        let file = File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        let len = meta.len();
        if len == 0 {
            return Err(refused(ErrorKind::Plan, path, "a plan", "an empty file", REBUILD));
        }
        if len > MAX_PLAN_BYTES || usize::try_from(len).is_err() {
            let (most, got) = (format!("a plan of at most {} GiB", MAX_PLAN_BYTES >> 30), format!("{} GiB", len >> 30));
            return Err(refused(ErrorKind::Plan, path, most, got, "name the plan's file"));
        }
        let mut head = [0; HEADER_BYTES];
        let head = &mut head[..HEADER_BYTES.min(len as usize)];
        read_at(&file, head, 0).map_err(|e| changed_or(path, e))?;
        let header = PlanHeader::parse(path, head)?;
        if let Some(told) = header.size_bytes.filter(|&told| told != len) {
            let got = format!("{len} bytes");
            let remedy = format_args!("copy it whole, or {REBUILD}").to_string();
            return Err(refused(ErrorKind::Plan, path, format!("{told} bytes, as its header says"), got, remedy));
        }
        // SAFETY: the map is read only through `bytes`, whose documentation passes the condition of a map on to the caller: nobody may
        // change the file while the map is used. Nothing in this crate writes into a plan that is in its place.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(PlanFile { path: path.to_path_buf(), file, map, modified: meta.modified().ok(), header })
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its header.
    pub fn header(&self) -> &PlanHeader {
        &self.header
    }

    /// Size of the file when it was opened, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The plan, mapped. If the file was cut short, reading a page that it no longer has kills the process (SIGBUS).
    /// [`PlanFile::read_into`] gives an error instead.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Reads the whole plan through the file into `block`, which must have its size. For memory that the plan is to stay in.
    ///
    /// # Errors
    /// - [`ErrorKind::Plan`] if `block` is of another size, or the file was cut short meanwhile;
    /// - [`ErrorKind::Io`] if it cannot be read.
    pub fn read_into(&self, block: &mut [u8]) -> Result<(), Error> {
        if block.len() as u64 != self.size_bytes() {
            let expected = format!("a block of {} bytes", self.size_bytes());
            return Err(refused(ErrorKind::Plan, &self.path, expected, block.len(), "give a block of the plan's size"));
        }
        read_at(&self.file, block, 0).map_err(|e| changed_or(&self.path, e))?;
        self.check_unchanged()
    }

    /// SHA-256 of the file, in small hexadecimal digits, read through the file and not through the map.
    ///
    /// # Errors
    /// As [`PlanFile::read_into`].
    pub fn sha256(&self) -> Result<String, Error> {
        hash(&self.file, Some(self.size_bytes())).map_err(|e| changed_or(&self.path, e))
    }

    /// Looks that the open file still has the size and the time of change that it had when it was opened.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if it has not.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = self.file.metadata().map_err(|e| unreadable(&self.path, e))?;
        if now.len() == self.size_bytes() && now.modified().ok() == self.modified {
            return Ok(());
        }
        Err(changed(&self.path))
    }
}

/// The mapping, for page-locking it: as [`PlanFile::bytes`].
impl AsRef<[u8]> for PlanFile {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

fn changed(path: &Path) -> Error {
    refused(
        ErrorKind::Plan,
        path,
        "a plan that stays as it is while it is read",
        "a file that was written meanwhile",
        "replace a plan by renaming a whole file to its name",
    )
}

fn changed_or(path: &Path, e: io::Error) -> Error {
    if e.kind() == io::ErrorKind::UnexpectedEof { changed(path) } else { unreadable(path, e) }
}
