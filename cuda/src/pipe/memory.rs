//! Where frames from the host go: to device memory by a copy, or to mapped memory that kernels read in place.

use std::time::Instant;

use super::frame::{HostFrame, Packing};
use super::{AnyFrame, FeatureGroups, Pipe};
use crate::driver::{Context, DeviceBuffer, DeviceInfo, Error, Event, PinnedBuffer, Stream};
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
    /// The faster way is to be found out by [`Pipe::place_frames`].
    undecided: bool,
}

impl FrameBuffers {
    pub(super) fn new(context: &Context, memory: FrameMemory, bytes: usize) -> Result<FrameBuffers, Error> {
        let bytes = bytes.max(1);
        let staging = PinnedBuffer::new(context, bytes, true)?;
        let device = if memory == FrameMemory::Mapped { None } else { Some(DeviceBuffer::new(context, bytes)?) };
        let (choice, undecided) = first_choice(context.device(), memory);
        Ok(FrameBuffers { staging, device, choice, undecided })
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

/// Where frames go before anything is measured.
fn first_choice(device: &DeviceInfo, asked: FrameMemory) -> (FrameMemoryChoice, bool) {
    let choice = |memory, reason: &str| FrameMemoryChoice { memory, reason: format!("frames: {reason}") };
    match asked {
        FrameMemory::Auto if device.integrated => {
            (choice(FrameMemory::Device, "copied to device memory: nothing was measured"), true)
        }
        FrameMemory::Auto => {
            (choice(FrameMemory::Device, "copied to device memory: the device is not integrated"), false)
        }
        asked => (choice(asked, &format!("{} memory: asked for", asked.name())), false),
    }
}

/// The frame that both ways are measured on: RGB8 of this size.
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
/// How often each way is measured.
const ROUNDS: usize = 9;
/// The first rounds are not counted: the driver loads code in them, and the device raises its clock.
const ROUNDS_BEFORE: usize = 3;

impl Pipe {
    /// Measures both ways of frames from the host to the device and takes the faster one, where [`FrameMemory::Auto`] was asked for and the
    /// device is integrated; otherwise this does nothing. Before it is called, such a pipe copies frames.
    ///
    /// The features read each byte of a frame once, a network's preprocessing reads many of them again. So what is compared is the sum of
    /// upload, features of the whole frame, and the preprocessing of every network. `names` are the networks' names, for the reason
    /// that [`Pipe::frame_memory`] gives; `preprocess` gets a network's place among them, preprocesses the frame that was begun, as its lane
    /// would do, and waits for the end: see [`Lane::preprocess`](super::Lane::preprocess).
    ///
    /// # Errors
    /// Those of `preprocess`, and what the driver reported. Frames are copied then.
    pub fn place_frames<E: From<Error>>(
        &mut self,
        names: &[&str],
        mut preprocess: impl FnMut(&mut Pipe, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.frames.undecided {
            return Ok(());
        }
        let by_copy = medians_us(self, names.len(), &mut preprocess)?;
        let device = self.frames.device.take();
        let mapped = medians_us(self, names.len(), &mut preprocess);
        self.frames.device = device;
        let mapped = mapped?;
        self.frames.undecided = false;
        let sum = |times: &[f64]| times.iter().sum::<f64>();
        let parts = ["upload and features"].iter().chain(names).zip(by_copy.iter().zip(&mapped));
        let figures: Vec<String> = parts.map(|(name, (copy, map))| format!("{name} {copy:.0}/{map:.0}")).collect();
        let (copied, read_mapped) = (sum(&by_copy), sum(&mapped));
        let is_copy = copied < read_mapped;
        let (memory, way) = if is_copy {
            (FrameMemory::Device, "copied to device memory")
        } else {
            self.frames.device = None;
            (FrameMemory::Mapped, "in mapped memory")
        };
        let reason = format!(
            "frames: {way}: measured faster ({WIDTH}x{HEIGHT}, in us by copy/mapped: {}, in all {copied:.0}/{read_mapped:.0})",
            figures.join(", ")
        );
        self.frames.choice = FrameMemoryChoice { memory, reason };
        Ok(())
    }
}

/// Median times in microseconds: from `begin` to the whole-frame features, and of the preprocessing of each network.
fn medians_us<E: From<Error>>(
    pipe: &mut Pipe,
    networks: usize,
    preprocess: &mut impl FnMut(&mut Pipe, usize) -> Result<(), E>,
) -> Result<Vec<f64>, E> {
    let pixels = vec![0x5a_u8; (3 * WIDTH * HEIGHT) as usize];
    let desc = FrameDesc {
        width_px: WIDTH,
        height_px: HEIGHT,
        stride0_bytes: u64::from(3 * WIDTH),
        format: Format::Rgb8 as u32,
        ..FrameDesc::default()
    };
    let frame = AnyFrame::Host(HostFrame { planes: [&pixels, &[]], desc });
    let mut times = vec![Vec::with_capacity(ROUNDS); 1 + networks];
    for round in 0..ROUNDS_BEFORE + ROUNDS {
        let mut start = Instant::now();
        let mut note = |part: usize| {
            let now = Instant::now();
            if round >= ROUNDS_BEFORE {
                times[part].push(now.duration_since(start).as_secs_f64() * 1e6);
            }
            start = now;
        };
        pipe.begin(&frame, FeatureGroups { whole: true, grid: None })?;
        while pipe.poll_features()?.is_none() {
            std::hint::spin_loop();
        }
        note(0);
        for network in 0..networks {
            preprocess(pipe, network)?;
            note(1 + network);
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    Ok(times.into_iter().map(median).collect())
}
