//! Plan files: opened, mapped, and held against what is known, before TensorRT sees them.
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
//!
//! # A file that changes underneath
//! Whatever is mapped and then cut short kills the reader with SIGBUS; no length that was looked up before can rule that out.
//! So nothing here but [`PlanFile::bytes`] touches the map: header and hash are read through the file, where a file cut short
//! is an error like any other. Whoever cannot be sure of the file takes [`PlanFile::read_into`] (into pinned memory, say);
//! whoever takes the map asks [`PlanFile::check_unchanged`] before and after. `trt-select build` replaces plans by renaming, which
//! leaves the old file whole to those that have it open.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::Mmap;
use sha2::{Digest, Sha256};
use trt_select_base::text::hex;

use super::sidecar::Sidecar;
use super::{Edition, Version};
use crate::{Error, ErrorKind};

/// Largest plan that is taken, in bytes.
pub const MAX_PLAN_BYTES: u64 = 64 << 30;

/// Bytes of a file that [`PlanHeader::parse`] looks at, at most.
pub const HEADER_BYTES: usize = 64;

/// The first bytes of plans, by product and version: see the table.
pub const MAGICS: [&[u8; 4]; 3] = [b"vtrt", b"ftrt", b"ptrt"];

/// The GPUs that bits 0, 1, … of an RTX plan's header name.
const RTX_CAPABILITIES: [(u32, u32); 6] = [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)];

/// Serialization numbers of TensorRT 8, and the minor version that wrote them.
const SERIALIZATIONS: [(u32, u32); 3] = [(205, 2), (213, 4), (232, 5)];

const REBUILD: &str = "build it again: trt-select build";

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
                path,
                "a TensorRT plan (a file that begins with ftrt, vtrt or ptrt)",
                Unknown(head),
                "build one: trt-select build MODEL.onnx -o PLAN",
            )),
        }
    }

    fn rtx(path: &Path, head: &[u8]) -> Result<PlanHeader, Error> {
        if head.len() < HEADER_BYTES {
            return Err(cut_short(path, HEADER_BYTES, head.len()));
        }
        if u32_at(head, 4) != 0 || head[28..32] != *b"vtrt" || u64_at(head, 8) == 0 {
            return Err(refused(path, "a header as TensorRT-RTX writes it", "other bytes", REBUILD));
        }
        let mask = u64_at(head, 32);
        let known = |&(bit, _): &(usize, (u32, u32))| mask >> bit & 1 == 1;
        // A bit that we do not know names a GPU that we do not know: then the header says nothing that can be held against.
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
            return Err(refused(path, "0 in bytes 4-7 of the plan, as Linux builds write it", got, REBUILD));
        }
        let version = version(head);
        if version.major < 8 {
            return Err(refused(path, "a version of TensorRT from 8 on in the header", version, REBUILD));
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

    /// Minor version of the TensorRT 8 that wrote it, where only the serialization number tells.
    fn old_minor(&self) -> Option<u32> {
        let number = self.serialization?;
        SERIALIZATIONS.iter().find(|(known, _)| *known == number).map(|&(_, minor)| minor)
    }

    /// Product and version in words.
    fn made_by(&self) -> String {
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

fn refused(path: &Path, expected: impl fmt::Display, got: impl fmt::Display, remedy: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Plan, format!("{}: expected {expected}, got {got}; {remedy}", path.display()))
}

fn cut_short(path: &Path, expected: usize, got: usize) -> Error {
    refused(path, format_args!("at least {expected} bytes of header"), format_args!("{got} bytes"), REBUILD)
}

fn unreadable(path: &Path, e: &io::Error) -> Error {
    let line = format!("{}: expected a readable file, got {e}; check the file and its permissions", path.display());
    Error::new(ErrorKind::Io, line)
}

/// A plan's file: open, looked at, and mapped. Dropping it unmaps it.
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
    /// - [`ErrorKind::Io`] if the file is missing, no regular file, or cannot be read or mapped;
    /// - [`ErrorKind::Plan`] if it is empty, larger than [`MAX_PLAN_BYTES`], cut short, or no plan.
    pub fn open(path: &Path) -> Result<PlanFile, Error> {
        let unreadable = |e: io::Error| unreadable(path, &e);
        // Before it is opened: opening a pipe would wait for a writer.
        let found = fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::Io,
                format!(
                    "{}: expected a plan, got no such file; build it: trt-select build MODEL.onnx -o PLAN",
                    path.display()
                ),
            ),
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
            return Err(refused(path, "a plan", "an empty file", REBUILD));
        }
        if len > MAX_PLAN_BYTES || usize::try_from(len).is_err() {
            let (most, got) = (format!("a plan of at most {} GiB", MAX_PLAN_BYTES >> 30), format!("{} GiB", len >> 30));
            return Err(refused(path, most, got, "name the plan's file"));
        }
        let mut head = [0; HEADER_BYTES];
        let head = &mut head[..HEADER_BYTES.min(len as usize)];
        read_at(&file, head, 0).map_err(|e| changed_or(path, &e))?;
        let header = PlanHeader::parse(path, head)?;
        if let Some(told) = header.size_bytes.filter(|&told| told != len) {
            let got = format!("{len} bytes");
            let remedy = format_args!("copy it whole, or {REBUILD}").to_string();
            return Err(refused(path, format!("{told} bytes, as its header says"), got, remedy));
        }
        // SAFETY: the map is read only through `bytes`, whose documentation hands on what is asked of a map: that nobody
        // changes the file while it is used. Nothing in this crate writes into a plan that is in place.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(PlanFile { path: path.to_path_buf(), file, map, modified: meta.modified().ok(), header })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its first bytes say.
    pub fn header(&self) -> &PlanHeader {
        &self.header
    }

    /// Size of the file when it was opened, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The plan, mapped. Touching a page of it that the file no longer has kills the process (SIGBUS): see the module's text
    /// on files that change, and [`PlanFile::read_into`], which cannot.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Reads the whole plan through the file into `block`, which has its size: for memory that is pinned already.
    ///
    /// # Errors
    /// - [`ErrorKind::Plan`] if `block` is of another size, or the file was cut short meanwhile;
    /// - [`ErrorKind::Io`] if it cannot be read.
    pub fn read_into(&self, block: &mut [u8]) -> Result<(), Error> {
        if block.len() as u64 != self.size_bytes() {
            let expected = format!("a block of {} bytes", self.size_bytes());
            return Err(refused(&self.path, expected, block.len(), "give a block of the plan's size"));
        }
        read_at(&self.file, block, 0).map_err(|e| changed_or(&self.path, &e))?;
        self.check_unchanged()
    }

    /// SHA-256 of the file, in small hexadecimal digits, read through the file and not through the map.
    ///
    /// # Errors
    /// As [`PlanFile::read_into`].
    pub fn sha256(&self) -> Result<String, Error> {
        hash(&self.file, Some(self.size_bytes())).map_err(|e| changed_or(&self.path, &e))
    }

    /// Whether the open file still has the size and the time of change that it had when it was opened.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if it has not.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = self.file.metadata().map_err(|e| unreadable(&self.path, &e))?;
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
        path,
        "a plan that stays as it is while it is read",
        "a file that was written meanwhile",
        "replace plans by renaming, as trt-select build does",
    )
}

fn changed_or(path: &Path, e: &io::Error) -> Error {
    if e.kind() == io::ErrorKind::UnexpectedEof { changed(path) } else { unreadable(path, e) }
}

/// Fills `block` from the file, without moving anyone's position in it.
fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, block, at);
    #[cfg(not(unix))]
    {
        use std::io::{Read, Seek};
        let mut file = file;
        file.seek(io::SeekFrom::Start(at))?;
        file.read_exact(block)
    }
}

/// SHA-256 of a file in small hexadecimal digits. With `len`, exactly so many bytes; else to its end.
fn hash(file: &File, len: Option<u64>) -> io::Result<String> {
    let len = match len {
        Some(len) => len,
        None => file.metadata()?.len(),
    };
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    let mut at = 0;
    while at < len {
        let take = (len - at).min(block.len() as u64) as usize;
        read_at(file, &mut block[..take], at)?;
        digest.update(&block[..take]);
        at += take as u64;
    }
    Ok(hex(&digest.finalize()))
}

/// SHA-256 of bytes, in small hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, in small hexadecimal digits. Of an ONNX model whose weights lie in files of their own, this is the hash
/// of the model's file alone.
///
/// # Errors
/// [`ErrorKind::Io`] if it is no regular file or cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let unreadable = |e: io::Error| unreadable(path, &e);
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("a folder, a device or a pipe")));
    }
    File::open(path).and_then(|file| hash(&file, None)).map_err(unreadable)
}

/// The library and the GPU that a plan is to run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The library's product.
    pub edition: Edition,
    /// The library's version.
    pub version: Version,
    /// Whether it is the lean runtime, which takes version-compatible plans only.
    pub lean: bool,
    /// Compute capability of the GPU; `None` where it is not known, and then not checked.
    pub compute_capability: Option<(u32, u32)>,
    /// The library's file, for the errors' lines.
    pub library_path: PathBuf,
}

impl Here {
    fn describe(&self) -> String {
        let lean = if self.lean { " lean" } else { "" };
        format!("{}{lean} {} ({})", self.edition, self.version, self.library_path.display())
    }
}

/// Something worth a line in the log that hinders nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(String);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a plan can run here, as far as header and sidecar tell: product, version, GPU, and, where there is a sidecar, size,
/// SHA-256, and that `onnx` (where it is there) is still the model that the plan was built from. Reads the whole plan if there
/// is a sidecar.
///
/// # Errors
/// - [`ErrorKind::Plan`], in one line that names the plan, what was expected, what was found, and the remedy;
/// - [`ErrorKind::Io`] if plan or model cannot be read.
pub fn check(
    plan: &PlanFile,
    sidecar: Option<&Sidecar>,
    here: &Here,
    onnx: Option<&Path>,
) -> Result<Vec<Notice>, Error> {
    let mut notices = Vec::new();
    let notice = |text: String| Notice(format!("{}: {text}", plan.path.display()));
    if let Some(sidecar) = sidecar {
        sidecar.check_against(plan)?;
    }
    let compatible = sidecar.map(|sidecar| sidecar.version_compatible);
    notices.extend(check_version(plan, sidecar, compatible, here)?.map(notice));
    check_capability(plan, sidecar, here)?;
    match sidecar {
        Some(sidecar) => {
            if let Some(onnx) = onnx.filter(|onnx| onnx.exists())
                && sha256_of_file(onnx)? != sidecar.onnx_sha256
            {
                return Err(refused(
                    &plan.path,
                    format_args!("a plan of {} as it is now", onnx.display()),
                    format_args!("one built from it as it was at {}", sidecar.built_at),
                    REBUILD,
                ));
            }
        }
        None => {
            let unchecked = if plan.header.compute_capabilities.is_empty() { "GPU, damage" } else { "damage" };
            notices.push(notice(format!("no sidecar beside it: only its header was checked ({unchecked} not)")));
        }
    }
    Ok(notices)
}

/// Product and version.
fn check_version(
    plan: &PlanFile,
    sidecar: Option<&Sidecar>,
    compatible: Option<bool>,
    here: &Here,
) -> Result<Option<String>, Error> {
    let header = &plan.header;
    let wrong = |remedy: &str| {
        let expected = format!("a plan for {}", here.describe());
        Err(refused(&plan.path, expected, format_args!("one of {}", header.made_by()), remedy))
    };
    let rebuild = "build it with this library: trt-select build";
    if header.edition != here.edition {
        return wrong(rebuild);
    }
    // The header does not tell in plans of TensorRT 8.5 and older; the sidecar does.
    let Some(version) = header.version.or(sidecar.map(|sidecar| sidecar.version)) else {
        return match header.old_minor() {
            _ if here.version.major != 8 => wrong(rebuild),
            Some(minor) if minor != here.version.minor => wrong(rebuild),
            Some(_) => Ok(None),
            None => Ok(Some(format!(
                "a header of TensorRT 8 whose serialization number {} is not known: its version was not checked",
                header.serialization.unwrap_or(0)
            ))),
        };
    };
    if here.lean {
        // Lean libraries run plans that were built to be version-compatible, by the same major version, no newer than they.
        let remedy = "build a version-compatible plan (trtexec --versionCompatible --excludeLeanRuntime), or use the full library";
        if version.major != here.version.major || newer(version, here.version) || compatible == Some(false) {
            return wrong(remedy);
        }
        return Ok(compatible.is_none().then(|| {
            format!("made by {version}, runs with {} only if it was built to be version-compatible", here.describe())
        }));
    }
    if same(version, here.version) {
        return Ok(None);
    }
    if compatible == Some(true) && version.major == here.version.major && !newer(version, here.version) {
        return Ok(Some(format!("made by {version}, taken by {} as version-compatible", here.describe())));
    }
    wrong(rebuild)
}

/// Whether two versions are one. Some libraries do not tell their build number (0); headers hold its last byte.
pub(super) fn same(a: Version, b: Version) -> bool {
    let build = a.build == 0 || b.build == 0 || a.build % 256 == b.build % 256;
    build && (a.major, a.minor, a.patch) == (b.major, b.minor, b.patch)
}

fn newer(a: Version, b: Version) -> bool {
    !same(a, b) && a > b
}

/// The GPU.
fn check_capability(plan: &PlanFile, sidecar: Option<&Sidecar>, here: &Here) -> Result<(), Error> {
    let Some(gpu) = here.compute_capability else { return Ok(()) };
    let told = [Some(&plan.header.compute_capabilities), sidecar.map(|sidecar| &sidecar.compute_capabilities)];
    for capabilities in told.into_iter().flatten().filter(|capabilities| !capabilities.is_empty()) {
        if !capabilities.contains(&gpu) {
            return Err(refused(
                &plan.path,
                format_args!("a plan for this GPU's compute capability {}.{}", gpu.0, gpu.1),
                format_args!("one for {}", Capabilities(capabilities)),
                "build it on this machine: trt-select build --target current",
            ));
        }
    }
    Ok(())
}

/// Compute capabilities as people write them: `8.0, 8.6`.
pub(super) struct Capabilities<'a>(pub(super) &'a [(u32, u32)]);

impl fmt::Display for Capabilities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (major, minor)) in self.0.iter().enumerate() {
            write!(f, "{}{major}.{minor}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
