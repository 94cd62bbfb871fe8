//! The checks that every engine that reads ONNX makes on a model before it takes it, so that all of them refuse with the same words.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{DataType, Error, ErrorKind, OpenOptions, TensorInfo};

/// The most bytes that one tensor may take. A larger tensor comes from a damaged file, and the attempt to allocate it would end the
/// process.
pub(crate) const MAX_TENSOR_BYTES: usize = 1 << 32;

/// Longest part of a library's message that is taken over into ours, in bytes.
const MAX_DETAIL_BYTES: usize = 400;

/// One extent of a tensor, as the model's file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Fixed(usize),
    /// Left open, with the name that the exporter gave it (often none).
    Open(String),
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Fixed(extent) => write!(f, "{extent}"),
            Extent::Open(name) if name.is_empty() => f.write_char('?'),
            Extent::Open(name) => f.write_str(name),
        }
    }
}

/// Whether a tensor goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Input,
    Output,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Input => "input",
            Role::Output => "output",
        })
    }
}

/// Size of the file in bytes. An empty file is refused.
pub(crate) fn check_file(path: &Path) -> Result<u64, Error> {
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, e))?;
    if !metadata.is_file() {
        return Err(Error::new(
            ErrorKind::Io,
            format!("{}: expected an ONNX file, got something else; name the .onnx file itself", path.display()),
        ));
    }
    if metadata.len() == 0 {
        return Err(Error::new(
            ErrorKind::Model,
            format!("{}: expected an ONNX model, got an empty file; export or copy it again", path.display()),
        ));
    }
    Ok(metadata.len())
}

/// The error for a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("{}: expected a readable ONNX file, got: {error}; check the path and its permissions", path.display()),
    )
    .caused_by(error)
}

/// Refuses options that no engine can honour.
pub(crate) fn check_options(options: &OpenOptions) -> Result<(), Error> {
    if options.threads == 0 {
        return Err(Error::new(ErrorKind::Unsupported, "threads: expected at least 1, got 0"));
    }
    Ok(())
}

/// The description of a tensor of elements of type `element`, of which only f32 is taken. All extents must be fixed, except that the
/// first one, the batch, may be left open: it becomes 1.
pub(crate) fn tensor_info(
    path: &Path,
    role: Role,
    name: &str,
    element: &str,
    extents: &[Extent],
) -> Result<TensorInfo, Error> {
    let of = format!("{}: {role} `{name}`", path.display());
    if element != DataType::F32.name() {
        return Err(Error::new(
            ErrorKind::Shape,
            format!("{of} holds {element}, expected f32; export the model so that it takes and gives f32"),
        ));
    }
    let shape: Option<Vec<usize>> = extents
        .iter()
        .enumerate()
        .map(|(axis, extent)| match extent {
            Extent::Fixed(0) => None,
            Extent::Fixed(extent) => Some(*extent),
            Extent::Open(_) if axis == 0 => Some(1),
            Extent::Open(_) => None,
        })
        .collect();
    let Some(shape) = shape else {
        return Err(Error::new(
            ErrorKind::Shape,
            format!(
                "{of} has shape {}, expected fixed extents (only an open batch, the first, is taken, as 1); export the \
                 model for one size",
                show(extents)
            ),
        ));
    };
    let bytes = shape.iter().try_fold(DataType::F32.size_bytes(), |bytes, extent| bytes.checked_mul(*extent));
    if bytes.is_none_or(|bytes| bytes > MAX_TENSOR_BYTES) {
        return Err(Error::new(
            ErrorKind::Shape,
            format!(
                "{of} has shape {}, expected at most {MAX_TENSOR_BYTES} bytes; the file may be damaged",
                show(extents)
            ),
        ));
    }
    Ok(TensorInfo { name: name.to_owned(), data_type: DataType::F32, shape })
}

/// Refuses a model without inputs or without outputs.
pub(crate) fn check_count(path: &Path, inputs: usize, outputs: usize) -> Result<(), Error> {
    if inputs == 0 || outputs == 0 {
        return Err(Error::new(
            ErrorKind::Model,
            format!(
                "{}: expected a model with inputs and outputs, got {inputs} and {outputs}; export it again",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// A shape as `[1,3,height,?]`.
fn show(extents: &[Extent]) -> String {
    let mut text = String::from("[");
    for (axis, extent) in extents.iter().enumerate() {
        let _ = write!(text, "{}{extent}", if axis == 0 { "" } else { "," });
    }
    text.push(']');
    text
}

/// A library's message, cut to a readable length.
pub(crate) fn detail(message: &str) -> &str {
    let end = message.floor_char_boundary(MAX_DETAIL_BYTES);
    message[..end].trim_end()
}

/// Runs `work` on a model, and turns a panic of the library in it into an error. The panic hook has printed its line by then, unless the
/// program has set another hook.
pub(crate) fn guard<T>(
    kind: ErrorKind,
    path: &Path,
    library: &str,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    // Unwinding is safe here: callers drop, or make anew, whatever `work` has left half done.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Error::new(
            kind,
            format!(
                "{}: {library} gave up on it ({}); the file may be damaged: export or copy it again",
                path.display(),
                detail(message)
            ),
        ))
    })
}
