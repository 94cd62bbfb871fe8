//! Frames and tensors from the caller.

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
/// A plane of 8-bit luma, then one of interleaved Cb, Cr of half the size, rounded up (4:2:0).
pub const TRTSEL_FORMAT_NV12: u32 = 4;
/// Packed Y0 Cb Y1 Cr (4:2:2).
pub const TRTSEL_FORMAT_YUYV: u32 = 5;

/// ITU-R BT.601: SD video and JPEG.
pub const TRTSEL_MATRIX_BT601: u32 = 0;
/// ITU-R BT.709: HD video.
pub const TRTSEL_MATRIX_BT709: u32 = 1;

/// Luma 16 to 235, chroma 16 to 240: what most cameras send.
pub const TRTSEL_RANGE_LIMITED: u32 = 0;
/// 0 to 255.
pub const TRTSEL_RANGE_FULL: u32 = 1;

/// The planes lie in host memory.
pub const TRTSEL_PLACE_HOST: u32 = 0;
/// The planes lie in memory that the GPU reads: device memory, or mapped or managed host memory, in the device's primary context.
/// For TensorRT.
pub const TRTSEL_PLACE_DEVICE: u32 = 1;

/// One frame, borrowed. All zeros but sizes and planes are the defaults.
///
/// A frame must stay readable and unchanged until the input has its result, or was cancelled: host frames because networks
/// on the CPU read them when they are asked for (with TensorRT the submit has copied a host frame when it returns, and it may go).
/// A device frame that got `TRTSEL_LATE` or `TRTSEL_DEADLINE` may still be read until the selector's next submit, infer, cancel or close returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_frame {
    /// `sizeof(trtsel_frame)`.
    pub struct_size: u32,
    /// A `TRTSEL_FORMAT_` number.
    pub format: u32,
    /// Width in pixels, 1 to 32768 (on a device 32767).
    pub width_px: u32,
    /// Height in pixels, likewise.
    pub height_px: u32,
    /// A `TRTSEL_MATRIX_` number; for NV12 and YUYV.
    pub matrix: u32,
    /// A `TRTSEL_RANGE_` number; for NV12 and YUYV.
    pub range: u32,
    /// A `TRTSEL_PLACE_` number.
    pub place: u32,
    /// 0.
    pub reserved: u32,
    /// The pixels, or the luma of NV12: the first byte of the first row.
    pub plane0: *const c_void,
    /// The chroma of NV12; else NULL.
    pub plane1: *const c_void,
    /// Bytes from one row of plane 0 to the next; 0: rows without gaps. The last row may end with its last pixel.
    pub stride0_bytes: u64,
    /// Bytes from one row of plane 1 to the next; 0: rows without gaps.
    pub stride1_bytes: u64,
    /// For a device frame: the CUDA stream whose work, as enqueued before the submit, completes it; NULL: the options' stream.
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

/// A frame in host memory, borrowed for as long as the caller of this function says.
///
/// # Safety
/// `frame` is NULL or points to a frame; its planes may be read, and nobody writes to them, as long as the answer lives.
pub(super) unsafe fn host<'a>(frame: *const trtsel_frame) -> Result<Frame<'a>, Fail> {
    // SAFETY: the caller's promise.
    let frame = unsafe { sized::read(frame)? };
    if frame.place != TRTSEL_PLACE_HOST {
        return Err(invalid("frame: expected host memory, got another place; copy it to the host"));
    }
    // SAFETY: the caller's promise.
    unsafe { frame.borrow() }
}

/// What is submitted: a frame in host or device memory. `stream` is that of frames which name none.
///
/// # Safety
/// As [`host`]; and a device frame keeps to the documentation of [`trtsel_frame`].
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

/// A tensor.
///
/// # Safety
/// `values` is NULL, or `count` floats may be read there, which nobody changes, as long as the answer lives.
pub(super) unsafe fn tensor<'a>(values: *const f32, count: usize) -> Result<Input<'a>, Fail> {
    // SAFETY: the caller's promise.
    Ok(Input::Tensor(unsafe { floats(values, count)? }))
}

/// Floats from the caller.
///
/// # Safety
/// As [`tensor`].
pub(super) unsafe fn floats<'a>(values: *const f32, count: usize) -> Result<&'a [f32], Fail> {
    if values.is_null() || !values.is_aligned() {
        return Err(Fail::new(TRTSEL_NULL_POINTER, "numbers: expected the address of floats, got NULL; give it"));
    }
    if count > isize::MAX as usize / size_of::<f32>() {
        return Err(invalid(
            "numbers: expected a count of floats, got more than memory holds; give the number of elements",
        ));
    }
    // SAFETY: not NULL, aligned, in the address space; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(values, count) })
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

    /// Strides as given, or those of rows without gaps.
    fn strides(&self, format: Format) -> [u64; 2] {
        let or = |given: u64, rows: u64| if given == 0 { rows } else { given };
        [
            or(self.stride0_bytes, format.row_bytes(self.width_px)),
            or(self.stride1_bytes, format.chroma_row_bytes(self.width_px)),
        ]
    }

    /// # Safety
    /// As [`host`].
    unsafe fn borrow<'a>(&self) -> Result<Frame<'a>, Fail> {
        let format = self.format()?;
        let (matrix, range) = self.color()?;
        let (width, height) = (self.width_px, self.height_px);
        let strides = self.strides(format);
        // The bytes from the first row to the end of the last; the frame looks at strides and sizes itself.
        let bytes = |stride: u64, rows: u32, row: u64| {
            let bytes = stride.checked_mul(u64::from(rows.max(1) - 1)).and_then(|b| b.checked_add(row));
            bytes.and_then(|b| isize::try_from(b).ok()).map(|b| b as usize).ok_or(TOO_LARGE)
        };
        let plane = |address: *const c_void, bytes: usize| {
            if address.is_null() {
                return Err(NO_PLANE);
            }
            // SAFETY: not NULL, fits the address space; the caller promises the planes' bytes.
            Ok(unsafe { std::slice::from_raw_parts(address.cast::<u8>(), bytes) })
        };
        let luma = plane(self.plane0, bytes(strides[0], height, format.row_bytes(width))?)?;
        let frame = if format == Format::Nv12 {
            let chroma = bytes(strides[1], height.div_ceil(2), format.chroma_row_bytes(width))?;
            let chroma = plane(self.plane1, chroma)?;
            Frame::nv12(width, height, luma, strides[0] as usize, chroma, strides[1] as usize)
        } else {
            Frame::packed(format, width, height, strides[0] as usize, luma)
        };
        match frame {
            Ok(frame) => Ok(frame.with_color(matrix, range)),
            Err(error) => Err(Fail::text(TRTSEL_INPUT, error.to_string())),
        }
    }

    /// # Safety
    /// The documentation of [`trtsel_frame`].
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
        // SAFETY: the planes' life is the caller's promise.
        let frame = unsafe { DeviceFrame::new(desc) };
        let frame = frame.map_err(|e| Fail::text(TRTSEL_INPUT, e.to_string()))?;
        let stream = if self.stream.is_null() { stream } else { self.stream.addr() as u64 };
        // SAFETY: the stream's life is the caller's promise.
        Ok(Input::Device(if stream == 0 { frame } else { unsafe { frame.after(stream) } }))
    }

    /// # Safety
    /// None; it is what a build with TensorRT has.
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
