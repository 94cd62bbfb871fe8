//! What stands in for the GPU in a build without the feature `tensorrt`: a type that has no value.
#![forbid(unsafe_code)]

use trt_select_engines::registry::{self, Choice, Kind};
use trt_select_engines::{Completion, Description, Memory};

use crate::bundle::Bundle;
use crate::candidate::{Candidate, DeviceTimes, Input, OpenConfig};
use crate::candidates::CandidateSet;
use crate::error::Result;
use crate::features::{FEATURE_COUNT, Groups};
use trt_select_premodel::Summary;

/// A GPU, of which this build knows none.
#[derive(Debug)]
pub enum Gpu {}

impl Gpu {
    pub(crate) fn open(_: &Bundle, _: &OpenConfig) -> Result<(CandidateSet, Choice)> {
        Err(registry::not_compiled(Kind::Tensorrt).into())
    }

    pub(crate) fn may_open(_: &Bundle) -> bool {
        false
    }

    pub(crate) fn begin(&mut self, _: &Input<'_>, _: Groups) -> Result<()> {
        match *self {}
    }

    pub(crate) fn poll_features(&mut self, _: &mut [f32; FEATURE_COUNT]) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn begin_times(&self) -> Result<DeviceTimes> {
        match *self {}
    }

    pub(crate) fn settle(&mut self) -> Result<()> {
        match *self {}
    }

    pub(crate) fn make_room(&mut self, _: &mut [Candidate], _: usize) -> Result<()> {
        match *self {}
    }

    /// Device bytes that TensorRT holds beside what the candidates are known to hold.
    pub fn other_bytes(&self, _: &[Candidate]) -> u64 {
        match *self {}
    }

    /// Bytes that all candidates share, pinned and on the device.
    pub fn shared_bytes(&self) -> (u64, u64) {
        match *self {}
    }

    /// The device's name.
    pub fn device_name(&self) -> &str {
        match *self {}
    }
}

/// A candidate on a GPU.
#[derive(Debug)]
pub enum GpuRunner {}

impl GpuRunner {
    pub(crate) fn load(&mut self, _: &Input<'_>, _: &mut Gpu, _: &str) -> Result<()> {
        match *self {}
    }

    pub(crate) fn enqueue(&mut self, _: &mut Gpu) -> Result<Completion> {
        match *self {}
    }

    pub(crate) fn ready(&mut self, _: &mut Gpu, _: &mut [f32]) -> Result<bool> {
        match *self {}
    }

    pub(crate) fn summary(&self) -> Option<Summary> {
        match *self {}
    }

    pub(crate) fn times(&self) -> DeviceTimes {
        match *self {}
    }

    pub(crate) fn classes(&self) -> usize {
        match *self {}
    }

    pub(crate) fn description(&self) -> &Description {
        match *self {}
    }

    /// Memory that it holds.
    pub fn memory(&self) -> Memory {
        match *self {}
    }
}
