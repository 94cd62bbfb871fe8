//! The input of a selector.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use crate::Frame;

/// An input: a frame, which each candidate preprocesses for itself, or a tensor, which all candidates take as it is.
///
/// ```
/// use trt_select::cuda::Format;
/// use trt_select::{Frame, Input};
///
/// let pixels = [0_u8; 28 * 28];
/// let input: Input = Frame::packed(Format::Gray8, 28, 28, 28, &pixels)?.into();
/// assert!(matches!(input, Input::Frame(_)));
/// let input = Input::Tensor(&[0.5, 0.25]);
/// assert!(matches!(input, Input::Tensor(values) if values.len() == 2));
/// # Ok::<(), trt_select::FrameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// The elements of a tensor, in the order of the network's input.
    Tensor(&'a [f32]),
    /// A frame that is on the device already, for engines on a GPU.
    #[cfg(feature = "tensorrt")]
    Device(trt_select_cuda::pipe::DeviceFrame),
}

impl<'a> From<Frame<'a>> for Input<'a> {
    fn from(frame: Frame<'a>) -> Self {
        Input::Frame(frame)
    }
}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::pipe::DeviceFrame> for Input<'_> {
    fn from(frame: trt_select_cuda::pipe::DeviceFrame) -> Self {
        Input::Device(frame)
    }
}
