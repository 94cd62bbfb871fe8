//! Finds out from an ONNX file alone whether a model's weights are half precision.
//!
//! TensorRT-RTX and TensorRT 11 take the type of every tensor from the model ("strong typing") and have no switch for half precision: their
//! fp16 plans are built from fp16 models. So that a plan's precision can be recorded rightly, this looks at the types of the model's
//! weights. It walks over the protobuf's fields and reads no weight.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, ErrorKind};

/// Numbers of the fields that are followed: `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.dims` and `.data_type`; and
/// `GraphProto.node`, `NodeProto.attribute`, `AttributeProto.t`, where constants stand.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const ATTRIBUTE: u64 = 5;
const ATTRIBUTE_TENSOR: u64 = 5;
const INITIALIZER: u64 = 5;
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;

/// How many elements of a model's weights are of which type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// 32-bit floats.
    pub fp32: u64,
    /// 16-bit floats.
    pub fp16: u64,
}

impl Weights {
    /// Counts the weights of the ONNX model at `path`, without those in its subgraphs.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if the file cannot be read;
    /// - [`ErrorKind::Model`] if it is no ONNX model.
    pub fn of(path: &Path) -> Result<Weights, Error> {
        let mut weights = Weights::default();
        let counted = File::open(path).and_then(|file| {
            let end = file.metadata()?.len();
            let mut reader = Walk { file: BufReader::new(file), at: 0 };
            reader.model(end, &mut weights)
        });
        match counted {
            Ok(0) => Err(no_model(path)),
            Ok(_) => Ok(weights),
            Err(e) if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                Err(no_model(path))
            }
            Err(e) => Err(Error::new(
                ErrorKind::Io,
                format!("{}: expected a readable file, got {e}; check the file and its permissions", path.display()),
            )
            .caused_by(e)),
        }
    }

    /// Whether it is a half-precision model: more of its weights are 16-bit floats than 32-bit ones.
    pub fn half(&self) -> bool {
        self.fp16 > self.fp32
    }
}

fn no_model(path: &Path) -> Error {
    Error::new(
        ErrorKind::Model,
        format!("{}: expected an ONNX model, got something else or a part of one; export it again", path.display()),
    )
}

/// One field: its number, and its value or the extent of its content.
enum Field {
    Number(u64, u64),
    Content(u64, u64),
    Other,
}

struct Walk {
    file: BufReader<File>,
    at: u64,
}

impl Walk {
    /// Walks over a model. Gives the number of its graphs.
    fn model(&mut self, end: u64, weights: &mut Weights) -> io::Result<u32> {
        let mut graphs = 0;
        while self.at < end {
            match self.field(end)? {
                Field::Content(GRAPH, end) => {
                    graphs += 1;
                    self.graph(end, weights)?;
                }
                field => self.skip(field)?,
            }
        }
        Ok(graphs)
    }

    fn graph(&mut self, end: u64, weights: &mut Weights) -> io::Result<()> {
        while self.at < end {
            match self.field(end)? {
                Field::Content(INITIALIZER, end) => self.tensor(end, weights)?,
                Field::Content(NODE, end) => self.within(end, ATTRIBUTE, |walk, end| {
                    walk.within(end, ATTRIBUTE_TENSOR, |walk, end| walk.tensor(end, weights))
                })?,
                field => self.skip(field)?,
            }
        }
        Ok(())
    }

    fn within(
        &mut self,
        end: u64,
        wanted: u64,
        mut visit: impl FnMut(&mut Walk, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            match self.field(end)? {
                Field::Content(number, end) if number == wanted => visit(self, end)?,
                field => self.skip(field)?,
            }
        }
        Ok(())
    }

    fn tensor(&mut self, end: u64, weights: &mut Weights) -> io::Result<()> {
        let (mut elements, mut data_type) = (1_u64, 0);
        while self.at < end {
            match self.field(end)? {
                Field::Number(DIMS, extent) => elements = elements.saturating_mul(extent),
                Field::Content(DIMS, end) => {
                    while self.at < end {
                        elements = elements.saturating_mul(self.varint()?);
                    }
                }
                Field::Number(DATA_TYPE, value) => data_type = value,
                field => self.skip(field)?,
            }
        }
        match data_type {
            FLOAT => weights.fp32 = weights.fp32.saturating_add(elements),
            FLOAT16 => weights.fp16 = weights.fp16.saturating_add(elements),
            _ => {}
        }
        Ok(())
    }

    /// Reads the next field's head. Numbers of fixed size are skipped. Of a field with content, the walk then stands at the content's first
    /// byte.
    fn field(&mut self, end: u64) -> io::Result<Field> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(key >> 3, self.varint()?),
            1 => self.seek(8, end)?,
            5 => self.seek(4, end)?,
            2 => {
                let len = self.varint()?;
                let content = self.at.checked_add(len).filter(|&content| content <= end);
                Field::Content(key >> 3, content.ok_or(io::ErrorKind::InvalidData)?)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        if self.at > end || key >> 3 == 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(field) }
    }

    fn seek(&mut self, by: u64, end: u64) -> io::Result<Field> {
        if end - self.at.min(end) < by {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.skip(Field::Content(0, self.at + by))?;
        Ok(Field::Other)
    }

    fn skip(&mut self, field: Field) -> io::Result<()> {
        if let Field::Content(_, end) = field {
            match i64::try_from(end - self.at) {
                Ok(by) => self.file.seek_relative(by)?,
                Err(_) => drop(self.file.seek(SeekFrom::Start(end))?),
            }
            self.at = end;
        }
        Ok(())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            if shift > 63 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }
}
