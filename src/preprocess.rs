//! CPU preprocessing: from a frame to the tensor that a network reads.
//!
//! frame → RGB8 or grey → resize, crop → (x/255 − mean)/std → NCHW or NHWC.
//!
//! A network is as accurate as its preprocessing is faithful to training, so this follows what training pipelines do:
//! antialiased filters as Pillow computes them (within 1/255, which a test checks against Pillow's own output), and
//! torchvision's sizes and offsets for shorter-side resize and centre crop.
//!
//! # Memory
//! Scratch buffers grow to the largest frame seen and are then reused. A frame that already has the network's size is
//! not resized, and after the first one nothing is allocated. Resizing is left to the crate `fast_image_resize`, which
//! computes its filter coefficients anew for each call: a handful of small allocations a frame, whose number does not
//! depend on the frame (the test `alloc_features` prints and bounds it). The pixels themselves are in reused buffers.
#![forbid(unsafe_code)]

use std::fmt;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use trt_select_cuda::Format;

use crate::frame::Frame;
use crate::pixel::Row;

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreprocessError {
    /// The output slice has not the tensor's length.
    OutputLength {
        /// channels · height · width.
        expected: usize,
        /// Length given.
        got: usize,
    },
    /// The resizer refused the frame.
    Resize {
        /// Its reason.
        reason: String,
    },
}

impl fmt::Display for PreprocessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PreprocessError::OutputLength { expected, got } => write!(
                f,
                "preprocess output: expected {expected} values, got {got}; give a slice of channels x height x width"
            ),
            PreprocessError::Resize { reason } => {
                write!(
                    f,
                    "preprocess resize: expected a frame that can be resized, got: {reason}; check the frame's size"
                )
            }
        }
    }
}

impl std::error::Error for PreprocessError {}

/// A rectangle of the frame, in pixels and parts of them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct CropBox {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// Half of a non-negative number, halves rounded to even.
fn half_to_even(d: u64) -> u64 {
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
        self.channels as usize * self.height as usize * self.width as usize
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

    /// The part of a frame that becomes the input.
    fn crop_box(&self, frame_width: u32, frame_height: u32) -> CropBox {
        let (fw, fh) = (f64::from(frame_width), f64::from(frame_height));
        let Resize::ShorterSideCrop { fraction } = self.resize else {
            return CropBox { left: 0.0, top: 0.0, width: fw, height: fh };
        };
        let grown = |side: u32| (f64::from(side) / f64::from(fraction)).round() as u64;
        let (tw, th) = (grown(self.width), grown(self.height));
        let (w, h) = (u64::from(frame_width), u64::from(frame_height));
        // Scale by tw/w or th/h, whichever is larger, so that the target is covered.
        let (rw, rh) = if tw * h >= th * w { (tw, (tw * h / w).max(th)) } else { ((th * w / h).max(tw), th) };
        let axis = |frame: f64, resized: u64, input: u32| {
            let offset = half_to_even(resized.saturating_sub(u64::from(input)));
            let step = resized as f64;
            (frame * offset as f64 / step, frame * f64::from(input) / step)
        };
        let (left, width) = axis(fw, rw, self.width);
        let (top, height) = axis(fh, rh, self.height);
        CropBox { left, top, width, height }
    }
}

/// (value/255 − mean)/std, each step rounded to `f32` as PyTorch does.
fn normalized(value: u8, mean: f32, std: f32) -> f32 {
    (f32::from(value) / 255.0 - mean) / std
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
    options: ResizeOptions,
    resizer: Resizer,
    /// Normalized value of every byte, per output channel.
    tables: Vec<[f32; 256]>,
    /// The frame's pixels, one or three bytes each.
    source: Vec<u8>,
    /// The same in the network's size.
    resized: Vec<u8>,
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
        let filter = match config.filter {
            Filter::Bicubic => FilterType::CatmullRom,
            Filter::Bilinear => FilterType::Bilinear,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
        let resized = vec![0; config.output_len()];
        Ok(Preprocess { config, options, resizer: Resizer::new(), tables, source: Vec::new(), resized })
    }

    /// The configuration.
    pub fn config(&self) -> &PreprocessConfig {
        &self.config
    }

    /// Fills `out`, of length [`PreprocessConfig::output_len`], from a frame. See the [module](self) for what it
    /// allocates.
    ///
    /// # Errors
    /// [`PreprocessError::OutputLength`]; [`PreprocessError::Resize`] should not occur. `out` is written only on
    /// success.
    pub fn run(&mut self, frame: &Frame<'_>, out: &mut [f32]) -> Result<(), PreprocessError> {
        let expected = self.config.output_len();
        if out.len() != expected {
            return Err(PreprocessError::OutputLength { expected, got: out.len() });
        }
        // A grey frame stays one channel until the end, whatever the network reads.
        let grey = self.config.channels == 1 || frame.format() == Format::Gray8;
        let components = if grey { 1 } else { 3 };
        let bgr = !grey && frame.format() == Format::Bgr8;
        let source = borrowed(frame, components).unwrap_or_else(|| convert(frame, components, &mut self.source));

        let (width, height) = (self.config.width, self.config.height);
        let crop = self.config.crop_box(frame.width(), frame.height());
        let whole = crop == CropBox { left: 0.0, top: 0.0, width: f64::from(width), height: f64::from(height) };
        let pixels = if whole && (frame.width(), frame.height()) == (width, height) {
            source
        } else {
            let kind = if grey { PixelType::U8 } else { PixelType::U8x3 };
            let len = width as usize * height as usize * components;
            let resized = &mut self.resized[..len];
            let failed = |reason: &dyn fmt::Display| PreprocessError::Resize { reason: reason.to_string() };
            let from = ImageRef::new(frame.width(), frame.height(), source, kind).map_err(|e| failed(&e))?;
            let mut to = Image::from_slice_u8(width, height, resized, kind).map_err(|e| failed(&e))?;
            let options = self.options.crop(crop.left, crop.top, crop.width, crop.height);
            self.resizer.resize(&from, &mut to, &options).map_err(|e| failed(&e))?;
            &self.resized[..len]
        };
        let swap = bgr != (self.config.order == ChannelOrder::Bgr);
        normalize(pixels, components, swap, &self.tables, self.config.layout, out);
        Ok(())
    }
}

impl fmt::Debug for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preprocess").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The frame's own bytes, where they are already what the resizer reads: no padding, no conversion. Three components
/// may be in either order.
fn borrowed<'a>(frame: &Frame<'a>, components: usize) -> Option<&'a [u8]> {
    let fits = match frame.format() {
        Format::Rgb8 | Format::Bgr8 => components == 3,
        Format::Gray8 => components == 1,
        _ => false,
    };
    let row_bytes = frame.width() as usize * components;
    if !fits || (frame.stride_bytes() != row_bytes && frame.height() > 1) {
        return None;
    }
    frame.pixels().get(..row_bytes * frame.height() as usize)
}

/// Converts a frame into `scratch`. BGR8 keeps its order, as in [`borrowed`].
fn convert<'s>(frame: &Frame<'_>, components: usize, scratch: &'s mut Vec<u8>) -> &'s [u8] {
    let row_bytes = frame.width() as usize * components;
    let len = row_bytes * frame.height() as usize;
    if scratch.len() < len {
        scratch.resize(len, 0);
    }
    for (y, out) in scratch[..len].chunks_exact_mut(row_bytes).enumerate() {
        let y = y as u32;
        if components == 1 {
            Row::new(frame, y).write_grey(out);
        } else if frame.format() == Format::Bgr8 {
            let row = frame.row(y);
            let n = row.len().min(out.len());
            out[..n].copy_from_slice(&row[..n]);
        } else {
            Row::new(frame, y).write_rgb(0, out);
        }
    }
    &scratch[..len]
}

/// Looks every byte up in its channel's table. `swap` exchanges the first and the last of three components.
fn normalize(pixels: &[u8], components: usize, swap: bool, tables: &[[f32; 256]], layout: Layout, out: &mut [f32]) {
    let channels = tables.len();
    let component = |channel: usize| match (components, swap) {
        (1, _) => 0,
        (_, true) => components - 1 - channel,
        (_, false) => channel,
    };
    match layout {
        Layout::Nchw => {
            let planes = out.chunks_exact_mut(out.len() / channels);
            for (channel, (plane, table)) in planes.zip(tables).enumerate() {
                let start = component(channel);
                for (o, p) in plane.iter_mut().zip(pixels.chunks_exact(components)) {
                    *o = table[usize::from(p[start])];
                }
            }
        }
        Layout::Nhwc => {
            for (o, p) in out.chunks_exact_mut(channels).zip(pixels.chunks_exact(components)) {
                for (channel, (o, table)) in o.iter_mut().zip(tables).enumerate() {
                    *o = table[usize::from(p[component(channel)])];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
