//! A plan's inputs and outputs in device memory.

use trt_select_cuda::driver::{Context, DeviceBuffer};
use trt_select_cuda::pipe::NetworkTensor;

use super::runtime::IoTensor;
use crate::{DataType, Error, ErrorKind, TensorInfo};

/// Extents of layouts that are not linear are rounded up to a multiple of this at most: TensorRT packs 32 channels together at most.
const PACKED: usize = 32;

/// An input or output with its memory. Those that nobody reads have memory too, since TensorRT writes to them all the same.
pub(super) struct Tensor {
    /// TensorRT's number of the tensor.
    pub(super) index: usize,
    pub(super) is_input: bool,
    /// Whether the plan leaves its batch open. It is 1 here.
    pub(super) open_batch: bool,
    pub(super) name: String,
    /// All extents are fixed.
    pub(super) shape: Vec<usize>,
    /// The type of its elements, where it is one that lanes fill and read.
    data_type: Option<DataType>,
    /// TensorRT's number of the type, for messages.
    raw_type: i32,
    is_linear: bool,
    len: usize,
    pub(super) buffer: DeviceBuffer,
}

impl Tensor {
    /// Takes memory for a tensor. An open batch becomes 1.
    pub(super) fn new(context: &Context, index: usize, io: &IoTensor) -> Result<Tensor, Error> {
        let (shape, open_batch) = extents(io)?;
        let len = product(io, &shape)?;
        // More than is needed where the layout is not known to be linear; exact otherwise.
        let packed: Vec<usize> = shape.iter().map(|&n| n.next_multiple_of(PACKED)).collect();
        let room = if io.linear { len } else { product(io, &packed)? };
        let bytes = room.checked_mul(element_bytes(io.raw_type)).ok_or_else(|| too_large(io))?;
        let buffer = DeviceBuffer::zeroed(context, bytes.max(1))?;
        Ok(Tensor {
            index,
            is_input: io.input,
            open_batch,
            name: io.name.clone(),
            shape,
            data_type: io.data_type,
            raw_type: io.raw_type,
            is_linear: io.linear,
            len,
            buffer,
        })
    }

    /// The tensor in the words of [`crate::Description`], if lanes can fill and read its type.
    pub(super) fn info(&self) -> Option<TensorInfo> {
        let (name, shape) = (self.name.clone(), self.shape.clone());
        self.data_type.map(|data_type| TensorInfo { name, data_type, shape })
    }

    /// Looks that a lane can fill or read the tensor: the rules of the one input and the one output that are chosen.
    pub(super) fn check_chosen(&self) -> Result<(), Error> {
        let refuse = |expected: &str, got: String| Err(refused(&self.name, expected, &got));
        if self.data_type.is_none() {
            return refuse("fp32 or fp16", format!("TensorRT's type {}", self.raw_type));
        }
        if !self.is_linear {
            return refuse("a linear layout", "another".to_owned());
        }
        Ok(())
    }

    /// Whether another reading of the plan has the same tensor.
    pub(super) fn is_as(&self, io: &IoTensor) -> bool {
        (&self.name, self.is_input, self.raw_type, self.is_linear) == (&io.name, io.input, io.raw_type, io.linear)
            && extents(io).is_ok_and(|(shape, open_batch)| shape == self.shape && open_batch == self.open_batch)
    }

    /// The tensor as a lane sees it.
    pub(super) fn as_network(&self) -> NetworkTensor<'_> {
        NetworkTensor { buffer: &self.buffer, len: self.len, half: self.data_type == Some(DataType::F16) }
    }
}

/// The extents of a tensor, and whether its batch is open.
fn extents(io: &IoTensor) -> Result<(Vec<usize>, bool), Error> {
    if !io.on_device {
        return Err(refused(&io.name, "a tensor in device memory", "a shape that TensorRT reads on the host"));
    }
    let open_batch = io.shape.first() == Some(&-1);
    let extent = |(at, &n): (usize, &i64)| if at == 0 && n == -1 { Ok(1) } else { usize::try_from(n) };
    match io.shape.iter().enumerate().map(extent).collect::<Result<Vec<usize>, _>>() {
        Ok(shape) if !shape.contains(&0) => Ok((shape, open_batch)),
        _ => Err(refused(&io.name, "fixed extents but for the batch", &format!("{:?}", io.shape))),
    }
}

fn product(io: &IoTensor, shape: &[usize]) -> Result<usize, Error> {
    shape.iter().try_fold(1_usize, |len, &n| len.checked_mul(n)).ok_or_else(|| too_large(io))
}

fn too_large(io: &IoTensor) -> Error {
    refused(&io.name, "a tensor that fits into memory", &format!("extents {:?}", io.shape))
}

fn refused(name: &str, expected: &str, got: &str) -> Error {
    Error::new(ErrorKind::Shape, format!("plan: tensor '{name}': expected {expected}, got {got}; export it so"))
}

/// Bytes of an element, by TensorRT's number of its type; the most that any has for a type that is not known. Types of 4 bits get a byte.
fn element_bytes(raw_type: i32) -> usize {
    match raw_type {
        // kFLOAT, kINT32
        0 | 3 => 4,
        // kHALF, kBF16
        1 | 7 => 2,
        // kINT8, kBOOL, kUINT8, kFP8, kINT4, kFP4, kE8M0
        2 | 4 | 5 | 6 | 9..=11 => 1,
        // kINT64, and what comes later
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(shape: &[i64]) -> IoTensor {
        IoTensor {
            name: "x".to_owned(),
            input: false,
            data_type: None,
            raw_type: 8,
            shape: shape.to_vec(),
            linear: true,
            on_device: true,
        }
    }

    #[test]
    fn extents_are_fixed_or_an_open_batch() {
        assert_eq!(extents(&io(&[-1, 3])).expect("an open batch"), (vec![1, 3], true));
        assert_eq!(extents(&io(&[])).expect("a number"), (vec![], false));
        for shape in [&[2, -1][..], &[0], &[1, 0], &[-2]] {
            assert_eq!(extents(&io(shape)).expect_err("refused").kind(), ErrorKind::Shape);
        }
        assert!(extents(&IoTensor { on_device: false, ..io(&[1]) }).is_err());
    }

    #[test]
    fn a_product_that_overflows_is_refused() {
        let huge = io(&[1 << 40, 1 << 40]);
        let (shape, _) = extents(&huge).expect("each fits");
        let error = product(&huge, &shape).expect_err("together they do not");
        assert!(error.to_string().contains("fits into memory"), "{error}");
    }
}
