//! Frames as the pipe takes them: on the host, or on the device already.

use crate::driver::{Error, ErrorKind};
use crate::{Format, FrameDesc};

/// Longest side of a frame in pixels, as everywhere in trt-select.
const MAX_SIDE_PX: u32 = 32_767;

/// A frame in host memory: its planes and their layout. The addresses in `desc` are not used.
#[derive(Clone, Copy, Debug)]
pub struct HostFrame<'a> {
    /// Plane 0 and plane 1 (empty if the format has one plane), each from the first byte of its first row on.
    pub planes: [&'a [u8]; 2],
    /// Sizes, strides, format.
    pub desc: FrameDesc,
}

/// A frame in memory that the device reads: device memory, or mapped or managed host memory.
#[derive(Clone, Copy, Debug)]
pub struct DeviceFrame {
    desc: FrameDesc,
    after: Option<u64>,
}

impl DeviceFrame {
    /// A frame whose planes are where `desc` says.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the description contradicts itself: an unknown format, no pixels, a stride shorter than a row, a plane
    /// without an address.
    ///
    /// # Safety
    /// The planes' addresses must be readable by the device in the primary context, for as many bytes as sizes and strides
    /// say, from here until the outcome of every submit of this frame is there, or the selector is closed; nobody writes
    /// to them in between. Where that outcome is late (a deadline passed), or an error because of the deadline, until the
    /// selector's next submit has returned.
    pub unsafe fn new(desc: FrameDesc) -> Result<DeviceFrame, Error> {
        check(&desc)?;
        if desc.plane0 == 0 || (format_of(&desc)? == Format::Nv12 && desc.plane1 == 0) {
            return Err(misuse("device frame: expected an address for every plane, got 0; give device addresses"));
        }
        Ok(DeviceFrame { desc, after: None })
    }

    /// The same frame, still being written by work that was enqueued on `stream` before the submit: the kernels wait for that work.
    /// Without this call, the frame must be complete before the submit.
    ///
    /// # Safety
    /// `stream` must be a `CUstream` (or `cudaStream_t`) of the device's primary context that lives until the submit has
    /// returned; 0 is the default stream.
    pub unsafe fn after(self, stream: u64) -> DeviceFrame {
        DeviceFrame { after: Some(stream), ..self }
    }

    /// Its description: addresses, strides, size, format.
    pub fn desc(&self) -> &FrameDesc {
        &self.desc
    }

    /// The stream whose work completes the frame, if there is one.
    pub(super) fn stream(&self) -> Option<u64> {
        self.after
    }
}

/// A frame in either place.
#[derive(Clone, Copy, Debug)]
pub enum AnyFrame<'a> {
    /// In host memory: it is copied before `begin` returns.
    Host(HostFrame<'a>),
    /// On the device: it is read where it is.
    Device(DeviceFrame),
}

impl AnyFrame<'_> {
    /// Width and height in pixels.
    pub fn size_px(&self) -> (u32, u32) {
        let desc = match self {
            AnyFrame::Host(frame) => &frame.desc,
            AnyFrame::Device(frame) => &frame.desc,
        };
        (desc.width_px, desc.height_px)
    }
}

pub(super) fn misuse(line: &'static str) -> Error {
    Error::new(ErrorKind::Misuse, "frame", line)
}

pub(super) fn format_of(desc: &FrameDesc) -> Result<Format, Error> {
    let known = Format::ALL.into_iter().find(|f| *f as u32 == desc.format);
    known.ok_or_else(|| misuse("frame: expected a known format number, got another; see Format"))
}

pub(super) fn check(desc: &FrameDesc) -> Result<(), Error> {
    let format = format_of(desc)?;
    let side = 1..=MAX_SIDE_PX;
    if !side.contains(&desc.width_px) || !side.contains(&desc.height_px) {
        return Err(misuse("frame: expected 1 to 32767 pixels a side, got others; give the frame's size"));
    }
    if desc.matrix > 1 || desc.range > 1 {
        return Err(misuse("frame: expected a known matrix and range, got others; see Matrix and Range"));
    }
    let short = |rows: u32, stride: u64, row: u64| rows > 1 && stride < row;
    if short(desc.height_px, desc.stride0_bytes, format.row_bytes(desc.width_px))
        || short(desc.height_px.div_ceil(2), desc.stride1_bytes, format.chroma_row_bytes(desc.width_px))
    {
        return Err(misuse("frame: expected a stride of at least a row's bytes, got less; give the stride in bytes"));
    }
    Ok(())
}

/// The layout of a packed frame: the rows of both planes, one after the other, at strides that are multiples of 64 bytes, so that kernels
/// may load 16 bytes at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    /// Bytes of a row that hold pixels, per plane.
    pub(super) row_bytes: [usize; 2],
    /// Bytes from row to row, per plane.
    pub(super) stride_bytes: [usize; 2],
    /// Rows, per plane.
    pub(super) rows: [usize; 2],
    /// Bytes in all.
    pub(super) bytes: usize,
}

impl Packing {
    pub(super) fn of(desc: &FrameDesc) -> Result<Packing, Error> {
        let format = format_of(desc)?;
        let row_bytes = [format.row_bytes(desc.width_px) as usize, format.chroma_row_bytes(desc.width_px) as usize];
        let stride_bytes = row_bytes.map(|bytes| bytes.next_multiple_of(64));
        let chroma_rows = if row_bytes[1] == 0 { 0 } else { desc.height_px.div_ceil(2) as usize };
        let rows = [desc.height_px as usize, chroma_rows];
        let bytes = stride_bytes[0] * rows[0] + stride_bytes[1] * rows[1];
        Ok(Packing { row_bytes, stride_bytes, rows, bytes })
    }

    /// The packed frame's description, at this address.
    pub(super) fn desc(&self, frame: &FrameDesc, address: u64) -> FrameDesc {
        let plane1 = address + (self.stride_bytes[0] * self.rows[0]) as u64;
        FrameDesc {
            plane0: address,
            plane1: if self.rows[1] == 0 { 0 } else { plane1 },
            stride0_bytes: self.stride_bytes[0] as u64,
            stride1_bytes: self.stride_bytes[1] as u64,
            ..*frame
        }
    }

    /// Copies the planes' rows to their places in `out`.
    pub(super) fn pack(&self, frame: &HostFrame<'_>, out: &mut [u8]) -> Result<(), Error> {
        const SHORT: &str =
            "frame: expected planes of as many bytes as strides and sizes say, got fewer; give whole planes";
        let strides = [frame.desc.stride0_bytes, frame.desc.stride1_bytes];
        let mut rest = out;
        for plane in 0..2 {
            let (to, after) =
                rest.split_at_mut_checked(self.stride_bytes[plane] * self.rows[plane]).ok_or_else(|| misuse(SHORT))?;
            rest = after;
            let stride = usize::try_from(strides[plane]).unwrap_or(usize::MAX);
            let rows = to.chunks_exact_mut(self.stride_bytes[plane].max(1));
            for (y, to) in rows.enumerate().take(self.rows[plane]) {
                let start = y.saturating_mul(stride);
                let row = frame.planes[plane].get(start..start.saturating_add(self.row_bytes[plane]));
                to[..self.row_bytes[plane]].copy_from_slice(row.ok_or_else(|| misuse(SHORT))?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desc(format: Format, width_px: u32, height_px: u32, stride0_bytes: u64) -> FrameDesc {
        FrameDesc { width_px, height_px, stride0_bytes, format: format as u32, ..FrameDesc::default() }
    }

    #[test]
    fn rows_are_packed_at_aligned_strides() {
        let mut d = desc(Format::Nv12, 3, 3, 5);
        d.stride1_bytes = 4;
        let (luma, chroma) = ((0..13).collect::<Vec<u8>>(), (100..108).collect::<Vec<u8>>());
        let packing = Packing::of(&d).expect("a frame");
        assert_eq!((packing.stride_bytes, packing.rows, packing.bytes), ([64, 64], [3, 2], 320));
        let mut out = vec![0; packing.bytes];
        packing.pack(&HostFrame { planes: [&luma, &chroma], desc: d }, &mut out).expect("packed");
        assert_eq!((&out[..4], &out[64..67], &out[128..131]), (&[0, 1, 2, 0][..], &[5, 6, 7][..], &[10, 11, 12][..]));
        assert_eq!((&out[192..196], &out[256..260]), (&[100, 101, 102, 103][..], &[104, 105, 106, 107][..]));
        let packed = packing.desc(&d, 1 << 20);
        assert_eq!((packed.plane1, packed.stride0_bytes), ((1 << 20) + 192, 64));
        assert!(packing.pack(&HostFrame { planes: [&luma[..12], &chroma], desc: d }, &mut out).is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(check(&desc(Format::Rgb8, 2, 2, 6)).is_ok());
        assert!(check(&desc(Format::Rgb8, 2, 1, 0)).is_ok(), "one row: the stride is not walked");
        assert!(check(&desc(Format::Rgb8, 2, 2, 5)).is_err());
        assert!(check(&desc(Format::Nv12, 2, 3, 2)).is_err(), "two rows of chroma with a stride of 0");
        assert!(check(&desc(Format::Gray8, 0, 2, 2)).is_err());
        assert!(check(&FrameDesc { format: 77, ..desc(Format::Gray8, 2, 2, 2) }).is_err());
        assert!(check(&FrameDesc { range: 2, ..desc(Format::Gray8, 2, 2, 2) }).is_err());
        // SAFETY: refused before anything could be read.
        assert!(unsafe { DeviceFrame::new(desc(Format::Gray8, 2, 2, 2)) }.is_err(), "no address");
    }
}
