//! Image files that a CSV file lists or the caller names one by one.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use trt_select_cuda::Format;

use super::{Buffer, csv_error, csv_place, data, parse_label, unreadable};
use crate::error::{Error, ErrorKind, Result};

/// The largest number of bytes that a decoded image may take.
const MAX_IMAGE_BYTES: u64 = 512 << 20;

/// Image files, all of which existed when this was made.
#[derive(Debug)]
pub(super) struct Files {
    entries: Vec<Entry>,
    /// The CSV file that lists them, where one does.
    list: Option<PathBuf>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    path: PathBuf,
    label: Option<u32>,
    /// The byte of the list at which the file's row begins.
    byte: u64,
}

impl Files {
    /// The files that a CSV file lists. Relative names count from `root`.
    pub(super) fn list(list: &Path, root: &Path) -> Result<Self> {
        let file = File::open(list).map_err(|e| unreadable(list, &e))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let header = reader.headers().map_err(|e| csv_error(list, e))?;
        let column = |name: &str| header.iter().position(|column| column == name);
        let (image, label) = (column("image"), column("label"));
        let known = usize::from(image.is_some()) + usize::from(label.is_some());
        let Some(image) = image.filter(|_| known == header.len()) else {
            let got = header.iter().collect::<Vec<_>>().join(",");
            let object = format!("{}:1", list.display());
            return Err(data(
                object,
                "the columns image,label or image",
                format_args!("{got:?}"),
                "correct the header",
            ));
        };

        let mut entries: Vec<Entry> = Vec::new();
        let mut rows: HashMap<String, u64> = HashMap::new();
        for row in reader.records() {
            let row = row.map_err(|e| csv_error(list, e))?;
            let byte = row.position().map_or(0, csv::Position::byte);
            let place = || csv_place(list, byte);
            let name = row[image].to_owned();
            let label = label.map_or(Ok(None), |label| parse_label(list, byte, &row[label]))?;
            if name.is_empty() {
                return Err(data(place(), "an image's file name", "none", "name the file, or remove the row"));
            }
            let path = root.join(&name);
            if !path.is_file() {
                let got = format!("none at {}", path.display());
                let remedy = "restore it, remove the row, or correct the list's root";
                return Err(Error::expected(ErrorKind::Io, place(), "an image file", got, remedy));
            }
            if let Some(first) = rows.insert(name.clone(), byte) {
                let got = format!("{name:?} again (first at {})", csv_place(list, first));
                return Err(data(place(), "each image once", got, "remove the row"));
            }
            entries.push(Entry { name, path, label, byte });
        }
        if entries.is_empty() {
            return Err(data(list.display(), "at least 1 image", "none", "add a row for each image"));
        }
        Ok(Files { entries, list: Some(list.to_owned()) })
    }

    /// Files that the caller named one by one.
    pub(super) fn named(files: &[PathBuf]) -> Result<Self> {
        if files.is_empty() {
            return Err(Error::expected(ErrorKind::Usage, "inputs", "at least 1 image file", "none", "name one"));
        }
        for path in files {
            if !path.is_file() {
                let got = match std::fs::metadata(path) {
                    Ok(found) if found.is_dir() => "a folder",
                    Ok(_) => "a device or a pipe",
                    Err(_) => "no such file",
                };
                return Err(Error::expected(ErrorKind::Io, path.display(), "an image file", got, "correct the path"));
            }
        }
        let entry =
            |path: &PathBuf| Entry { name: path.display().to_string(), path: path.clone(), label: None, byte: 0 };
        Ok(Files { entries: files.iter().map(entry).collect(), list: None })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn name(&self, i: usize) -> &str {
        &self.entries[i].name
    }

    pub(super) fn label(&self, i: usize) -> Option<u32> {
        self.entries[i].label
    }

    /// The place in the list that names sample `i`, for an error message.
    pub(super) fn place(&self, i: usize) -> String {
        match &self.list {
            Some(list) => csv_place(list, self.entries[i].byte),
            None => self.entries[i].name.clone(),
        }
    }

    /// Decodes sample `i`. After an error the buffer may hold a part of it.
    pub(super) fn load(&self, i: usize, buffer: &mut Buffer) -> Result<()> {
        let path = &self.entries[i].path;
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| unreadable(path, &e))?;
        let decoder = reader.into_decoder().map_err(|e| undecodable(path, e))?;
        let (width_px, height_px) = decoder.dimensions();
        let len = decoder.total_bytes();
        if len == 0 || len > MAX_IMAGE_BYTES {
            let expected = format!("an image of 1 to {MAX_IMAGE_BYTES} bytes once decoded");
            let got = format!("{width_px} × {height_px} px");
            return Err(data(path.display(), expected, got, "remove it, or make it smaller"));
        }
        let format = match decoder.color_type() {
            direct @ (image::ColorType::L8 | image::ColorType::Rgb8) => {
                buffer.bytes.resize(len as usize, 0);
                decoder.read_image(&mut buffer.bytes).map_err(|e| undecodable(path, e))?;
                if direct == image::ColorType::L8 { Format::Gray8 } else { Format::Rgb8 }
            }
            other => {
                let decoded = DynamicImage::from_decoder(decoder).map_err(|e| undecodable(path, e))?;
                if other.has_color() {
                    buffer.bytes.extend_from_slice(&decoded.into_rgb8());
                    Format::Rgb8
                } else {
                    buffer.bytes.extend_from_slice(&decoded.into_luma8());
                    Format::Gray8
                }
            }
        };
        buffer.pixels = Some((format, width_px, height_px));
        Ok(())
    }
}

fn undecodable(path: &Path, e: ImageError) -> Error {
    match e {
        // A file that ends too early gives an `Io` error too, but there it is the file that is wrong and not the machine.
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => unreadable(path, &e),
        e => data(path.display(), "a JPEG, PNG, BMP or PNM image", e, "convert it, or remove it from the inputs"),
    }
}
