//! What a lane is made of: its network with the tensors, its input, and the tables of a resize.

use crate::AxisWindow;
use crate::driver::{DeviceBuffer, Error, Stream};

/// A network whose input and output lie on the device.
///
/// # Safety
/// Work that `enqueue` puts on the stream uses, beside the lane's own memory, only memory that lives as long as the network
/// and stays where it is until [`Network::evict`]; `enqueue` allocates nothing, waits for nothing and may be captured. The tensors'
/// buffers never change, and neither do what `input` and `output` answer. What `evict` frees is used by no work enqueued after `restore`.
pub unsafe trait Network: Send {
    /// The error of its calls.
    type Error: From<Error> + std::fmt::Display;

    /// The input that the lane fills.
    fn input(&self) -> NetworkTensor<'_>;

    /// The output that the lane reads.
    fn output(&self) -> NetworkTensor<'_>;

    /// Enqueues one run on the stream.
    ///
    /// # Errors
    /// What the library reported. Whatever part of the run was enqueued before the failure must write to the network's own memory only.
    ///
    /// # Safety
    /// The network must live, unevicted, until the work is done, and so must the stream.
    unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), Self::Error>;

    /// Frees the network's device memory. The lane has waited for the stream before it calls this.
    ///
    /// # Errors
    /// What the library or the driver reported.
    fn evict(&mut self) -> Result<(), Self::Error>;

    /// Whether its device memory is there.
    fn is_resident(&self) -> bool;

    /// Allocates and fills the network's device memory again. The filling may still be under way on other streams of the context when this
    /// returns: the lane waits for the whole device before it enqueues anything.
    ///
    /// # Errors
    /// What the library or the driver reported; it may be tried again.
    fn restore(&mut self) -> Result<(), Self::Error>;
}

/// A tensor on the device.
#[derive(Clone, Copy, Debug)]
pub struct NetworkTensor<'a> {
    /// Where it lies.
    pub buffer: &'a DeviceBuffer,
    /// Number of its elements.
    pub len: usize,
    /// Its elements are 16-bit floats, else 32-bit ones.
    pub half: bool,
}

/// How a frame becomes the network's input.
#[derive(Clone, Copy, Debug)]
pub struct Preprocessing<'a> {
    /// Width of the input in pixels.
    pub width_px: u32,
    /// Height of the input in pixels.
    pub height_px: u32,
    /// The first channel is blue.
    pub bgr: bool,
    /// Channels are interleaved (NHWC).
    pub interleaved: bool,
    /// What a byte becomes, by channel of the input: 1 for grey, 3 for colour.
    pub tables: &'a [[f32; 256]],
}

/// What the input of a lane's network is.
#[derive(Clone, Copy, Debug)]
pub enum LaneInput<'a> {
    /// The pipe's frame, preprocessed.
    Frame(Preprocessing<'a>),
    /// A tensor of f32 that the caller writes.
    Tensor,
}

/// How a lane is to work.
#[derive(Clone, Copy, Debug)]
pub struct LaneSpec<'a> {
    /// What the network's input is.
    pub input: LaneInput<'a>,
    /// The network's output holds logits; otherwise it holds probabilities.
    pub logits: bool,
    /// Capture the lane's work as a CUDA graph, if driver and network allow it.
    pub graph: bool,
}

/// One axis of a resize, as the host computed it.
#[derive(Clone, Copy, Debug)]
pub struct AxisTables<'a> {
    /// Each output is the input at its place plus `offset`; windows and weights are not read.
    pub is_copy: bool,
    /// First output wanted.
    pub offset: u32,
    /// One window an output; not read where `is_copy`.
    pub windows: &'a [AxisWindow],
    /// Weights with 22 fraction bits.
    pub weights: &'a [i32],
}

impl AxisTables<'_> {
    /// Whether these tables make `outputs` samples from a side of `side` samples, and keep the rules that the kernel relies on: every
    /// window lies inside of the side, has all its weights, and begins and ends no earlier than the window before it.
    pub(super) fn fits(&self, outputs: u32, side: u32) -> bool {
        if self.is_copy {
            return self.offset.checked_add(outputs).is_some_and(|end| end <= side);
        }
        let ends = |w: &AxisWindow| Some((w.start.checked_add(w.len)?, w.first.checked_add(w.len)?));
        let mut before = (0, 0);
        self.windows.len() == outputs as usize
            && self.windows.iter().all(|w| {
                ends(w).is_some_and(|(end, last)| {
                    let rises = w.start >= before.0 && end >= before.1;
                    before = (w.start, end);
                    rises && end <= side && last as usize <= self.weights.len()
                })
            })
    }
}

/// Both axes of a resize.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    /// Along rows.
    pub columns: AxisTables<'a>,
    /// Along columns.
    pub rows: AxisTables<'a>,
}

/// Bytes that something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneMemory {
    /// Device memory.
    pub device_bytes: u64,
    /// Page-locked host memory, mapped or not.
    pub pinned_bytes: u64,
}

/// Times of one launch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaunchTimes {
    /// The device's work from the parameters' copy to the signals, in milliseconds by the device's clock.
    pub compute_ms: f32,
}
