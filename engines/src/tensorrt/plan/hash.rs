//! SHA-256 of files and bytes.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use trt_select_base::text::hex;

use super::unreadable;
use crate::Error;

/// Fills `block` from the file at an offset. The file's own position does not move.
pub(super) fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<()> {
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

/// SHA-256 of a file in small hexadecimal digits: of its first `len` bytes, or of all of it.
pub(super) fn hash(file: &File, len: Option<u64>) -> io::Result<String> {
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
/// [`ErrorKind::Io`](crate::ErrorKind::Io) if it is no regular file or cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let unreadable = |e: io::Error| unreadable(path, e);
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("a folder, a device or a pipe")));
    }
    File::open(path).and_then(|file| hash(&file, None)).map_err(unreadable)
}
