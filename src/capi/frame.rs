//! Frames and tensors that the caller hands in.

use std::ffi::c_void;

use trt_select_cuda::{Format, Matrix, Range};

use super::sized::{self, Sized_};
#[cfg(not(feature = "tensorrt"))]
use super::status::TRTSEL_UNSUPPORTED;
use super::status::{Fail, TRTSEL_INPUT, TRTSEL_INVALID_ARGUMENT, TRTSEL_NULL_POINTER};
use crate::Frame;
use crate::input::Input;

/// 8-bit red, green, blue, interleaved.
pub const TRTSEL_FORMAT_RGB8: u32 = 0;
/// 8-bit blue, green, red, interleaved.
pub const TRTSEL_FORMAT_BGR8: u32 = 1;
/// 8-bit red, green, blue, alpha, interleaved; alpha is ignored.
pub const TRTSEL_FORMAT_RGBA8: u32 = 2;
/// 8-bit grey.
pub const TRTSEL_FORMAT_GRAY8: u32 = 3;
/// Two planes: 8-bit luma, and interleaved Cb, Cr of half its width and height, rounded up (4:2:0).
pub const TRTSEL_FORMAT_NV12: u32 = 4;
/// Packed Y0 Cb Y1 Cr (4:2:2).
pub const TRTSEL_FORMAT_YUYV: u32 = 5;

/// ITU-R BT.601: SD video and JPEG.
pub const TRTSEL_MATRIX_BT601: u32 = 0;
/// ITU-R BT.709: HD video.
pub const TRTSEL_MATRIX_BT709: u32 = 1;

/// Luma 16 to 235, chroma 16 to 240: what most cameras send.
pub const TRTSEL_RANGE_LIMITED: u32 = 0;
/// Luma and chroma 0 to 255.
pub const TRTSEL_RANGE_FULL: u32 = 1;

/// The planes lie in host memory.
pub const TRTSEL_PLACE_HOST: u32 = 0;
/// The planes lie in memory that the GPU can read: device memory, or mapped or managed host memory, in the device's primary
/// context. Only TensorRT takes such frames.
pub const TRTSEL_PLACE_DEVICE: u32 = 1;

/// One frame; the library borrows its planes. A zero in any field but the sizes and the planes means the default.
///
/// The planes must stay readable and unchanged until the input has its result or was cancelled, because networks on the CPU read
/// a host frame only when the program asks for them. (With TensorRT the submit copies a host frame, which may be freed once the
/// submit has returned.) After `TRTSEL_LATE` or `TRTSEL_DEADLINE` the GPU may go on reading a device frame until the selector's
/// next submit, infer, cancel or close returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_frame {
    /// `sizeof(trtsel_frame)`.
    pub struct_size: u32,
    /// A `TRTSEL_FORMAT_` number.
    pub format: u32,
    /// Width in pixels, 1 to 32768 (on a device 32767).
    pub width_px: u32,
    /// Height in pixels, with the limits of the width.
    pub height_px: u32,
    /// A `TRTSEL_MATRIX_` number; only NV12 and YUYV use it.
    pub matrix: u32,
    /// A `TRTSEL_RANGE_` number; only NV12 and YUYV use it.
    pub range: u32,
    /// A `TRTSEL_PLACE_` number.
    pub place: u32,
    /// Reserved; must be 0.
    pub reserved: u32,
    /// The first byte of the first row of the pixels, for NV12 of its luma.
    pub plane0: *const c_void,
    /// The first byte of the chroma of NV12; NULL for all other formats.
    pub plane1: *const c_void,
    /// Bytes from one row of plane 0 to the next; 0 for rows without gaps. The last row need not have bytes after its last pixel.
    pub stride0_bytes: u64,
    /// Bytes from one row of plane 1 to the next; 0 for rows without gaps.
    pub stride1_bytes: u64,
    /// For a device frame: the CUDA stream that writes it. The frame is complete once the work that was enqueued on this stream
    /// before the submit is done. NULL stands for the stream of the options.
    pub stream: *mut c_void,
}

// SAFETY: `repr(C)`, no padding, numbers and raw pointers only.
unsafe impl Sized_ for trtsel_frame {
    const FIRST: usize = 72;
}

const fn invalid(line: &'static str) -> Fail {
    Fail::new(TRTSEL_INVALID_ARGUMENT, line)
}

const NO_PLANE: Fail =
    Fail::new(TRTSEL_NULL_POINTER, "frame: expected an address for every plane, got NULL; give them");
const TOO_LARGE: Fail =
    Fail::new(TRTSEL_INPUT, "frame: expected planes that fit the address space, got more; check strides");

/// The caller's frame in host memory, borrowed for a lifetime that the caller of this function chooses.
///
/// # Safety
/// `frame` is NULL or points to a frame, whose planes are readable, and which nobody writes to, as long as the returned frame
/// lives.
pub(super) unsafe fn host<'a>(frame: *const trtsel_frame) -> Result<Frame<'a>, Fail> {
    // SAFETY: the caller's promise.
    let frame = unsafe { sized::read(frame)? };
    if frame.place != TRTSEL_PLACE_HOST {
        return Err(invalid("frame: expected host memory, got another place; copy it to the host"));
    }
    // SAFETY: the caller's promise.
    unsafe { frame.borrow() }
}

/// The caller's frame in host or device memory, as the input of a selector. `stream` is the stream of device frames that name
/// none.
///
/// # Safety
/// As for [`host`]; for a device frame, what the documentation of [`trtsel_frame`] asks for.
pub(super) unsafe fn input<'a>(frame: *const trtsel_frame, stream: u64) -> Result<Input<'a>, Fail> {
    // SAFETY: the caller's promise.
    let frame = unsafe { sized::read(frame)? };
    match frame.place {
        // SAFETY: the caller's promise.
        TRTSEL_PLACE_HOST => Ok(Input::Frame(unsafe { frame.borrow()? })),
        // SAFETY: the caller's promise.
        TRTSEL_PLACE_DEVICE => unsafe { frame.on_device(stream) },
        _ => Err(invalid("frame: expected a TRTSEL_PLACE_, got another number; choose one")),
    }
}

/// The caller's tensor, as the input of a selector.
///
/// # Safety
/// `values` is NULL, or points to `count` floats that are readable, and that nobody changes, as long as the returned input lives.
pub(super) unsafe fn tensor<'a>(values: *const f32, count: usize) -> Result<Input<'a>, Fail> {
    // SAFETY: the caller's promise.
    Ok(Input::Tensor(unsafe { floats(values, count)? }))
}

/// The caller's array of floats.
///
/// # Safety
/// As for [`tensor`].
pub(super) unsafe fn floats<'a>(values: *const f32, count: usize) -> Result<&'a [f32], Fail> {
    if values.is_null() || !values.is_aligned() {
        return Err(Fail::new(TRTSEL_NULL_POINTER, "numbers: expected the address of floats, got NULL; give it"));
    }
    if count > isize::MAX as usize / size_of::<f32>() {
        return Err(invalid(
            "numbers: expected a count of floats, got more than memory holds; give the number of elements",
        ));
    }
    // SAFETY: the array is not NULL, is aligned and fits the address space; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(values, count) })
}

/// The bytes of a plane from the start of its first row to the end of its last one, behind which there need be no gap.
fn plane_bytes(stride: u64, rows: u32, row_bytes: u64) -> Result<usize, Fail> {
    let gaps_and_rows = stride.checked_mul(u64::from(rows.max(1) - 1)).ok_or(TOO_LARGE)?;
    let bytes = gaps_and_rows.checked_add(row_bytes).ok_or(TOO_LARGE)?;
    // A slice must not be larger than `isize::MAX`.
    isize::try_from(bytes).map(|bytes| bytes as usize).map_err(|_| TOO_LARGE)
}

/// A plane of a frame in host memory.
///
/// # Safety
/// `address` is NULL, or points to `bytes` bytes, at most `isize::MAX`, that are readable and unchanged as long as the slice
/// lives.
unsafe fn plane<'a>(address: *const c_void, bytes: usize) -> Result<&'a [u8], Fail> {
    if address.is_null() {
        return Err(NO_PLANE);
    }
    // SAFETY: the address is not NULL; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(address.cast::<u8>(), bytes) })
}

impl trtsel_frame {
    fn format(&self) -> Result<Format, Fail> {
        let format = Format::ALL.get(self.format as usize).copied();
        if self.reserved != 0 {
            return Err(invalid("frame: expected 0 in `reserved`, got another number; set the struct to zeros first"));
        }
        format.ok_or(invalid("frame: expected a TRTSEL_FORMAT_, got another number; choose one"))
    }

    fn color(&self) -> Result<(Matrix, Range), Fail> {
        let matrix = match self.matrix {
            TRTSEL_MATRIX_BT601 => Matrix::Bt601,
            TRTSEL_MATRIX_BT709 => Matrix::Bt709,
            _ => return Err(invalid("frame: expected a TRTSEL_MATRIX_, got another number; choose one")),
        };
        let range = match self.range {
            TRTSEL_RANGE_LIMITED => Range::Limited,
            TRTSEL_RANGE_FULL => Range::Full,
            _ => return Err(invalid("frame: expected a TRTSEL_RANGE_, got another number; choose one")),
        };
        Ok((matrix, range))
    }

    /// The strides of both planes; where the caller gave 0, that of rows without gaps.
    fn strides(&self, format: Format) -> [u64; 2] {
        let mut strides = [self.stride0_bytes, self.stride1_bytes];
        if strides[0] == 0 {
            strides[0] = format.row_bytes(self.width_px);
        }
        if strides[1] == 0 {
            strides[1] = format.chroma_row_bytes(self.width_px);
        }
        strides
    }

    /// The frame in host memory that this struct describes. `Frame`'s constructors check its sizes and strides.
    ///
    /// # Safety
    /// As for [`host`].
    unsafe fn borrow<'a>(&self) -> Result<Frame<'a>, Fail> {
        let format = self.format()?;
        let (matrix, range) = self.color()?;
        let (width, height) = (self.width_px, self.height_px);
        let [stride0, stride1] = self.strides(format);
        let bytes = plane_bytes(stride0, height, format.row_bytes(width))?;
        // SAFETY: `bytes` fits the address space; the caller promises the planes' bytes.
        let pixels = unsafe { plane(self.plane0, bytes)? };
        let frame = if format == Format::Nv12 {
            let bytes = plane_bytes(stride1, height.div_ceil(2), format.chroma_row_bytes(width))?;
            // SAFETY: as for plane 0.
            let chroma = unsafe { plane(self.plane1, bytes)? };
            Frame::nv12(width, height, pixels, stride0 as usize, chroma, stride1 as usize)
        } else {
            Frame::packed(format, width, height, stride0 as usize, pixels)
        };
        match frame {
            Ok(frame) => Ok(frame.with_color(matrix, range)),
            Err(error) => Err(Fail::text(TRTSEL_INPUT, error.to_string())),
        }
    }

    /// The frame in device memory that this struct describes. `stream` is its stream where the struct names none.
    ///
    /// # Safety
    /// The caller keeps to the documentation of [`trtsel_frame`].
    #[cfg(feature = "tensorrt")]
    unsafe fn on_device<'a>(&self, stream: u64) -> Result<Input<'a>, Fail> {
        use trt_select_cuda::FrameDesc;
        use trt_select_cuda::pipe::DeviceFrame;

        let format = self.format()?;
        let (matrix, range) = self.color()?;
        let [stride0_bytes, stride1_bytes] = self.strides(format);
        let desc = FrameDesc {
            plane0: self.plane0.addr() as u64,
            plane1: self.plane1.addr() as u64,
            stride0_bytes,
            stride1_bytes,
            width_px: self.width_px,
            height_px: self.height_px,
            format: format as u32,
            matrix: matrix as u32,
            range: range as u32,
            reserved: 0,
        };
        if self.plane0.is_null() || (format == Format::Nv12 && self.plane1.is_null()) {
            return Err(NO_PLANE);
        }
        // SAFETY: the caller promises that the planes live long enough.
        let frame = unsafe { DeviceFrame::new(desc) };
        let frame = frame.map_err(|e| Fail::text(TRTSEL_INPUT, e.to_string()))?;
        let stream = if self.stream.is_null() { stream } else { self.stream.addr() as u64 };
        // SAFETY: the caller promises that the stream lives long enough.
        Ok(Input::Device(if stream == 0 { frame } else { unsafe { frame.after(stream) } }))
    }

    /// Refuses every device frame, since this build has no TensorRT.
    ///
    /// # Safety
    /// There is nothing to keep to; it is unsafe because the function of a build with TensorRT is.
    #[cfg(not(feature = "tensorrt"))]
    unsafe fn on_device<'a>(&self, _: u64) -> Result<Input<'a>, Fail> {
        self.format()?;
        self.color()?;
        Err(Fail::new(
            TRTSEL_UNSUPPORTED,
            "frame: expected host memory, got a device frame; build with the feature tensorrt",
        ))
    }
}
