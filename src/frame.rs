//! A frame in host memory, as a borrowed view that has been checked.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::fmt;

use trt_select_cuda::{Format, FrameDesc, Matrix, Range};

/// The largest width or height that a frame may have, in pixels.
pub const MAX_SIDE_PX: u32 = 32_768;

/// One frame: its borrowed planes with their strides, its size, its format and its colour space. Copying it copies no pixels.
///
/// Making a frame checks that every row of every plane lies inside its slice. So whatever reads the frame later cannot fail.
///
/// ```
/// use trt_select::Frame;
/// use trt_select_cuda::Format;
///
/// let pixels = [0u8; 2 * 16];
/// // Two rows of four RGB pixels, 16 bytes apart.
/// let frame = Frame::packed(Format::Rgb8, 4, 2, 16, &pixels)?;
/// assert_eq!((frame.width(), frame.height()), (4, 2));
/// # Ok::<(), trt_select::FrameError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    plane0: &'a [u8],
    plane1: &'a [u8],
    stride0: usize,
    stride1: usize,
    width: u32,
    height: u32,
    format: Format,
    matrix: Matrix,
    range: Range,
}

/// The plane of a frame that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plane {
    /// Plane 0: the interleaved pixels, or the luma of an NV12 frame.
    Pixels,
    /// Plane 1: the chroma of an NV12 frame.
    Chroma,
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plane::Pixels => "pixel plane",
            Plane::Chroma => "chroma plane",
        })
    }
}

/// Why a view of a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The width or the height is 0.
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The width or the height is larger than [`MAX_SIDE_PX`].
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A stride is smaller than the number of bytes that one row takes.
    StrideTooSmall {
        /// The plane.
        plane: Plane,
        /// Number of bytes that one row takes.
        row_bytes: u64,
        /// The stride that was given, in bytes.
        stride_bytes: u64,
    },
    /// The slice of a plane ends before the plane's last row does.
    PlaneTooShort {
        /// The plane.
        plane: Plane,
        /// Number of bytes that the plane takes: a stride for each row but the last, and the bytes of the last row.
        needed_bytes: u64,
        /// Length of the slice that was given, in bytes.
        got_bytes: u64,
    },
    /// The format has another number of planes than this constructor takes.
    WrongConstructor {
        /// The format given.
        format: Format,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FrameError::Empty { width, height } => {
                write!(f, "frame: expected at least 1x1 px, got {width}x{height}; give the size of a captured frame")
            }
            FrameError::TooLarge { width, height } => write!(
                f,
                "frame: expected at most {MAX_SIDE_PX} px a side, got {width}x{height}; crop or downscale the frame"
            ),
            FrameError::StrideTooSmall { plane, row_bytes, stride_bytes } => write!(
                f,
                "{plane}: expected a stride of at least {row_bytes} bytes, got {stride_bytes}; give the stride in bytes, not in pixels"
            ),
            FrameError::PlaneTooShort { plane, needed_bytes, got_bytes } => write!(
                f,
                "{plane}: expected at least {needed_bytes} bytes, got {got_bytes}; check height, stride and format"
            ),
            FrameError::WrongConstructor { format } => {
                write!(f, "frame: expected a format with one plane, got {}; use Frame::nv12", format.name())
            }
        }
    }
}

impl std::error::Error for FrameError {}

fn check_size(width: u32, height: u32) -> Result<(), FrameError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    if width > MAX_SIDE_PX || height > MAX_SIDE_PX {
        return Err(FrameError::TooLarge { width, height });
    }
    Ok(())
}

/// Checks one plane. The last row only needs its own bytes, not a whole stride.
fn check_plane(plane: Plane, rows: u32, row_bytes: u64, stride: usize, bytes: &[u8]) -> Result<(), FrameError> {
    let stride_bytes = stride as u64;
    if stride_bytes < row_bytes {
        return Err(FrameError::StrideTooSmall { plane, row_bytes, stride_bytes });
    }
    let needed_bytes = stride_bytes.saturating_mul(u64::from(rows) - 1).saturating_add(row_bytes);
    let got_bytes = bytes.len() as u64;
    if got_bytes < needed_bytes {
        return Err(FrameError::PlaneTooShort { plane, needed_bytes, got_bytes });
    }
    Ok(())
}

impl<'a> Frame<'a> {
    /// A frame with one plane: of every [`Format`] except NV12. `stride_bytes` is the distance from the start of one row to the start of
    /// the next. `pixels` may end with the last pixel of the last row.
    ///
    /// # Errors
    /// Any [`FrameError`]. The check does not read the bytes of `pixels`.
    pub fn packed(
        format: Format,
        width: u32,
        height: u32,
        stride_bytes: usize,
        pixels: &'a [u8],
    ) -> Result<Self, FrameError> {
        if !matches!(format, Format::Rgb8 | Format::Bgr8 | Format::Rgba8 | Format::Gray8 | Format::Yuyv) {
            return Err(FrameError::WrongConstructor { format });
        }
        check_size(width, height)?;
        check_plane(Plane::Pixels, height, format.row_bytes(width), stride_bytes, pixels)?;
        Ok(Frame {
            plane0: pixels,
            plane1: &[],
            stride0: stride_bytes,
            stride1: 0,
            width,
            height,
            format,
            matrix: Matrix::default(),
            range: Range::default(),
        })
    }

    /// A frame of the format NV12: a plane of luma, and a plane of interleaved Cb and Cr with half the width and half the height, both
    /// rounded up.
    ///
    /// ```
    /// use trt_select::cuda::Format;
    /// use trt_select::{Frame, FrameError};
    ///
    /// // 5 × 3 pixels of luma, and 3 × 2 pairs of Cb and Cr.
    /// let frame = Frame::nv12(5, 3, &[16; 5 * 3], 5, &[128; 6 * 2], 6)?;
    /// assert_eq!((frame.format(), frame.chroma_stride_bytes()), (Format::Nv12, 6));
    ///
    /// let short = Frame::nv12(5, 3, &[16; 5 * 3], 5, &[128; 6], 6);
    /// assert!(matches!(short, Err(FrameError::PlaneTooShort { needed_bytes: 12, got_bytes: 6, .. })));
    /// # Ok::<(), trt_select::FrameError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`FrameError`] except [`FrameError::WrongConstructor`]. The check does not read the bytes of the planes.
    pub fn nv12(
        width: u32,
        height: u32,
        luma: &'a [u8],
        luma_stride_bytes: usize,
        chroma: &'a [u8],
        chroma_stride_bytes: usize,
    ) -> Result<Self, FrameError> {
        check_size(width, height)?;
        let format = Format::Nv12;
        check_plane(Plane::Pixels, height, format.row_bytes(width), luma_stride_bytes, luma)?;
        let rows = height.div_ceil(2);
        check_plane(Plane::Chroma, rows, format.chroma_row_bytes(width), chroma_stride_bytes, chroma)?;
        Ok(Frame {
            plane0: luma,
            plane1: chroma,
            stride0: luma_stride_bytes,
            stride1: chroma_stride_bytes,
            width,
            height,
            format,
            matrix: Matrix::default(),
            range: Range::default(),
        })
    }

    /// The same frame with this colour matrix and range. Without this call, a frame counts as BT.601 with limited range. Formats without
    /// luma and chroma ignore both.
    pub fn with_color(mut self, matrix: Matrix, range: Range) -> Self {
        self.matrix = matrix;
        self.range = range;
        self
    }

    /// Width in pixels, 1 to [`MAX_SIDE_PX`].
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, 1 to [`MAX_SIDE_PX`].
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixel format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The colour matrix, which only formats with luma and chroma use.
    pub fn matrix(&self) -> Matrix {
        self.matrix
    }

    /// The range of luma and chroma values, which only formats with luma and chroma use.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Number of bytes from the start of one row of pixels (or of luma) to the start of the next.
    pub fn stride_bytes(&self) -> usize {
        self.stride0
    }

    /// Number of bytes from the start of one row of chroma to the start of the next; 0 if the format has only one plane.
    pub fn chroma_stride_bytes(&self) -> usize {
        self.stride1
    }

    /// The plane of pixels (or of luma) as the caller gave it, with the padding.
    pub fn pixels(&self) -> &'a [u8] {
        self.plane0
    }

    /// The plane of chroma as the caller gave it, with the padding; empty if the format has only one plane.
    pub fn chroma(&self) -> &'a [u8] {
        self.plane1
    }

    /// The frame as plain numbers, with the addresses of its planes. The addresses may be used for as long as the planes are borrowed.
    pub fn desc(&self) -> FrameDesc {
        FrameDesc {
            plane0: self.plane0.as_ptr().addr() as u64,
            plane1: if self.plane1.is_empty() { 0 } else { self.plane1.as_ptr().addr() as u64 },
            stride0_bytes: self.stride0 as u64,
            stride1_bytes: self.stride1 as u64,
            width_px: self.width,
            height_px: self.height,
            format: self.format as u32,
            matrix: self.matrix as u32,
            range: self.range as u32,
            reserved: 0,
        }
    }

    /// The bytes of row `y` of plane 0, without padding. For a row below the frame the slice is empty.
    pub(crate) fn row(&self, y: u32) -> &'a [u8] {
        plane_row(self.plane0, self.stride0, y, self.height, self.format.row_bytes(self.width))
    }

    /// The bytes of the chroma row that luma row `y` uses; empty if the format has only one plane.
    pub(crate) fn chroma_row(&self, y: u32) -> &'a [u8] {
        let rows = self.height.div_ceil(2);
        plane_row(self.plane1, self.stride1, y / 2, rows, self.format.chroma_row_bytes(self.width))
    }
}

fn plane_row(plane: &[u8], stride: usize, y: u32, rows: u32, row_bytes: u64) -> &[u8] {
    if y >= rows {
        return &[];
    }
    let start = y as usize * stride;
    plane.get(start..start + row_bytes as usize).unwrap_or(&[])
}

impl fmt::Debug for Frame<'_> {
    /// Prints size, format and strides, and no pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("format", &self.format.name())
            .field("width", &self.width)
            .field("height", &self.height)
            .field("stride_bytes", &self.stride0)
            .field("chroma_stride_bytes", &self.stride1)
            .field("matrix", &self.matrix)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_too_large() {
        let e = Frame::packed(Format::Gray8, 0, 4, 0, &[]).unwrap_err();
        assert_eq!(e, FrameError::Empty { width: 0, height: 4 });
        assert!(e.to_string().contains("0x4"), "{e}");
        assert_eq!(Frame::nv12(4, 0, &[], 4, &[], 4).unwrap_err(), FrameError::Empty { width: 4, height: 0 });
        let side = MAX_SIDE_PX + 1;
        let e = Frame::packed(Format::Gray8, side, 1, side as usize, &[]).unwrap_err();
        assert_eq!(e, FrameError::TooLarge { width: side, height: 1 });
        assert_eq!(Frame::nv12(1, side, &[], 1, &[], 2).unwrap_err(), FrameError::TooLarge { width: 1, height: side });
    }

    #[test]
    fn strides() {
        let bytes = [0u8; 64];
        let e = Frame::packed(Format::Rgb8, 4, 2, 11, &bytes).unwrap_err();
        assert_eq!(e, FrameError::StrideTooSmall { plane: Plane::Pixels, row_bytes: 12, stride_bytes: 11 });
        let e = Frame::packed(Format::Yuyv, 5, 1, 11, &bytes).unwrap_err();
        assert_eq!(e, FrameError::StrideTooSmall { plane: Plane::Pixels, row_bytes: 12, stride_bytes: 11 });
        let e = Frame::nv12(5, 2, &bytes, 5, &bytes, 5).unwrap_err();
        assert_eq!(e, FrameError::StrideTooSmall { plane: Plane::Chroma, row_bytes: 6, stride_bytes: 5 });
        assert!(e.to_string().starts_with("chroma plane: "), "{e}");
    }

    #[test]
    fn last_row_needs_no_padding() {
        let bytes = [0u8; 28];
        assert!(Frame::packed(Format::Rgb8, 4, 2, 16, &bytes).is_ok());
        let e = Frame::packed(Format::Rgb8, 4, 2, 16, &bytes[..27]).unwrap_err();
        assert_eq!(e, FrameError::PlaneTooShort { plane: Plane::Pixels, needed_bytes: 28, got_bytes: 27 });
        assert!(Frame::nv12(3, 3, &bytes[..11], 4, &bytes[..9], 5).is_ok());
        assert!(Frame::nv12(3, 3, &bytes[..10], 4, &bytes[..9], 5).is_err());
        let e = Frame::nv12(3, 3, &bytes[..11], 4, &bytes[..8], 5).unwrap_err();
        assert_eq!(e, FrameError::PlaneTooShort { plane: Plane::Chroma, needed_bytes: 9, got_bytes: 8 });
    }

    #[test]
    fn a_huge_stride_does_not_overflow() {
        let e = Frame::packed(Format::Gray8, 1, MAX_SIDE_PX, usize::MAX, &[0; 8]).unwrap_err();
        assert!(matches!(e, FrameError::PlaneTooShort { .. }), "{e}");
        // A frame of one row may have any stride, since there is no second row.
        assert!(Frame::packed(Format::Gray8, 8, 1, usize::MAX, &[0; 8]).is_ok());
    }

    #[test]
    fn nv12_is_not_packed() {
        let e = Frame::packed(Format::Nv12, 2, 2, 2, &[0; 8]).unwrap_err();
        assert_eq!(e, FrameError::WrongConstructor { format: Format::Nv12 });
        assert!(e.to_string().contains("Frame::nv12"), "{e}");
    }

    #[test]
    fn every_error_is_one_line() {
        let errors = [
            FrameError::Empty { width: 0, height: 0 },
            FrameError::TooLarge { width: 1, height: 40_000 },
            FrameError::StrideTooSmall { plane: Plane::Chroma, row_bytes: 2, stride_bytes: 1 },
            FrameError::PlaneTooShort { plane: Plane::Pixels, needed_bytes: 2, got_bytes: 1 },
            FrameError::WrongConstructor { format: Format::Nv12 },
        ];
        for e in errors {
            let text = e.to_string();
            assert!(text.contains("expected") && text.contains("got") && text.contains("; "), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn accessors_and_descriptor() {
        let luma = [1u8; 12];
        let chroma = [2u8; 8];
        let f = Frame::nv12(3, 3, &luma, 4, &chroma, 4).unwrap().with_color(Matrix::Bt709, Range::Full);
        assert_eq!((f.width(), f.height(), f.format()), (3, 3, Format::Nv12));
        assert_eq!((f.matrix(), f.range()), (Matrix::Bt709, Range::Full));
        assert_eq!((f.stride_bytes(), f.chroma_stride_bytes()), (4, 4));
        assert_eq!((f.pixels(), f.chroma()), (&luma[..], &chroma[..]));
        assert_eq!(f.row(2).len(), 3);
        assert_eq!(f.chroma_row(2), &chroma[4..8]);
        assert!(f.row(3).is_empty());
        let d = f.desc();
        assert_eq!(d.plane0, luma.as_ptr().addr() as u64);
        assert_eq!(d.plane1, chroma.as_ptr().addr() as u64);
        assert_eq!((d.width_px, d.height_px, d.format, d.matrix, d.range), (3, 3, 4, 1, 1));
        let g = Frame::packed(Format::Gray8, 3, 3, 4, &luma).unwrap();
        assert_eq!((g.desc().plane1, g.desc().stride1_bytes), (0, 0));
        assert!(g.chroma_row(0).is_empty());
        assert!(!format!("{g:?}").contains("[1, 1"));
    }
}
