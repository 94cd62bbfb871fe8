//! Sample inputs with their labels: IDX files, lists of image files, tables of tensors.
//!
//! | source | sample | its name | held in memory |
//! | --- | --- | --- | --- |
//! | IDX file, plain or gzip | GRAY8 (`idx3`) or RGB8 (`idx4`) | `train-images-idx3-ubyte#17` | all of it |
//! | CSV list of image files | GRAY8 where the file is grey, else RGB8 | the file as it is listed | the list |
//! | CSV table of tensors | floats | `rows#17` | all of it |
//! | image files named one by one | as in a list | the file as it was named | the names |
//!
//! Names count from 0 and stay the same from run to run, so that a profile can be resumed by them.
#![forbid(unsafe_code)]

mod files;
mod idx;
mod table;

use std::path::Path;

use trt_select_cuda::Format;

use crate::bundle::{Bundle, FILE_NAME, SampleSource};
use crate::error::{Error, ErrorKind, Result};

/// Most bytes that an IDX file or table may take once it is unpacked.
pub const MAX_BYTES: u64 = 1 << 30;

/// Labelled or unlabelled inputs, read one at a time.
#[derive(Debug)]
pub struct Samples {
    inputs: Inputs,
}

#[derive(Debug)]
enum Inputs {
    Idx(idx::Idx),
    Files(files::Files),
    Table(table::Table),
}

/// Where a sample is loaded to. Its memory is used again for the next sample.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    values: Vec<f32>,
    /// Format, width and height of what is in `bytes`; without them the sample is what is in `values`.
    pixels: Option<(Format, u32, u32)>,
}

/// A loaded sample.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sample<'a> {
    /// One plane of pixels, row after row without gaps.
    Image {
        /// [`Format::Gray8`] or [`Format::Rgb8`].
        format: Format,
        /// Width in pixels, at least 1.
        width_px: u32,
        /// Height in pixels, at least 1.
        height_px: u32,
        /// Bytes from one row to the next.
        stride_bytes: usize,
        /// The pixels.
        bytes: &'a [u8],
    },
    /// The elements of a tensor, all finite.
    Tensor(&'a [f32]),
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Buffer::default()
    }

    /// What the last [`Samples::load`] put here; an empty tensor before the first one and after one that failed.
    pub fn sample(&self) -> Sample<'_> {
        match self.pixels {
            Some((format, width_px, height_px)) => {
                let stride_bytes = format.row_bytes(width_px) as usize;
                Sample::Image { format, width_px, height_px, stride_bytes, bytes: &self.bytes }
            }
            None => Sample::Tensor(&self.values),
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.pixels = None;
    }
}

impl Samples {
    /// Opens samples: reads an IDX file or a table whole, and of image files the list, each of which must be there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] for files that are missing or cannot be read, [`ErrorKind::Data`] for what is in them,
    /// [`ErrorKind::Usage`] for a source without samples.
    pub fn open(source: &SampleSource) -> Result<Samples> {
        let inputs = match source {
            SampleSource::Idx { images, labels } => Inputs::Idx(idx::Idx::read(images, labels.as_deref())?),
            SampleSource::List { list, root } => Inputs::Files(files::Files::list(list, root)?),
            SampleSource::Table { table } => Inputs::Table(table::Table::read(table)?),
            SampleSource::Files { files } => Inputs::Files(files::Files::named(files)?),
        };
        Ok(Samples { inputs })
    }

    /// Opens the samples that a bundle names, and holds them against its class names and the shape of its input.
    ///
    /// # Errors
    /// As [`Samples::open`], [`Samples::check_classes`] and [`Samples::check_len`]; [`ErrorKind::Usage`] if the bundle
    /// names none.
    pub fn of_bundle(bundle: &Bundle) -> Result<Samples> {
        let Some(source) = &bundle.samples else {
            let object = bundle.dir.join(FILE_NAME).display().to_string();
            let remedy = "add the table, or name inputs";
            return Err(Error::expected(ErrorKind::Usage, object, "a [samples] table", "none", remedy));
        };
        let samples = Samples::open(source)?;
        if !bundle.labels.is_empty() {
            samples.check_classes(bundle.labels.len())?;
        }
        if let Some(len) = bundle.input.tensor_len() {
            samples.check_len(len)?;
        }
        Ok(samples)
    }

    /// How many there are; at least 1.
    pub fn len(&self) -> usize {
        match &self.inputs {
            Inputs::Idx(idx) => idx.len(),
            Inputs::Files(files) => files.len(),
            Inputs::Table(table) => table.len(),
        }
    }

    /// Whether there are none. There always are some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of sample `i`, the same from run to run and unique, but for files that were named twice.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn name(&self, i: usize) -> String {
        match &self.inputs {
            Inputs::Idx(idx) => idx.name(i),
            Inputs::Files(files) => files.name(i).to_owned(),
            Inputs::Table(table) => table.name(i),
        }
    }

    /// The class of sample `i`, where it is known.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn label(&self, i: usize) -> Option<u32> {
        match &self.inputs {
            Inputs::Idx(idx) => idx.label(i),
            Inputs::Files(files) => files.label(i),
            Inputs::Table(table) => table.label(i),
        }
    }

    /// How many have a label.
    pub fn labelled(&self) -> usize {
        (0..self.len()).filter(|&i| self.label(i).is_some()).count()
    }

    /// Puts sample `i` into the buffer. A file that is not grey comes as RGB8, 16-bit files are scaled to 8, alpha is
    /// dropped, and the orientation in a photograph's EXIF data is not applied.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Data`] for an image file that cannot be read or decoded; the buffer is then
    /// empty. Other sources were read when they were opened, and do not fail.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn load(&self, i: usize, buffer: &mut Buffer) -> Result<()> {
        buffer.clear();
        match &self.inputs {
            Inputs::Idx(idx) => idx.load(i, buffer),
            Inputs::Files(files) => files.load(i, buffer).inspect_err(|_| buffer.clear())?,
            Inputs::Table(table) => buffer.values.extend_from_slice(table.row(i)),
        }
        Ok(())
    }

    /// Holds the labels against the number of classes.
    ///
    /// # Errors
    /// [`ErrorKind::Data`], naming the first label that no class has.
    pub fn check_classes(&self, classes: usize) -> Result<()> {
        for i in 0..self.len() {
            if let Some(label) = self.label(i).filter(|&label| label as usize >= classes) {
                let object = match &self.inputs {
                    Inputs::Idx(idx) => idx.label_place(i),
                    Inputs::Files(files) => files.place(i),
                    Inputs::Table(table) => table.place(i),
                };
                let expected = format!("a label below {classes}, the number of classes");
                let remedy = "correct the label, or use the networks that it was made for";
                return Err(Error::expected(ErrorKind::Data, object, expected, label, remedy));
            }
        }
        Ok(())
    }

    /// Holds tensors against the number of elements of the input they are for. Images pass: they are resized.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if the numbers differ.
    pub fn check_len(&self, len: usize) -> Result<()> {
        match &self.inputs {
            Inputs::Table(table) if table.width() != len => Err(Error::expected(
                ErrorKind::Data,
                table.path().display(),
                format_args!("{len} values a row, as many as [input] shape has"),
                table.width(),
                "correct the table or the shape",
            )),
            _ => Ok(()),
        }
    }
}

/// The error of something in a file.
fn data(
    object: impl std::fmt::Display,
    expected: impl std::fmt::Display,
    got: impl std::fmt::Display,
    remedy: impl std::fmt::Display,
) -> Error {
    Error::expected(ErrorKind::Data, object, expected, got, remedy)
}

/// The error of a file that cannot be opened or read.
fn unreadable(path: &Path, e: &std::io::Error) -> Error {
    Error::expected(ErrorKind::Io, path.display(), "a readable file", e, "check the path and the file's permissions")
}

/// A class number in the row at a byte of a CSV file; nothing means that it is not known.
fn parse_label(path: &Path, byte: u64, text: &str) -> Result<Option<u32>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let remedy = "give the class's index, or leave it empty";
        data(csv_place(path, byte), "a class number from 0 as label", format_args!("{text:?}"), remedy)
    })
}

/// `path:line` of the row that begins at a byte of a CSV file, as its reader counts. The file is read again, so this is
/// for errors; the reader's own line is not used, since it counts neither empty lines before a row nor all of `\r\n`.
fn csv_place(path: &Path, byte: u64) -> String {
    let Ok(text) = std::fs::read(path) else { return path.display().to_string() };
    let byte = usize::try_from(byte).map_or(text.len(), |byte| byte.min(text.len()));
    let (before, row) = text.split_at(byte);
    let breaks = row.iter().take_while(|&&b| b == b'\r' || b == b'\n');
    let line = 1 + before.iter().chain(breaks).filter(|&&b| b == b'\n').count();
    format!("{}:{line}", path.display())
}

/// The error of a CSV reader.
fn csv_error(path: &Path, e: csv::Error) -> Error {
    let object = match e.position() {
        Some(position) => csv_place(path, position.byte()),
        None => path.display().to_string(),
    };
    match e.kind() {
        csv::ErrorKind::Io(e) => unreadable(path, e),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            data(object, format_args!("{expected_len} fields, as in the rows before"), len, "correct the row")
        }
        csv::ErrorKind::Utf8 { .. } => data(object, "UTF-8 text", "other bytes", "save the file as UTF-8"),
        _ => data(object, "a CSV row", e, "correct the row"),
    }
}

#[cfg(test)]
mod tests;
