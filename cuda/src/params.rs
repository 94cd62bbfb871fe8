//! The kernels' arguments, and the records that kernels fill: plain data whose layout is part of the kernels' ABI.
//!
//! `kernels/params.cuh` declares the same structures for the kernels; a test compares sizes and offsets of both.

use bytemuck::{Pod, Zeroable};

use crate::{Accumulators, FrameDesc};

/// How many of the largest probabilities a [`SignalsRecord`] names.
pub const TOP_K: usize = 5;

/// Arguments of the two feature kernels, passed by value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FeaturesParams {
    /// The frame; its planes are device addresses.
    pub frame: FrameDesc,
    /// Device address of scratch memory of the kernel's own size, zeroed once by the host.
    pub scratch: u64,
    /// Device address of the [`FeaturesRecord`] to fill.
    pub record: u64,
    /// The number that the kernel writes into its sequence word once the record holds this frame's sums; never 0.
    pub sequence: u64,
    /// Pixels per cell of the grid, in both axes.
    pub grid_scale: u32,
    /// Cells in a row of the grid.
    pub grid_width: u32,
    /// Rows of the grid.
    pub grid_height: u32,
    /// Zero.
    pub reserved: u32,
}

/// What the feature kernels write, in memory that the host reads while they run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FeaturesRecord {
    /// The sums. Each kernel writes its own group's fields only.
    pub accumulators: Accumulators,
    /// Sequence word of the whole-frame group, written last.
    pub whole_sequence: u64,
    /// Sequence word of the grid group, written last.
    pub grid_sequence: u64,
}

/// Which input samples of an axis one output sample is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AxisWindow {
    /// First input sample.
    pub start: u32,
    /// Index of the first weight.
    pub first: u32,
    /// Number of samples, and of weights.
    pub len: u32,
    /// Zero.
    pub reserved: u32,
}

/// One axis of a resize: where its tables lie on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AxisParams {
    /// Device address of one [`AxisWindow`] an output sample.
    pub windows: u64,
    /// Device address of the weights, i32 with 22 fraction bits.
    pub weights: u64,
    /// 1: each output is the input at its place plus `offset`, and no tables are read.
    pub is_copy: u32,
    /// First output that is wanted, counted in outputs of the whole resized axis; used where `is_copy`.
    pub offset: u32,
}

/// Arguments of the preprocess kernel, read from device memory so that a graph can be replayed on another frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PreprocessParams {
    /// The frame; its planes are device addresses.
    pub frame: FrameDesc,
    /// Resize along rows.
    pub columns: AxisParams,
    /// Resize along columns.
    pub rows: AxisParams,
    /// Device address of `f32[channels][256]`: what a byte becomes, by channel of the output.
    pub tables: u64,
    /// Device address of the tensor to fill.
    pub output: u64,
    /// Width of the tensor in pixels.
    pub width: u32,
    /// Height of the tensor in pixels.
    pub height: u32,
    /// 3 for colour, 1 for grey.
    pub channels: u32,
    /// 1: the first channel is blue.
    pub bgr: u32,
    /// 1: channels are interleaved (NHWC).
    pub interleaved: u32,
    /// 1: the tensor's elements are 16-bit floats.
    pub half: u32,
}

/// Arguments of the signals kernel, read from device memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SignalsParams {
    /// Device address of the network's output.
    pub scores: u64,
    /// Device address of `f32[count]`, the class probabilities to fill (memory that the host reads).
    pub probabilities: u64,
    /// Device address of the [`SignalsRecord`] to fill.
    pub record: u64,
    /// The number that the kernel writes into the sequence word once the record is complete; never 0.
    pub sequence: u64,
    /// Number of scores, at least 1.
    pub count: u32,
    /// 1: scores are logits; 0: probabilities.
    pub logits: u32,
    /// 1: scores are 16-bit floats.
    pub half: u32,
    /// Zero.
    pub reserved: u32,
}

/// What the signals kernel writes, in memory that the host reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct SignalsRecord {
    /// The class of the largest probability; of equals, the first.
    pub class: u32,
    /// Its probability.
    pub top1: f32,
    /// Its probability less that of the next.
    pub margin: f32,
    /// Entropy over the logarithm of the number of classes.
    pub entropy: f32,
    /// 1: every score was a finite number (of probabilities: in their range); 0: the other fields mean nothing.
    pub valid: u32,
    /// How many entries of the next two fields are filled: the smaller of [`TOP_K`] and the number of classes.
    pub top_k: u32,
    /// Classes of the largest probabilities, largest first; of equals, the smaller number first.
    pub top_classes: [u32; TOP_K],
    /// Their probabilities.
    pub top_probabilities: [f32; TOP_K],
    /// Sequence word, written last.
    pub sequence: u64,
}

/// Everything that one candidate's graph reads: copied to the device by the graph's first node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LaneParams {
    /// For the preprocess kernel.
    pub preprocess: PreprocessParams,
    /// For the signals kernel.
    pub signals: SignalsParams,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_eight() {
        assert_eq!(size_of::<FeaturesParams>(), 96);
        assert_eq!(size_of::<PreprocessParams>(), 144);
        assert_eq!(size_of::<SignalsParams>(), 48);
        assert_eq!(size_of::<SignalsRecord>(), 72);
        assert_eq!(size_of::<LaneParams>(), 192);
    }
}
