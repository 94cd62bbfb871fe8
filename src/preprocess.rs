//! CPU preprocessing: from a frame to the tensor that a network reads.
//!
//! frame → RGB8 or grey → resize, crop → (x/255 − mean)/std → NCHW or NHWC.
//!
//! A network is as accurate as its preprocessing is faithful to training, so this follows what training pipelines do:
//! antialiased filters, bit for bit as Pillow computes them (a test compares with Pillow's own output), torchvision's
//! sizes and offsets for shorter-side resize and centre crop, and PyTorch's order of the arithmetic.
//!
//! # Memory
//! Scratch buffers and filter weights grow to the largest frame seen and are then reused: after the first frame of a size
//! nothing is allocated, resized or not (the test `alloc_features` counts). Only the part of the frame that the output
//! depends on is converted, a row at a time.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::fmt;

use trt_select_cuda::{AxisWindow, Format};

use crate::frame::Frame;
use crate::pixel::Row;
use resample::{Axis, Span};

mod resample;

/// Longest side of a network's input, in pixels.
pub const MAX_INPUT_SIDE_PX: u32 = 16_384;

/// Smallest fraction of [`Resize::ShorterSideCrop`].
pub const MIN_CROP_FRACTION: f32 = 0.1;

/// In which order a network reads the three colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How a frame of another size becomes the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Resize {
    /// The whole frame, whatever its aspect ratio.
    #[default]
    Stretch,
    /// Resize with the aspect ratio kept, then crop the centre. The resized frame is the smallest that covers
    /// round(width/fraction) × round(height/fraction); its longer side is rounded down. The crop's offset is half of what
    /// is left over, with halves rounded to even. For a square input this is torchvision's `Resize` of the shorter side
    /// and `CenterCrop`: 224 with 0.875 is `Resize(256)`, `CenterCrop(224)`.
    ShorterSideCrop {
        /// Share of the resized shorter side that the crop keeps, [`MIN_CROP_FRACTION`] to 1.
        fraction: f32,
    },
}

/// The resampling filter. Both widen when they shrink an image (antialiasing), as in Pillow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// Cubic convolution with a = −0.5 (Catmull-Rom); Pillow's `BICUBIC`.
    #[default]
    Bicubic,
    /// Triangle; Pillow's `BILINEAR`.
    Bilinear,
}

/// Order of the tensor's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// A plane per channel.
    #[default]
    Nchw,
    /// Channels interleaved.
    Nhwc,
}

/// What a network expects.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessConfig {
    /// Width of the input in pixels, 1 to [`MAX_INPUT_SIDE_PX`].
    pub width: u32,
    /// Height of the input in pixels, 1 to [`MAX_INPUT_SIDE_PX`].
    pub height: u32,
    /// 3 for colour, 1 for grey.
    pub channels: u32,
    /// Order of the colours; ignored with one channel.
    pub order: ChannelOrder,
    /// How to get to the size.
    pub resize: Resize,
    /// Resampling filter.
    pub filter: Filter,
    /// Mean per channel, in the order of the channels, on the scale 0 to 1.
    pub mean: Vec<f32>,
    /// Standard deviation per channel, in the order of the channels, on the scale 0 to 1.
    pub std: Vec<f32>,
    /// Order of the axes.
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
    /// The crop fraction is outside of [`MIN_CROP_FRACTION`] to 1.
    Fraction {
        /// Fraction given.
        got: f32,
    },
    /// `mean` or `std` has not one number a channel.
    Length {
        /// `mean` or `std`.
        field: &'static str,
        /// The number of channels.
        expected: u32,
        /// Numbers given.
        got: usize,
    },
    /// A number of `mean` or `std` is not finite, or a standard deviation is so small that pixels cannot be divided
    /// by it.
    Value {
        /// `mean` or `std`.
        field: &'static str,
        /// Which channel.
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
    /// The output slice has not the tensor's length.
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

/// Half of a non-negative number, halves rounded to even.
fn half_to_even(d: u32) -> u32 {
    let q = d / 2;
    if d % 2 == 1 { q + (q & 1) } else { q }
}

impl PreprocessConfig {
    /// A colour network as ImageNet training leaves it: shorter side resized and centre-cropped by 0.875, bicubic, RGB,
    /// NCHW, ImageNet's means and deviations.
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

    /// Number of values of the tensor: channels · height · width.
    pub fn output_len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Extents of the tensor that a frame becomes, outermost first: batch of 1, then channels and sides as the layout has
    /// them.
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
        // Every table entry must be finite too: a huge mean over a tiny deviation is not.
        for (channel, (&mean, &std)) in self.mean.iter().zip(&self.std).enumerate() {
            if !normalized(0, mean, std).is_finite() || !normalized(255, mean, std).is_finite() {
                return Err(ConfigError::Value { field: "std", channel, got: std });
            }
        }
        Ok(())
    }

    /// What becomes the input of a frame of this size: the columns and the rows.
    fn spans(&self, frame_width: u32, frame_height: u32) -> (Span, Span) {
        let span = |input: u32, resized: u64, len: u32| {
            // Far beyond any frame worth cropping, the scale saturates.
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
                // Scale by tw/w or th/h, whichever is larger, so that the target is covered.
                if tw * h >= th * w { (tw, (tw * h / w).max(th)) } else { ((th * w / h).max(tw), th) }
            }
        };
        (span(frame_width, rw, self.width), span(frame_height, rh, self.height))
    }
}

/// (value/255 − mean)/std, each step rounded to `f32` as PyTorch does.
fn normalized(value: u8, mean: f32, std: f32) -> f32 {
    (f32::from(value) / 255.0 - mean) / std
}

/// Both axes of a resize, for the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceTables<'a> {
    /// Along rows of the frame: one output a column of the tensor.
    pub columns: DeviceAxis<'a>,
    /// Along columns of the frame: one output a row of the tensor.
    pub rows: DeviceAxis<'a>,
}

/// One axis of a resize, for the device: what becomes [`trt_select_cuda::AxisParams`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceAxis<'a> {
    /// Output i is input `offset + i`; windows and weights are empty.
    pub is_copy: bool,
    /// First output that is wanted, counted in outputs of the whole resized axis. The windows start there already.
    pub offset: u32,
    /// The input samples of each output. Starts and ends never decrease from one to the next.
    pub windows: &'a [AxisWindow],
    /// The weights of all windows, with 22 fraction bits.
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

/// Preprocesses frames into one network's input. One per thread; it owns its scratch memory.
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
    /// Normalized value of every byte, per output channel.
    tables: Vec<[f32; 256]>,
    columns: Axis,
    rows: Axis,
    /// One converted row of the frame.
    row: Vec<u8>,
    /// The rows of the frame that are read, resampled to the network's width.
    narrowed: Vec<u8>,
    /// Sums of one row of the input.
    sums: Vec<i32>,
    /// One row of the input.
    finished: Vec<u8>,
}

impl Preprocess {
    /// Checks the configuration and computes what depends on it alone.
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

    /// The configuration.
    pub fn config(&self) -> &PreprocessConfig {
        &self.config
    }

    /// The normalized value of every byte, one table an output channel: the preprocess kernel's `tables`.
    pub fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }

    /// What the preprocess kernel needs to know of frames of this size in pixels: windows and weights of both axes, the
    /// very ones that [`Preprocess::run`] uses. Asked again for the same size it computes nothing; it allocates only
    /// where a size needs longer tables than any before it.
    pub fn device_tables(&mut self, frame_width: u32, frame_height: u32) -> DeviceTables<'_> {
        let (columns, rows) = self.config.spans(frame_width, frame_height);
        DeviceTables {
            columns: DeviceAxis::of(&mut self.columns, columns, self.config.filter),
            rows: DeviceAxis::of(&mut self.rows, rows, self.config.filter),
        }
    }

    /// Fills `out`, of length [`PreprocessConfig::output_len`], from a frame. After the first frame of a size it does
    /// not allocate.
    ///
    /// # Errors
    /// [`PreprocessError::OutputLength`]; `out` is written only on success.
    pub fn run(&mut self, frame: &Frame<'_>, out: &mut [f32]) -> Result<(), PreprocessError> {
        let expected = self.config.output_len();
        if out.len() != expected {
            return Err(PreprocessError::OutputLength { expected, got: out.len() });
        }
        // A grey frame stays one component until the end, whatever the network reads.
        if self.config.channels == 1 || frame.format() == Format::Gray8 {
            self.run_components::<1>(frame, out);
        } else {
            self.run_components::<3>(frame, out);
        }
        Ok(())
    }

    /// The same for frames that are read as `N` bytes a pixel.
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

/// Row `y` of a frame as `N` bytes a pixel: the frame's own bytes where they are that already (BGR8 keeps its order),
/// else converted into `scratch`.
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

/// Normalizes rows of bytes into the tensor.
struct Writer<'a> {
    layout: Layout,
    tables: &'a [[f32; 256]],
    width: usize,
    /// Whether the first and the last of three components change places.
    swap: bool,
}

impl Writer<'_> {
    /// Writes row `y` from pixels of `N` bytes.
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
