//! From the CSV side file to the table of most probable classes.

use std::collections::HashMap;

use super::{MAX_CLASSES, MAX_K, NONE, TopK};
use crate::csv_table::CsvTable;
use crate::error::{Message, ProfileError, ProfileErrorKind};

/// Where the entries of a cell lie in [`Cells::entries`].
struct Cell {
    row: usize,
    start: usize,
    end: usize,
}

/// Cells as they come: how wide the table is to be is known once the longest cell has been read.
struct Cells {
    /// By candidate.
    cells: Vec<Vec<Cell>>,
    /// Class and probability.
    entries: Vec<(u32, f32)>,
    longest: usize,
}

impl TopK {
    /// Reads a side file from its bytes; `name` stands for the file in messages. The table gets a row for each of `inputs` and
    /// a column for each of `candidates`, in their order; others in the file are passed over. `class_count` is the number
    /// of classes where the file says none.
    #[cfg(test)]
    pub(crate) fn parse(
        name: &str,
        bytes: &[u8],
        inputs: &[String],
        candidates: &[String],
        class_count: u32,
    ) -> Result<TopK, ProfileError> {
        TopK::read(name, CsvTable::open(name, bytes)?, inputs, candidates, class_count)
    }

    /// As `parse`, from a file whose header has been read.
    pub(crate) fn read(
        name: &str,
        mut table: CsvTable<'_>,
        inputs: &[String],
        candidates: &[String],
        class_count: u32,
    ) -> Result<TopK, ProfileError> {
        let (k, stated) = (number(name, &table, "k")?, number(name, &table, "classes")?);
        let most = k.map_or(MAX_K, |k| k as usize);
        let found = read_cells(name, &mut table, inputs, candidates, most, stated.unwrap_or(NONE))?;
        let k = k.map_or(found.longest, |k| (k as usize).min(MAX_K));
        let seen = found.entries.iter().map(|&(class, _)| class.saturating_add(1)).max().unwrap_or(0);
        let class_count = stated.unwrap_or(class_count.max(seen));
        if class_count > MAX_CLASSES {
            let message = Message::new(name, format!("at most {MAX_CLASSES} classes"), class_count, "mend it");
            return Err(ProfileError::new(ProfileErrorKind::Comment, message));
        }
        let mut classes = vec![vec![NONE; inputs.len() * k]; candidates.len()];
        let mut probabilities = vec![vec![0.0; inputs.len() * k]; candidates.len()];
        for (c, cells) in found.cells.iter().enumerate() {
            for cell in cells {
                for (rank, &(class, p)) in found.entries[cell.start..cell.end].iter().enumerate() {
                    classes[c][cell.row * k + rank] = class;
                    probabilities[c][cell.row * k + rank] = p;
                }
            }
        }
        Ok(TopK::checked(k, class_count, classes, probabilities))
    }
}

/// A comment that holds a number above 0; `None` where there is no such comment.
fn number(name: &str, table: &CsvTable<'_>, key: &str) -> Result<Option<u32>, ProfileError> {
    let Some(text) = table.comments().get(key) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => {
            let object = format!("{name}: comment '{key}'");
            let message = Message::new(object, "a number above 0", format!("'{text}'"), "mend it");
            Err(ProfileError::new(ProfileErrorKind::Comment, message))
        }
    }
}

/// Reads every row that belongs to an input: the cells of `candidates`, with at most `most` classes below `class_limit` each.
fn read_cells(
    name: &str,
    table: &mut CsvTable<'_>,
    inputs: &[String],
    candidates: &[String],
    most: usize,
    class_limit: u32,
) -> Result<Cells, ProfileError> {
    let input = column(name, table, "input")?;
    let columns =
        candidates.iter().map(|c| column(name, table, &format!("{c}.topk"))).collect::<Result<Vec<_>, _>>()?;
    let row_of: HashMap<&str, usize> = inputs.iter().enumerate().map(|(row, name)| (name.as_str(), row)).collect();
    let cells = candidates.iter().map(|_| Vec::with_capacity(inputs.len())).collect();
    let mut found = Cells { cells, entries: Vec::new(), longest: 1 };
    let mut has_row = vec![false; inputs.len()];
    while table.next_row()? {
        let Some(&row) = row_of.get(table.row()[input].trim()) else { continue };
        if std::mem::replace(&mut has_row[row], true) {
            return Err(table.bad_field(input, "a name that no other row has", "remove the line"));
        }
        for (cells, &column) in found.cells.iter_mut().zip(&columns) {
            let start = found.entries.len();
            read_cell(&table.row()[column], most, class_limit, &mut found.entries)
                .map_err(|expected| table.bad_field(column, expected, "mend or remove the line"))?;
            let end = found.entries.len();
            cells.push(Cell { row, start, end });
            found.longest = found.longest.max(end - start);
        }
    }
    if let Some(row) = has_row.iter().position(|&has| !has) {
        let expected = format!("a row for input '{}'", inputs[row]);
        let message = Message::new(name, expected, "none", "remove the file, or add the row");
        return Err(ProfileError::new(ProfileErrorKind::SideRow, message));
    }
    Ok(found)
}

/// The place of a column in the header.
fn column(name: &str, table: &CsvTable<'_>, wanted: &str) -> Result<usize, ProfileError> {
    table.header().iter().position(|h| h == wanted).ok_or_else(|| {
        let expected = format!("a column '{wanted}'");
        let message = Message::new(name, expected, "none", "remove the file, or make it anew");
        ProfileError::new(ProfileErrorKind::SideColumn, message)
    })
}

/// Reads `class:p class:p …` and appends it to the entries; else what was expected of the cell.
fn read_cell(text: &str, k: usize, class_count: u32, entries: &mut Vec<(u32, f32)>) -> Result<(), String> {
    let start = entries.len();
    for pair in text.split_ascii_whitespace() {
        let pair = pair.split_once(':').and_then(|(class, p)| Some((class.parse().ok()?, p.parse().ok()?)));
        let (class, p): (u32, f32) = pair.ok_or("pairs of class:probability with spaces between")?;
        // The last number stands for no class.
        if class >= class_count.min(NONE - 1) {
            return Err(format!("classes below {class_count}"));
        }
        let before = &entries[start..];
        if before.len() == k {
            return Err(format!("at most {k} pairs"));
        }
        if before.iter().any(|e| e.0 == class) {
            return Err("each class once".to_string());
        }
        if !(0.0..=1.0).contains(&p) || before.last().is_some_and(|e| e.1 < p) {
            return Err("probabilities in 0..=1, the largest first".to_string());
        }
        entries.push((class, p));
    }
    Ok(())
}
