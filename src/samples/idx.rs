//! Reads IDX files. An IDX file begins with a magic number (two zero bytes, the element type, the number of extents); the extents follow
//! as big-endian `u32`, then the elements, with the last extent varying fastest. The page of the MNIST data set describes the format:
//! yann.lecun.com/exdb/mnist.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use trt_select_cuda::Format;

use super::{Buffer, MAX_BYTES, data, unreadable};
use crate::error::{Error, Result};

const CUT_SHORT: &str = "the file was cut short: copy or download it again";

/// The images of an IDX file and their labels, in memory.
#[derive(Debug)]
pub(super) struct Idx {
    /// Name of the images' file, without `.gz`.
    name: String,
    count: usize,
    width_px: u32,
    height_px: u32,
    format: Format,
    pixels: Vec<u8>,
    labels: Option<(PathBuf, Vec<u8>)>,
}

impl Idx {
    pub(super) fn read(images: &Path, labels: Option<&Path>) -> Result<Self> {
        let (extents, pixels) = read(images, &[3, 4])?;
        let format = match extents[..] {
            [_, _, _] => Format::Gray8,
            [_, _, _, 3] => Format::Rgb8,
            _ => {
                let expected = "3 as the last extent of 4 (red, green, blue)";
                let remedy = "write images as n × height × width × 3, or as n × height × width";
                return Err(data(images.display(), expected, extents[3], remedy));
            }
        };
        let count = extents[0] as usize;
        let labels = match labels {
            None => None,
            Some(path) => {
                let (extents, labels) = read(path, &[1])?;
                if labels.len() != count {
                    let expected = format!("{count} labels, one for each image of {}", images.display());
                    return Err(data(path.display(), expected, extents[0], "name two files of one set"));
                }
                Some((path.to_owned(), labels))
            }
        };
        let name = images.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
        Ok(Idx { name, count, height_px: extents[1], width_px: extents[2], format, pixels, labels })
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn name(&self, i: usize) -> String {
        assert!(i < self.count, "sample {i} of {}", self.count);
        format!("{}#{i}", self.name)
    }

    pub(super) fn label(&self, i: usize) -> Option<u32> {
        assert!(i < self.count, "sample {i} of {}", self.count);
        self.labels.as_ref().map(|(_, labels)| u32::from(labels[i]))
    }

    pub(super) fn label_place(&self, i: usize) -> String {
        match &self.labels {
            Some((path, _)) => format!("{}#{i}", path.display()),
            None => self.name(i),
        }
    }

    pub(super) fn load(&self, i: usize, buffer: &mut Buffer) {
        let len = self.pixels.len() / self.count;
        buffer.bytes.extend_from_slice(&self.pixels[i * len..(i + 1) * len]);
        buffer.pixels = Some((self.format, self.width_px, self.height_px));
    }
}

/// The extents and elements of a file of bytes. The number of extents must be in `ranks`, and each extent at least 1.
fn read(path: &Path, ranks: &[u8]) -> Result<(Vec<u32>, Vec<u8>)> {
    let mut reader = open(path)?;
    let magic = header(path, reader.as_mut())?;
    let rank = magic[3];
    if magic[..3] != [0, 0, 8] || !ranks.contains(&rank) {
        let kind = if ranks == [1] { "labels" } else { "images" };
        let magics: Vec<String> = ranks.iter().map(|rank| format!("0x0000080{rank}")).collect();
        let expected = format!("IDX {kind} (magic {})", magics.join(" or "));
        let got = format!("magic 0x{:08x}", u32::from_be_bytes(magic));
        let remedy = match (magic[..3] == [0, 0, 8], rank) {
            (true, 1) => "these are labels: name the file of the images",
            (true, 3 | 4) => "these are images: name the file of the labels",
            _ => "name an IDX file of bytes, plain or gzip",
        };
        return Err(data(path.display(), expected, got, remedy));
    }
    let mut extents = Vec::with_capacity(usize::from(rank));
    for _ in 0..rank {
        extents.push(u32::from_be_bytes(header(path, reader.as_mut())?));
    }
    let shape = extents.iter().map(u32::to_string).collect::<Vec<_>>().join(" × ");
    if extents.contains(&0) {
        return Err(data(path.display(), "extents of at least 1", shape, "name a file that is not empty"));
    }
    let len = extents.iter().try_fold(1_u64, |len, &n| len.checked_mul(u64::from(n))).filter(|&len| len <= MAX_BYTES);
    let Some(len) = len else {
        let expected = format!("at most {MAX_BYTES} bytes of elements");
        return Err(data(path.display(), expected, shape, "split the file, or list image files instead"));
    };
    // Asks for one byte more than there should be: that finds files that are too long, and a gzip reader then checks the checksum.
    let mut elements = Vec::new();
    let result = reader.as_mut().take(len + 1).read_to_end(&mut elements);
    result.map_err(|e| broken(path, &e, "the elements"))?;
    let got = elements.len() as u64;
    if got < len {
        let expected = format!("{len} bytes of elements ({shape})");
        return Err(data(path.display(), expected, got, CUT_SHORT));
    }
    if got > len {
        let expected = format!("the end after {len} bytes of elements ({shape})");
        return Err(data(path.display(), expected, "more bytes", "the header does not fit the file: write it again"));
    }
    Ok((extents, elements))
}

/// Opens a file, and unpacks it while it is read if it begins as gzip files do.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = BufReader::new(File::open(path).map_err(|e| unreadable(path, &e))?);
    let start = file.fill_buf().map_err(|e| unreadable(path, &e))?;
    if start.starts_with(&[0x1f, 0x8b]) { Ok(Box::new(MultiGzDecoder::new(file))) } else { Ok(Box::new(file)) }
}

/// Reads four bytes of the header.
fn header(path: &Path, reader: &mut dyn Read) -> Result<[u8; 4]> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).map_err(|e| broken(path, &e, "the header"))?;
    Ok(bytes)
}

/// The error of reading a file that has been opened.
fn broken(path: &Path, e: &io::Error, part: &str) -> Error {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => {
            data(path.display(), "a whole IDX file", format_args!("its end within {part}"), CUT_SHORT)
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            data(path.display(), "gzip data", format_args!("an error within {part} ({e})"), "copy or download it again")
        }
        _ => unreadable(path, e),
    }
}
