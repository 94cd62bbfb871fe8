//! How a frame lies in memory.

use std::str::FromStr;

use bytemuck::{Pod, Zeroable};

/// Pixel format of a frame. The numbers are part of the ABI: they are only ever added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Format {
    /// 8-bit red, green, blue, interleaved; 3 bytes a pixel.
    Rgb8 = 0,
    /// 8-bit blue, green, red, interleaved; 3 bytes a pixel.
    Bgr8 = 1,
    /// 8-bit red, green, blue, alpha; 4 bytes a pixel. Alpha is ignored.
    Rgba8 = 2,
    /// 8-bit grey; 1 byte a pixel.
    Gray8 = 3,
    /// A plane of 8-bit luma, then a half-size plane of interleaved Cb, Cr (4:2:0). With an odd width or height the
    /// chroma plane has the size rounded up.
    Nv12 = 4,
    /// Packed Y0 Cb Y1 Cr (4:2:2), 4 bytes for two pixels. With an odd width each row ends with a whole group whose
    /// second luma is ignored.
    Yuyv = 5,
}

impl Format {
    /// Every format, in the order of its number.
    pub const ALL: [Format; 6] = [Format::Rgb8, Format::Bgr8, Format::Rgba8, Format::Gray8, Format::Nv12, Format::Yuyv];

    /// Whether pixels are luma and chroma, so that their colours depend on [`Matrix`] and [`Range`].
    ///
    /// ```
    /// use trt_select_cuda::Format;
    /// assert!(Format::Nv12.is_yuv() && !Format::Rgb8.is_yuv());
    /// ```
    pub const fn is_yuv(self) -> bool {
        matches!(self, Format::Nv12 | Format::Yuyv)
    }

    /// Fewest bytes that one row of plane 0 takes, for a width in pixels.
    ///
    /// ```
    /// use trt_select_cuda::Format;
    /// assert_eq!(Format::Rgb8.row_bytes(5), 15);
    /// // Two pixels share four bytes; the last one of an odd row has a group of its own.
    /// assert_eq!(Format::Yuyv.row_bytes(5), 12);
    /// ```
    pub const fn row_bytes(self, width: u32) -> u64 {
        let w = width as u64;
        match self {
            Format::Rgb8 | Format::Bgr8 => 3 * w,
            Format::Rgba8 => 4 * w,
            Format::Gray8 | Format::Nv12 => w,
            Format::Yuyv => w.div_ceil(2) * 4,
        }
    }

    /// Fewest bytes that one row of plane 1 takes; 0 where the format has one plane.
    pub const fn chroma_row_bytes(self, width: u32) -> u64 {
        match self {
            Format::Nv12 => (width as u64).div_ceil(2) * 2,
            _ => 0,
        }
    }

    /// The name used in messages and files: `rgb8`, `bgr8`, `rgba8`, `gray8`, `nv12`, `yuyv`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Rgb8 => "rgb8",
            Format::Bgr8 => "bgr8",
            Format::Rgba8 => "rgba8",
            Format::Gray8 => "gray8",
            Format::Nv12 => "nv12",
            Format::Yuyv => "yuyv",
        }
    }
}

/// Which matrix turns Y, Cb, Cr into red, green, blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Matrix {
    /// ITU-R BT.601: SD video and JPEG.
    #[default]
    Bt601 = 0,
    /// ITU-R BT.709: HD video.
    Bt709 = 1,
}

/// Which numbers stand for black and white.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Range {
    /// Luma 16..=235, chroma 16..=240: what most cameras send.
    #[default]
    Limited = 0,
    /// 0..=255.
    Full = 1,
}

/// Where frames from the host go on their way to a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameMemory {
    /// Device memory. On integrated devices, where host and device share their memory chips, both ways are measured when a selector is
    /// opened (by [`Pipe::place_frames`](crate::pipe::Pipe::place_frames)), and the faster one is taken.
    #[default]
    Auto,
    /// A copy to device memory.
    Device,
    /// Mapped host memory, which kernels read in place: the device copies nothing, but on some boards reads it without a cache.
    Mapped,
}

impl FrameMemory {
    /// The name by which users choose it.
    pub const fn name(self) -> &'static str {
        match self {
            FrameMemory::Auto => "auto",
            FrameMemory::Device => "device",
            FrameMemory::Mapped => "mapped",
        }
    }
}

impl FromStr for FrameMemory {
    type Err = String;

    /// # Errors
    /// A line with the names that there are.
    fn from_str(name: &str) -> Result<Self, String> {
        let all = [FrameMemory::Auto, FrameMemory::Device, FrameMemory::Mapped];
        let found = all.into_iter().find(|m| m.name() == name);
        found.ok_or_else(|| format!("frame memory: expected auto, device or mapped, got '{name}'; choose one of them"))
    }
}

/// A frame as kernels and C see it: addresses, strides, numbers. It has no lifetime, and nobody has checked it; `trt_select::Frame` is
/// the safe form.
///
/// ```
/// use trt_select_cuda::{Format, FrameDesc};
///
/// let (width_px, height_px) = (640, 480);
/// let desc = FrameDesc {
///     width_px,
///     height_px,
///     stride0_bytes: Format::Rgb8.row_bytes(width_px),
///     format: Format::Rgb8 as u32,
///     ..FrameDesc::default()
/// };
/// assert_eq!(desc.stride0_bytes, 3 * 640);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FrameDesc {
    /// Address of plane 0 (host or device).
    pub plane0: u64,
    /// Address of plane 1 (chroma of NV12), or 0.
    pub plane1: u64,
    /// Bytes from one row of plane 0 to the next.
    pub stride0_bytes: u64,
    /// Bytes from one row of plane 1 to the next.
    pub stride1_bytes: u64,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// A [`Format`] as number.
    pub format: u32,
    /// A [`Matrix`] as number.
    pub matrix: u32,
    /// A [`Range`] as number.
    pub range: u32,
    /// Zero.
    pub reserved: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_bytes_round_up_for_odd_widths() {
        assert_eq!(Format::Yuyv.row_bytes(5), 12);
        assert_eq!(Format::Nv12.chroma_row_bytes(5), 6);
        assert_eq!(Format::Rgb8.row_bytes(5), 15);
        assert_eq!(Format::Gray8.chroma_row_bytes(5), 0);
    }

    #[test]
    fn descriptor_has_no_padding() {
        assert_eq!(size_of::<FrameDesc>(), 56);
    }
}
