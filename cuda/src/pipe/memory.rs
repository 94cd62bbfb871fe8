//! Where frames from the host go: to device memory by a copy, or to mapped memory that kernels read in place.

use std::time::Instant;

use super::frame::{HostFrame, Packing};
use super::{AnyFrame, FeatureGroups, Pipe};
use crate::driver::{Context, DeviceBuffer, Error, Event, PinnedBuffer, Stream};
use crate::{Format, FrameDesc, FrameMemory};

/// Where frames from the host go, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameMemoryChoice {
    /// [`FrameMemory::Device`] or [`FrameMemory::Mapped`].
    pub memory: FrameMemory,
    /// One line for a person.
    pub reason: String,
}

/// Room for one packed frame.
pub(super) struct FrameBuffers {
    staging: PinnedBuffer,
    device: Option<DeviceBuffer>,
    choice: FrameMemoryChoice,
}

impl FrameBuffers {
    pub(super) fn new(context: &Context, memory: FrameMemory, bytes: usize) -> Result<FrameBuffers, Error> {
        let bytes = bytes.max(1);
        let staging = PinnedBuffer::new(context, bytes, true)?;
        let device = if memory == FrameMemory::Mapped { None } else { Some(DeviceBuffer::new(context, bytes)?) };
        let choice = FrameMemoryChoice { memory, reason: format!("frames: {} memory: asked for", memory.name()) };
        Ok(FrameBuffers { staging, device, choice })
    }

    pub(super) fn choice(&self) -> &FrameMemoryChoice {
        &self.choice
    }

    /// Device bytes, pinned bytes.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.device.as_ref().map_or(0, |d| d.bytes() as u64), self.staging.bytes() as u64)
    }

    /// Packs a frame and, unless kernels read it in place, enqueues its copy to the device. Gives the packed frame's description, and
    /// whether there is a copy. `begun` is recorded before the copy. The stream must be done with earlier uploads.
    pub(super) fn upload(
        &mut self,
        context: &Context,
        stream: &Stream,
        frame: &HostFrame<'_>,
        begun: Option<&Event>,
    ) -> Result<(FrameDesc, bool), Error> {
        super::frame::check(&frame.desc)?;
        let packing = Packing::of(&frame.desc)?;
        if packing.bytes > self.staging.bytes() {
            // This frame is larger than any before. The new blocks are allocated before the old ones are freed, so that the pipe is
            // as it was if the driver refuses.
            let staging = PinnedBuffer::new(context, packing.bytes, true)?;
            let device = self.device.as_ref().map(|_| DeviceBuffer::new(context, packing.bytes)).transpose()?;
            (self.staging, self.device) = (staging, device);
        }
        packing.pack(frame, &mut self.staging.as_mut_slice()[..packing.bytes])?;
        if let Some(begun) = begun {
            begun.record(stream)?;
        }
        let Some(device) = &self.device else {
            return Ok((packing.desc(&frame.desc, self.staging.device_address().unwrap_or(0)), false));
        };
        // SAFETY: both blocks have room for the frame, live until the pipe has waited for the stream, and the host writes to
        // the staging block only after it has seen the end of the work that reads it.
        unsafe { stream.copy_to_device_async(device.address(), self.staging.as_ptr(), packing.bytes)? };
        Ok((packing.desc(&frame.desc, device.address()), true))
    }
}

/// Decides where frames go if [`FrameMemory::Auto`] was asked for. A device that is not integrated gets copies; on an integrated one,
/// both ways are measured and the faster one is taken.
pub(super) fn place_frames(pipe: &mut Pipe, asked: FrameMemory) -> Result<(), Error> {
    if asked != FrameMemory::Auto {
        return Ok(());
    }
    let set = |pipe: &mut Pipe, memory, reason| pipe.frames.choice = FrameMemoryChoice { memory, reason };
    if !pipe.context().device().integrated {
        set(pipe, FrameMemory::Device, "frames: copied to device memory: the device is not integrated".to_owned());
        return Ok(());
    }
    let by_copy = median_us(pipe)?;
    let kept = pipe.frames.device.take();
    let mapped = median_us(pipe)?;
    let figures = format!("{WIDTH}x{HEIGHT} to features: {by_copy:.0} us by copy, {mapped:.0} us mapped");
    if by_copy < mapped {
        pipe.frames.device = kept;
        set(pipe, FrameMemory::Device, format!("frames: copied to device memory: measured faster ({figures})"));
    } else {
        set(pipe, FrameMemory::Mapped, format!("frames: in mapped memory: measured faster ({figures})"));
    }
    Ok(())
}

/// The frame that both ways are measured on: RGB8 of this size.
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

/// Median time from `begin` to the whole-frame features, in microseconds.
fn median_us(pipe: &mut Pipe) -> Result<f64, Error> {
    let pixels = vec![0x5a_u8; (3 * WIDTH * HEIGHT) as usize];
    let desc = FrameDesc {
        width_px: WIDTH,
        height_px: HEIGHT,
        stride0_bytes: u64::from(3 * WIDTH),
        format: Format::Rgb8 as u32,
        ..FrameDesc::default()
    };
    let frame = AnyFrame::Host(HostFrame { planes: [&pixels, &[]], desc });
    let mut times = Vec::new();
    // The first rounds are not counted: the driver loads code in them, and the device raises its clock.
    for round in 0..12 {
        let start = Instant::now();
        pipe.begin(&frame, FeatureGroups { whole: true, grid: None })?;
        while pipe.poll_features()?.is_none() {
            std::hint::spin_loop();
        }
        pipe.saw(pipe.enqueued);
        if round >= 3 {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
