//! The tables of a resize on the device.

use super::Pipe;
use super::spec::Axes;
use crate::driver::{Context, DeviceBuffer, Error, ErrorKind, PinnedBuffer, Stream};
use crate::{AxisParams, AxisWindow, PreprocessParams};

/// At open, room is taken for the axis tables of frames of up to this many pixels a side.
const AXIS_SIDE_PX: usize = 1920;

/// The tables of a resize from one frame size, with the memory on the host that they are copied from.
pub(super) struct AxisMemory {
    /// In this order: windows of columns, windows of rows, weights of columns, weights of rows.
    pub(super) staging: PinnedBuffer,
    pub(super) device: DeviceBuffer,
    /// The frame size that the tables are for.
    pub(super) size_px: (u32, u32),
}

impl AxisMemory {
    /// Takes room for the tables of `outputs` output samples on both axes together.
    pub(super) fn new(context: &Context, outputs: usize) -> Result<AxisMemory, Error> {
        let bytes = outputs * size_of::<AxisWindow>() + 2 * 4 * (4 * AXIS_SIDE_PX + 4 * outputs);
        Ok(AxisMemory {
            staging: PinnedBuffer::new(context, bytes, false)?,
            device: DeviceBuffer::new(context, bytes)?,
            size_px: (0, 0),
        })
    }

    /// Copies the tables for the pipe's frame to the device, and writes where they lie to the kernel's parameters. No launch that reads
    /// the tables before may be under way.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the tables are not for this frame; what the driver reported.
    pub(super) fn load(
        &mut self,
        stream: &Stream,
        pipe: &mut Pipe,
        axes: &Axes<'_>,
        preprocess: &mut PreprocessParams,
    ) -> Result<(), Error> {
        let (width, height) = (pipe.desc().width_px, pipe.desc().height_px);
        if !axes.columns.fits(preprocess.width, width) || !axes.rows.fits(preprocess.height, height) {
            return Err(Error::new(
                ErrorKind::Misuse,
                "lane",
                "lane: expected windows inside of the frame, one an output with its weights, got others; compute them for this frame",
            ));
        }
        let parts: [&[u8]; 4] = [
            bytemuck::cast_slice(axes.columns.windows),
            bytemuck::cast_slice(axes.rows.windows),
            bytemuck::cast_slice(axes.columns.weights),
            bytemuck::cast_slice(axes.rows.weights),
        ];
        let bytes = parts.iter().map(|p| p.len()).sum::<usize>();
        if bytes > self.device.bytes() {
            // The tables of this frame are larger than any before.
            let staging = PinnedBuffer::new(pipe.context(), bytes, false)?;
            (self.staging, self.device) = (staging, DeviceBuffer::new(pipe.context(), bytes)?);
        }
        self.size_px = (0, 0);
        let mut addresses = [0_u64; 4];
        let (mut at, staging) = (0, self.staging.as_mut_slice());
        for (part, address) in parts.iter().zip(&mut addresses) {
            staging[at..at + part.len()].copy_from_slice(part);
            *address = self.device.address() + at as u64;
            at += part.len();
        }
        if bytes > 0 {
            pipe.enqueue();
            // SAFETY: both blocks have room, and live until the lane has waited for the stream; the host writes to the
            // staging block again only for another frame, which waits for this one's work.
            unsafe { stream.copy_to_device_async(self.device.address(), self.staging.as_ptr(), bytes)? };
        }
        self.size_px = (width, height);
        for (to, axis, at) in [(&mut preprocess.columns, &axes.columns, 0), (&mut preprocess.rows, &axes.rows, 1)] {
            *to = AxisParams {
                windows: addresses[at],
                weights: addresses[at + 2],
                is_copy: axis.is_copy.into(),
                offset: axis.offset,
            };
        }
        Ok(())
    }
}
