//! Preprocessing on the CPU: makes the tensor that a network reads from a frame.
//!
//! frame → RGB8 or grey → resize, crop → (x/255 − mean)/std → NCHW or NHWC.
//!
//! A network is only accurate on inputs that are made as in its training. So this does what training pipelines do: its antialiased
//! filters give the same bytes as Pillow's (a test compares with Pillow's own output), the sizes and offsets of a shorter-side resize
//! and centre crop are torchvision's, and the order of the arithmetic is PyTorch's.
//!
//! # Memory
//! Scratch buffers and filter weights grow to the largest frame seen, and are then used again. So after the first frame of a size nothing
//! is allocated, whether frames are resized or not (the test `alloc_features` counts allocations). Only the part of the frame that the
//! output depends on is converted, one row at a time.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::fmt;

use trt_select_cuda::{AxisWindow, Format};

use crate::frame::Frame;
use crate::pixel::Row;
use resample::{Axis, Span};

mod resample;

/// The longest side that a network's input may have, in pixels.
pub const MAX_INPUT_SIDE_PX: u32 = 16_384;

/// The smallest allowed `fraction` of [`Resize::ShorterSideCrop`].
pub const MIN_CROP_FRACTION: f32 = 0.1;

/// The order in which a network reads the three colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How a frame is brought to the size of the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Resize {
    /// Resize the whole frame to the input's size, whatever its aspect ratio.
    #[default]
    Stretch,
    /// Resize the frame with its aspect ratio kept, then crop the centre. The resized frame is the smallest one that covers
    /// round(width/fraction) × round(height/fraction); its longer side is rounded down. The crop begins at half of what it cuts away,
    /// and halves are rounded to even. For a square input this equals torchvision's `Resize` of the shorter side followed by
    /// `CenterCrop`: for 224 and 0.875, `Resize(256)` and `CenterCrop(224)`.
    ShorterSideCrop {
        /// The share of the resized frame's shorter side that the crop keeps, from [`MIN_CROP_FRACTION`] to 1.
        fraction: f32,
    },
}

/// The resampling filter. As in Pillow, both filters widen where an image shrinks (antialiasing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Cubic convolution with a = −0.5 (Catmull-Rom), which is Pillow's `BICUBIC`.
    #[default]
    Bicubic,
    /// The triangle filter, which is Pillow's `BILINEAR`.
    Bilinear,
}

/// The order of the tensor's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One plane per channel.
    #[default]
    Nchw,
    /// The channels of a pixel beside each other.
    Nhwc,
}

/// What a network expects of its input: size, channels, and how a frame is resized and normalized.
///
/// ```
/// use trt_select::preprocess::{ChannelOrder, Filter, Layout, PreprocessConfig, Resize};
///
/// // A grey network of 28 × 28 pixels; everything else is as in a `bundle.toml` that does not mention it.
/// let grey = PreprocessConfig::new(28, 28, 1).normalize(vec![0.286], vec![0.353]);
/// assert_eq!((grey.shape(), grey.resize, grey.filter), ([1, 1, 28, 28], Resize::Stretch, Filter::Bicubic));
///
/// // A colour network that was trained as for ImageNet, but reads blue first and its channels interleaved.
/// let colour = PreprocessConfig::imagenet(224, 224).order(ChannelOrder::Bgr).layout(Layout::Nhwc);
/// assert_eq!((colour.shape(), colour.output_len()), ([1, 224, 224, 3], 150_528));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PreprocessConfig {
    /// Width of the input in pixels, 1 to [`MAX_INPUT_SIDE_PX`].
    pub width: u32,
    /// Height of the input in pixels, 1 to [`MAX_INPUT_SIDE_PX`].
    pub height: u32,
    /// Number of channels: 3 for colour, 1 for grey.
    pub channels: u32,
    /// The order of the three colours; with one channel it is ignored.
    pub order: ChannelOrder,
    /// How a frame is brought to the input's size.
    pub resize: Resize,
    /// The filter that resizes.
    pub filter: Filter,
    /// The mean of each channel, in the order of the channels, where pixels run from 0 to 1.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel, in the order of the channels, where pixels run from 0 to 1.
    pub std: Vec<f32>,
    /// The order of the tensor's axes.
    pub layout: Layout,
}

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A side is 0 or longer than [`MAX_INPUT_SIDE_PX`].
    Size {
        /// Width given.
        width: u32,
        /// Height given.
        height: u32,
    },
    /// The number of channels is neither 1 nor 3.
    Channels {
        /// Number given.
        got: u32,
    },
    /// The crop fraction lies outside [`MIN_CROP_FRACTION`] to 1.
    Fraction {
        /// Fraction given.
        got: f32,
    },
    /// `mean` or `std` does not have one number per channel.
    Length {
        /// `mean` or `std`.
        field: &'static str,
        /// The number of channels.
        expected: u32,
        /// How many numbers were given.
        got: usize,
    },
    /// A number in `mean` or `std` is not finite, or a standard deviation is so small that dividing pixels by it does not give finite
    /// numbers.
    Value {
        /// `mean` or `std`.
        field: &'static str,
        /// Index of the channel.
        channel: usize,
        /// The number given.
        got: f32,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ConfigError::Size { width, height } => write!(
                f,
                "preprocess size: expected 1 to {MAX_INPUT_SIDE_PX} px a side, got {width}x{height}; give the network's input size"
            ),
            ConfigError::Channels { got } => {
                write!(f, "preprocess channels: expected 1 or 3, got {got}; use 1 for grey, 3 for colour")
            }
            ConfigError::Fraction { got } => write!(
                f,
                "preprocess crop fraction: expected {MIN_CROP_FRACTION} to 1, got {got}; use 0.875, or stretch for no crop"
            ),
            ConfigError::Length { field, expected, got } => {
                write!(f, "preprocess {field}: expected {expected} numbers, got {got}; give one a channel")
            }
            ConfigError::Value { field, channel, got } => write!(
                f,
                "preprocess {field}[{channel}]: expected a finite number{}, got {got}; give it on the scale 0 to 1",
                if field == "std" { " that pixels can be divided by" } else { "" }
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Why a frame could not be preprocessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreprocessError {
    /// The output slice does not have the tensor's length.
    OutputLength {
        /// channels · height · width.
        expected: usize,
        /// Length given.
        got: usize,
    },
}

impl fmt::Display for PreprocessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PreprocessError::OutputLength { expected, got } => write!(
                f,
                "preprocess output: expected {expected} values, got {got}; give a slice of channels x height x width"
            ),
        }
    }
}

impl std::error::Error for PreprocessError {}

/// Half of a number, with halves rounded to even.
fn half_to_even(d: u32) -> u32 {
    let q = d / 2;
    if d % 2 == 1 { q + (q & 1) } else { q }
}

impl PreprocessConfig {
    /// What a colour network needs that was trained as is usual for ImageNet: the shorter side is resized, the centre is cropped with the
    /// fraction 0.875, the filter is bicubic, the order is RGB, the layout NCHW, and means and deviations are ImageNet's.
    pub fn imagenet(width: u32, height: u32) -> PreprocessConfig {
        PreprocessConfig {
            width,
            height,
            channels: 3,
            order: ChannelOrder::Rgb,
            resize: Resize::ShorterSideCrop { fraction: 0.875 },
            filter: Filter::Bicubic,
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            layout: Layout::Nchw,
        }
    }

    /// An input of this size with 3 channels (colour) or 1 (grey), and for all else the defaults of `bundle.toml`: the whole frame is
    /// stretched to the input's size, the filter is bicubic, the order RGB, the layout NCHW, and each mean is 0 and each deviation 1.
    pub fn new(width: u32, height: u32, channels: u32) -> PreprocessConfig {
        PreprocessConfig {
            width,
            height,
            channels,
            order: ChannelOrder::Rgb,
            resize: Resize::Stretch,
            filter: Filter::Bicubic,
            mean: vec![0.0; channels as usize],
            std: vec![1.0; channels as usize],
            layout: Layout::Nchw,
        }
    }

    /// Sets the mean and the standard deviation of each channel, in the order of the channels, where pixels run from 0 to 1.
    #[must_use]
    pub fn normalize(self, mean: Vec<f32>, std: Vec<f32>) -> PreprocessConfig {
        PreprocessConfig { mean, std, ..self }
    }

    /// Sets the order in which the network reads the three colours.
    #[must_use]
    pub fn order(self, order: ChannelOrder) -> PreprocessConfig {
        PreprocessConfig { order, ..self }
    }

    /// Sets how a frame is brought to the input's size.
    #[must_use]
    pub fn resize(self, resize: Resize) -> PreprocessConfig {
        PreprocessConfig { resize, ..self }
    }

    /// Sets the filter that resizes.
    #[must_use]
    pub fn filter(self, filter: Filter) -> PreprocessConfig {
        PreprocessConfig { filter, ..self }
    }

    /// Sets the order of the tensor's axes.
    #[must_use]
    pub fn layout(self, layout: Layout) -> PreprocessConfig {
        PreprocessConfig { layout, ..self }
    }

    /// Number of values of the tensor: channels · height · width.
    pub fn output_len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Extents of the tensor that a frame becomes, outermost first: a batch of 1, then channels, height and width in the order of the
    /// layout.
    pub fn shape(&self) -> [usize; 4] {
        let (c, h, w) = (self.channels as usize, self.height as usize, self.width as usize);
        match self.layout {
            Layout::Nchw => [1, c, h, w],
            Layout::Nhwc => [1, h, w, c],
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let side = 1..=MAX_INPUT_SIDE_PX;
        if !side.contains(&self.width) || !side.contains(&self.height) {
            return Err(ConfigError::Size { width: self.width, height: self.height });
        }
        if self.channels != 1 && self.channels != 3 {
            return Err(ConfigError::Channels { got: self.channels });
        }
        if let Resize::ShorterSideCrop { fraction } = self.resize
            && !(MIN_CROP_FRACTION..=1.0).contains(&fraction)
        {
            return Err(ConfigError::Fraction { got: fraction });
        }
        for (field, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != self.channels as usize {
                return Err(ConfigError::Length { field, expected: self.channels, got: values.len() });
            }
            for (channel, &got) in values.iter().enumerate() {
                if !got.is_finite() || (field == "std" && !got.is_normal()) {
                    return Err(ConfigError::Value { field, channel, got });
                }
            }
        }
        // Every normalized pixel must be finite too. With a huge mean and a tiny deviation it would not be.
        for (channel, (&mean, &std)) in self.mean.iter().zip(&self.std).enumerate() {
            if !normalized(0, mean, std).is_finite() || !normalized(255, mean, std).is_finite() {
                return Err(ConfigError::Value { field: "std", channel, got: std });
            }
        }
        Ok(())
    }

    /// The columns and rows of a resized frame that become the network's input, for frames of this size.
    fn spans(&self, frame_width: u32, frame_height: u32) -> (Span, Span) {
        let span = |input: u32, resized: u64, len: u32| {
            // A resized side that does not fit `u32` is cut to its maximum; no frame that is worth cropping comes near it.
            let resized = u32::try_from(resized).unwrap_or(u32::MAX);
            let offset = half_to_even(resized.saturating_sub(len));
            Span { input, resized, offset, len }
        };
        let (w, h) = (u64::from(frame_width), u64::from(frame_height));
        let (rw, rh) = match self.resize {
            Resize::Stretch => (u64::from(self.width), u64::from(self.height)),
            Resize::ShorterSideCrop { fraction } => {
                let grown = |side: u32| (f64::from(side) / f64::from(fraction)).round() as u64;
                let (tw, th) = (grown(self.width), grown(self.height));
                // Scale by the larger of tw/w and th/h, so that the resized frame covers tw × th.
                if tw * h >= th * w { (tw, (tw * h / w).max(th)) } else { ((th * w / h).max(tw), th) }
            }
        };
        (span(frame_width, rw, self.width), span(frame_height, rh, self.height))
    }
}

/// (value/255 − mean)/std, where each step is rounded to `f32` as PyTorch rounds it.
fn normalized(value: u8, mean: f32, std: f32) -> f32 {
    (f32::from(value) / 255.0 - mean) / std
}

/// Windows and weights of both axes of a resize, as the device's kernel reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceTables<'a> {
    /// The axis along a frame's rows: it has one output for each column of the tensor.
    pub columns: DeviceAxis<'a>,
    /// The axis along a frame's columns: it has one output for each row of the tensor.
    pub rows: DeviceAxis<'a>,
}

/// One axis of a resize for the device, which becomes [`trt_select_cuda::AxisParams`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceAxis<'a> {
    /// Whether output i is simply input `offset + i`. Windows and weights are then empty.
    pub is_copy: bool,
    /// The first output that is wanted, counted from the start of the whole resized axis. The first window belongs to this output.
    pub offset: u32,
    /// For each output, the input samples that it is computed from. From one output to the next, starts and ends never decrease.
    pub windows: &'a [AxisWindow],
    /// The weights of all windows, one window after the other, as integers with 22 fraction bits.
    pub weights: &'a [i32],
}

impl<'a> DeviceAxis<'a> {
    fn of(axis: &'a mut Axis, span: Span, filter: Filter) -> DeviceAxis<'a> {
        if span.is_copy() {
            return DeviceAxis { is_copy: true, offset: span.offset, windows: &[], weights: &[] };
        }
        axis.set(span, filter);
        DeviceAxis { is_copy: false, offset: span.offset, windows: axis.windows(), weights: axis.weights() }
    }
}

/// Makes frames into the input of one network. It owns its scratch memory, so each thread needs one of its own.
///
/// ```
/// use trt_select::Frame;
/// use trt_select::preprocess::{Preprocess, PreprocessConfig};
/// use trt_select_cuda::Format;
///
/// let mut preprocess = Preprocess::new(PreprocessConfig::imagenet(8, 8))?;
/// let pixels = vec![128u8; 3 * 32 * 20];
/// let frame = Frame::packed(Format::Rgb8, 32, 20, 96, &pixels)?;
/// let mut tensor = vec![0.0f32; preprocess.config().output_len()];
/// preprocess.run(&frame, &mut tensor)?;
/// assert!((tensor[0] - (128.0 / 255.0 - 0.485) / 0.229).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Preprocess {
    config: PreprocessConfig,
    /// For each output channel, the normalized value of each of the 256 bytes.
    tables: Vec<[f32; 256]>,
    columns: Axis,
    rows: Axis,
    /// One row of the frame after its conversion to grey or RGB.
    row: Vec<u8>,
    /// The rows of the frame that the output depends on, resampled to the network's width.
    narrowed: Vec<u8>,
    /// For one row of the network's input, the sums that are not yet rounded to bytes.
    sums: Vec<i32>,
    /// One row of the network's input, as bytes.
    finished: Vec<u8>,
}

impl Preprocess {
    /// Checks the configuration and computes everything that depends on it alone.
    ///
    /// # Errors
    /// The first [`ConfigError`] found.
    pub fn new(config: PreprocessConfig) -> Result<Preprocess, ConfigError> {
        config.check()?;
        let tables = config
            .mean
            .iter()
            .zip(&config.std)
            .map(|(&mean, &std)| std::array::from_fn(|v| normalized(v as u8, mean, std)))
            .collect();
        let row_len = 3 * config.width as usize;
        Ok(Preprocess {
            config,
            tables,
            columns: Axis::default(),
            rows: Axis::default(),
            row: Vec::new(),
            narrowed: Vec::new(),
            sums: vec![0; row_len],
            finished: vec![0; row_len],
        })
    }

    /// The configuration that this was made with.
    pub fn config(&self) -> &PreprocessConfig {
        &self.config
    }

    /// For each output channel, the normalized value of each of the 256 bytes: the `tables` of the preprocess kernel.
    pub fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }

    /// What the preprocess kernel has to know about frames of this size in pixels: the windows and weights of both axes, which are the
    /// same that [`Preprocess::run`] uses. If it is asked for the same size again, it computes nothing. It allocates only if a size needs
    /// longer tables than all sizes before it.
    pub fn device_tables(&mut self, frame_width: u32, frame_height: u32) -> DeviceTables<'_> {
        let (columns, rows) = self.config.spans(frame_width, frame_height);
        DeviceTables {
            columns: DeviceAxis::of(&mut self.columns, columns, self.config.filter),
            rows: DeviceAxis::of(&mut self.rows, rows, self.config.filter),
        }
    }

    /// Preprocesses a frame into `out`, whose length must be [`PreprocessConfig::output_len`]. After the first frame of a size nothing is
    /// allocated.
    ///
    /// ```
    /// use trt_select::Frame;
    /// use trt_select::cuda::Format;
    /// use trt_select::preprocess::{Preprocess, PreprocessConfig, PreprocessError};
    ///
    /// // Stretches a grey row of two pixels to one pixel, without normalization.
    /// let mut preprocess = Preprocess::new(PreprocessConfig::new(1, 1, 1))?;
    /// let frame = Frame::packed(Format::Gray8, 2, 1, 2, &[0, 255])?;
    /// let mut tensor = [0.0];
    /// preprocess.run(&frame, &mut tensor)?;
    /// assert_eq!(tensor, [128.0 / 255.0]);
    /// assert_eq!(preprocess.run(&frame, &mut []), Err(PreprocessError::OutputLength { expected: 1, got: 0 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PreprocessError::OutputLength`] if `out` has another length; then nothing is written to it.
    pub fn run(&mut self, frame: &Frame<'_>, out: &mut [f32]) -> Result<(), PreprocessError> {
        let expected = self.config.output_len();
        if out.len() != expected {
            return Err(PreprocessError::OutputLength { expected, got: out.len() });
        }
        // A grey frame stays one byte a pixel until the tensor is written, even if the network reads three channels.
        if self.config.channels == 1 || frame.format() == Format::Gray8 {
            self.run_components::<1>(frame, out);
        } else {
            self.run_components::<3>(frame, out);
        }
        Ok(())
    }

    /// Does the work of [`Preprocess::run`] for frames that are read as `N` bytes a pixel.
    fn run_components<const N: usize>(&mut self, frame: &Frame<'_>, out: &mut [f32]) {
        let (columns, rows) = self.config.spans(frame.width(), frame.height());
        let width = self.config.width as usize;
        let bgr = N == 3 && frame.format() == Format::Bgr8;
        let writer = Writer {
            layout: self.config.layout,
            tables: &self.tables,
            width,
            swap: bgr != (self.config.order == ChannelOrder::Bgr),
        };
        grow(&mut self.row, N * frame.width() as usize);
        if columns.is_copy() && rows.is_copy() {
            let start = N * columns.offset as usize;
            for y in 0..rows.len {
                let source = components::<N>(frame, rows.offset + y, &mut self.row);
                writer.write::<N>(y as usize, source.get(start..).unwrap_or(&[]), out);
            }
            return;
        }
        self.columns.set(columns, self.config.filter);
        self.rows.set(rows, self.config.filter);
        let row_bytes = N * width;
        let (first, end) = self.rows.reads();
        grow(&mut self.narrowed, row_bytes * (end - first));
        for (y, narrowed) in (first..end).zip(self.narrowed.chunks_exact_mut(row_bytes)) {
            let source = components::<N>(frame, y as u32, &mut self.row);
            self.columns.row::<N>(source, narrowed);
        }
        self.rows.columns(&self.narrowed, first, row_bytes, &mut self.sums, &mut self.finished, |y, row| {
            writer.write::<N>(y, row, out);
        });
    }
}

impl fmt::Debug for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preprocess").field("config", &self.config).finish_non_exhaustive()
    }
}

fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// Row `y` of a frame as `N` bytes a pixel. Where the frame's own bytes have this form they are returned as they are (for BGR8, blue
/// first); otherwise the row is converted into `scratch`.
fn components<'r, const N: usize>(frame: &Frame<'r>, y: u32, scratch: &'r mut [u8]) -> &'r [u8] {
    if matches!((N, frame.format()), (3, Format::Rgb8 | Format::Bgr8) | (1, Format::Gray8)) {
        return frame.row(y);
    }
    let n = scratch.len().min(N * frame.width() as usize);
    let out = &mut scratch[..n];
    if N == 1 {
        Row::new(frame, y).write_grey(out);
    } else {
        Row::new(frame, y).write_rgb(0, out);
    }
    out
}

/// Normalizes rows of bytes and writes them into the tensor.
struct Writer<'a> {
    layout: Layout,
    tables: &'a [[f32; 256]],
    width: usize,
    /// Whether the first and the last of three bytes have to change places.
    swap: bool,
}

impl Writer<'_> {
    /// Writes row `y` of the tensor from pixels of `N` bytes each.
    fn write<const N: usize>(&self, y: usize, row: &[u8], out: &mut [f32]) {
        let channels = self.tables.len();
        let component = |channel: usize| match (N, self.swap) {
            (1, _) => 0,
            (_, true) => N - 1 - channel,
            (_, false) => channel,
        };
        let pixels = row.as_chunks::<N>().0;
        match self.layout {
            Layout::Nchw => {
                let planes = out.chunks_exact_mut((out.len() / channels).max(1));
                for (channel, (plane, table)) in planes.zip(self.tables).enumerate() {
                    let c = component(channel);
                    let line = plane.chunks_exact_mut(self.width).nth(y).unwrap_or_default();
                    for (o, p) in line.iter_mut().zip(pixels) {
                        *o = table[usize::from(p[c])];
                    }
                }
            }
            Layout::Nhwc => {
                let line = out.chunks_exact_mut(self.width * channels).nth(y).unwrap_or_default();
                for (o, p) in line.chunks_exact_mut(channels).zip(pixels) {
                    for (channel, (o, table)) in o.iter_mut().zip(self.tables).enumerate() {
                        *o = table[usize::from(p[component(channel)])];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "what proptest does in its macros")]
mod tests;
