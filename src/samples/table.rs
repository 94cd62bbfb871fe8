//! Tensors in a CSV file, one a row.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{MAX_BYTES, csv_error, csv_place, data, parse_label, unreadable};
use crate::error::Result;

/// All rows of a table, in memory.
#[derive(Debug)]
pub(super) struct TensorTable {
    path: PathBuf,
    /// Number of values in a row, at least 1.
    width: usize,
    values: Vec<f32>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: Option<u32>,
    /// The byte of the file at which the row begins.
    byte: u64,
}

impl TensorTable {
    /// Reads a table. Its first row is a header if one of the fields is `label` or if no field is a number. The column `label` holds class
    /// numbers; all other columns are values, in their order. Without a header all columns are values.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(file);
        let mut label_column = None;
        let mut width = 0;
        let (mut values, mut rows) = (Vec::new(), Vec::new());
        for (i, row) in reader.records().enumerate() {
            let row = row.map_err(|e| csv_error(path, e))?;
            let byte = row.position().map_or(0, csv::Position::byte);
            let place = || csv_place(path, byte);
            if i == 0 {
                let header = row.iter().any(|field| field == "label") || row.iter().all(|f| f.parse::<f32>().is_err());
                if row.len() > 2 && row.iter().enumerate().all(|(column, field)| field == column.to_string()) {
                    let got = format!("the numbers 0 to {}, which may be either", row.len() - 1);
                    let remedy = "give the columns names, e.g. v0,v1";
                    return Err(data(place(), "a header or values", got, remedy));
                }
                if header {
                    label_column = row.iter().position(|column| column == "label");
                    if row.iter().filter(|&column| column == "label").count() > 1 {
                        return Err(data(place(), "one column label", "several", "rename or remove the others"));
                    }
                }
                width = row.len() - usize::from(label_column.is_some());
                if width == 0 {
                    return Err(data(
                        place(),
                        "columns of values",
                        "the column label alone",
                        "add the tensors' values",
                    ));
                }
                if header {
                    continue;
                }
            }
            let mut label = None;
            for (column, field) in row.iter().enumerate() {
                if label_column == Some(column) {
                    label = parse_label(path, byte, field)?;
                    continue;
                }
                match field.parse::<f32>() {
                    Ok(value) if value.is_finite() => values.push(value),
                    _ => {
                        let object = format!("{}: column {}", place(), column + 1);
                        return Err(data(object, "a finite number", format_args!("{field:?}"), "correct the value"));
                    }
                }
            }
            rows.push(Row { label, byte });
            if (values.len() * size_of::<f32>()) as u64 > MAX_BYTES {
                let expected = format!("at most {MAX_BYTES} bytes of values");
                return Err(data(place(), expected, "more", "split the table"));
            }
        }
        if rows.is_empty() {
            return Err(data(path.display(), "at least 1 row of values", "none", "add a row for each sample"));
        }
        Ok(TensorTable { path: path.to_owned(), width, values, rows })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn name(&self, i: usize) -> String {
        assert!(i < self.rows.len(), "sample {i} of {}", self.rows.len());
        format!("{}#{i}", self.path.file_stem().unwrap_or_default().to_string_lossy())
    }

    pub(super) fn label(&self, i: usize) -> Option<u32> {
        self.rows[i].label
    }

    /// The place of row `i` in the file, for an error message.
    pub(super) fn place(&self, i: usize) -> String {
        csv_place(&self.path, self.rows[i].byte)
    }

    pub(super) fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}
