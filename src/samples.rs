//! Sample inputs with their labels, from IDX files, lists of image files, or tables of tensors.
//!
//! | source | sample | name of a sample | held in memory |
//! | --- | --- | --- | --- |
//! | IDX file, plain or gzip | GRAY8 (`idx3`) or RGB8 (`idx4`) | `train-images-idx3-ubyte#17` | the whole file |
//! | CSV list of image files | GRAY8 where the file is grey, else RGB8 | the file's name as the list has it | the list |
//! | CSV table of tensors | floats | `rows#17` | the whole table |
//! | image files named one by one | as in a list | the file's name as it was given | the names |
//!
//! Numbers in names count from 0. Names are the same in every run, so a profile that was interrupted can be resumed by them.
#![forbid(unsafe_code)]

mod files;
mod idx;
mod table;

use std::path::Path;

use trt_select_cuda::Format;

use crate::Frame;
use crate::bundle::{Bundle, FILE_NAME, SampleSource};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;

/// The largest number of bytes that an IDX file or a table may take once it is unpacked.
pub const MAX_BYTES: u64 = 1 << 30;

/// Labelled or unlabelled inputs, which are loaded one at a time.
///
/// ```
/// use trt_select::bundle::SampleSource;
/// use trt_select::samples::{Buffer, Sample, Samples};
///
/// let dir = tempfile::tempdir()?;
/// let table = dir.path().join("rows.csv");
/// std::fs::write(&table, "label,v0,v1\n1,0.5,-2\n0,3,4\n")?;
/// let samples = Samples::open(&SampleSource::Table { table })?;
/// assert_eq!((samples.len(), samples.label(0)), (2, Some(1)));
/// assert_eq!(samples.name(1), "rows#1");
///
/// let mut buffer = Buffer::new();
/// samples.load(1, &mut buffer)?;
/// assert_eq!(buffer.sample(), Sample::Tensor(&[3.0, 4.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Samples {
    inputs: Inputs,
}

#[derive(Debug)]
enum Inputs {
    Idx(idx::Idx),
    Files(files::Files),
    Table(table::TensorTable),
}

/// The memory that a sample is loaded into. The next sample uses the same memory again.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    values: Vec<f32>,
    /// Format, width and height of the image in `bytes`; `None` where the sample is the tensor in `values`.
    pixels: Option<(Format, u32, u32)>,
}

/// A loaded sample.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sample<'a> {
    /// An image in one plane, whose rows follow each other without gaps.
    Image {
        /// [`Format::Gray8`] or [`Format::Rgb8`].
        format: Format,
        /// Width in pixels, at least 1.
        width_px: u32,
        /// Height in pixels, at least 1.
        height_px: u32,
        /// Number of bytes from the start of one row to the start of the next.
        stride_bytes: usize,
        /// The pixels.
        bytes: &'a [u8],
    },
    /// The elements of a tensor, all of them finite.
    Tensor(&'a [f32]),
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Buffer::default()
    }

    /// What the last [`Samples::load`] put here. It is an empty tensor before the first load and after one that failed.
    pub fn sample(&self) -> Sample<'_> {
        match self.pixels {
            Some((format, width_px, height_px)) => {
                let stride_bytes = format.row_bytes(width_px) as usize;
                Sample::Image { format, width_px, height_px, stride_bytes, bytes: &self.bytes }
            }
            None => Sample::Tensor(&self.values),
        }
    }

    /// What the last [`Samples::load`] put here, as the input of a [`Selector`](crate::Selector) or a [`CandidateSet`](crate::CandidateSet).
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the pixels are no frame.
    pub fn input(&self) -> Result<Input<'_>> {
        match self.sample() {
            Sample::Image { format, width_px, height_px, stride_bytes, bytes } => {
                Frame::packed(format, width_px, height_px, stride_bytes, bytes)
                    .map(Input::Frame)
                    .map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
            }
            Sample::Tensor(values) => Ok(Input::Tensor(values)),
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.values.clear();
        self.pixels = None;
    }
}

impl Samples {
    /// Opens the samples of a source. An IDX file or a table is read as a whole. Of image files only the list is read, and each file that
    /// it names must exist.
    ///
    /// ```
    /// use trt_select::bundle::SampleSource;
    /// use trt_select::error::ErrorKind;
    /// use trt_select::samples::Samples;
    ///
    /// let missing = SampleSource::Files { files: vec!["nowhere.png".into()] };
    /// assert_eq!(Samples::open(&missing).unwrap_err().kind(), ErrorKind::Io);
    /// assert_eq!(Samples::open(&SampleSource::Files { files: vec![] }).unwrap_err().kind(), ErrorKind::Usage);
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a file is missing or cannot be read, [`ErrorKind::Data`] if a file's content is not what it must be,
    /// [`ErrorKind::Usage`] if the source has no samples.
    pub fn open(source: &SampleSource) -> Result<Samples> {
        let inputs = match source {
            SampleSource::Idx { images, labels } => Inputs::Idx(idx::Idx::read(images, labels.as_deref())?),
            SampleSource::List { list, root } => Inputs::Files(files::Files::list(list, root)?),
            SampleSource::Table { table } => Inputs::Table(table::TensorTable::read(table)?),
            SampleSource::Files { files } => Inputs::Files(files::Files::named(files)?),
        };
        Ok(Samples { inputs })
    }

    /// Opens the samples that a bundle names, and checks that their labels fit its class names and their sizes the shape of its input.
    ///
    /// # Errors
    /// The errors of [`Samples::open`], [`Samples::check_classes`] and [`Samples::check_len`]; [`ErrorKind::Usage`] if the bundle names no
    /// samples.
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

    /// Number of samples, which is at least 1.
    pub fn len(&self) -> usize {
        match &self.inputs {
            Inputs::Idx(idx) => idx.len(),
            Inputs::Files(files) => files.len(),
            Inputs::Table(table) => table.len(),
        }
    }

    /// Always false, since there is at least one sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of sample `i`. It is the same in every run, and no other sample has it unless a file was named twice.
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

    /// The class of sample `i`; `None` where it is not known.
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

    /// Number of samples whose class is known.
    pub fn labelled(&self) -> usize {
        (0..self.len()).filter(|&i| self.label(i).is_some()).count()
    }

    /// Loads sample `i` into the buffer. An image file that is not grey is loaded as RGB8. 16-bit values are scaled to 8 bits, alpha is
    /// dropped, and the orientation that a photograph's EXIF data may give is ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Data`] if an image file cannot be read or decoded; the buffer is then empty. Samples of the other
    /// sources were read when they were opened, so loading them does not fail.
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

    /// Checks that every label is a class, that is, below the number of classes.
    ///
    /// ```
    /// use trt_select::bundle::SampleSource;
    /// use trt_select::samples::Samples;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let table = dir.path().join("rows.csv");
    /// std::fs::write(&table, "label,v0\n0,0.5\n2,0.25\n")?;
    /// let samples = Samples::open(&SampleSource::Table { table })?;
    /// assert!(samples.check_classes(3).is_ok());
    /// // With two classes, the label 2 in line 3 is too large.
    /// assert!(samples.check_classes(2).unwrap_err().to_string().contains("rows.csv:3"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Data`], which names the first label that is too large.
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

    /// Checks that tensors have as many elements as the input that they are for. Images always pass, since they are resized.
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

/// The error of something in a file that is not what it must be.
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

/// The class number in a row, which begins at byte `byte` of a CSV file; `None` where the field is empty.
fn parse_label(path: &Path, byte: u64, text: &str) -> Result<Option<u32>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let remedy = "give the class's index, or leave it empty";
        data(csv_place(path, byte), "a class number from 0 as label", format_args!("{text:?}"), remedy)
    })
}

/// `path:line` of the row that begins at this byte of a CSV file. The CSV reader's own line numbers cannot be used, since they leave
/// out empty lines before a row and count `\r\n` wrongly. The file is read again for this, so call it for errors only.
fn csv_place(path: &Path, byte: u64) -> String {
    let Ok(text) = std::fs::read(path) else { return path.display().to_string() };
    let byte = usize::try_from(byte).map_or(text.len(), |byte| byte.min(text.len()));
    let (before, row) = text.split_at(byte);
    let breaks = row.iter().take_while(|&&b| b == b'\r' || b == b'\n');
    let line = 1 + before.iter().chain(breaks).filter(|&&b| b == b'\n').count();
    format!("{}:{line}", path.display())
}

/// The error of the CSV reader as an error of this crate.
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
