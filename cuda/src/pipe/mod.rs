//! The pipeline on the device: one upload of a frame, its features, and the lanes of the candidates' networks.
//!
//! ```text
//! begin ─► caller's stream ─► upload ─► feature kernels ─► record ─► poll_features        (Pipe)
//! load, launch ─► parameters ─► preprocess ─► network ─► signals ─► record ─► poll        (Lane; a CUDA graph)
//! ```
//! Everything runs in order on the pipe's one stream. Kernels write their results into mapped host memory, and after them, behind a
//! system-wide fence, a sequence word. So the host finds out whether a result is there by reading memory, without a call of the driver.
//!
//! # Soundness
//! Memory that enqueued work uses belongs to a [`Pipe`] or a [`Lane`], and both wait for the stream before they free it. A network's
//! own memory lives as long as the author of the unsafe trait [`Network`] promises, a caller's frame on the device as long as the caller
//! of [`DeviceFrame::new`] does. Frames on the host are copied before `begin` returns.
//!
//! # After open
//! `begin`, `load`, `launch` and both polls allocate nothing, on the host or the device, unless a frame is larger than
//! any before it and than [`PipeOptions::frame_bytes`].

mod axes;
mod frame;
mod input;
mod lane;
mod loaded;
mod memory;
mod spec;

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytemuck::Zeroable;

pub use frame::{AnyFrame, DeviceFrame, HostFrame};
pub use lane::Lane;
pub use loaded::KERNELS_VARIABLE;
pub use memory::FrameMemoryChoice;
pub use spec::{Axes, AxisTables, LaneInput, LaneMemory, LaneSpec, LaunchTimes, Network, NetworkTensor, Preprocessing};

use crate::driver::{Context, DeviceBuffer, Error, ErrorKind, Event, PinnedBuffer, Stream};
use crate::{Accumulators, FeaturesParams, FeaturesRecord, FrameDesc, FrameMemory, kernels};
use frame::misuse;
use loaded::Kernels;
use memory::FrameBuffers;

/// How to open a pipe.
///
/// ```
/// use trt_select_cuda::FrameMemory;
/// use trt_select_cuda::pipe::PipeOptions;
/// let options = PipeOptions::default().frame_memory(FrameMemory::Mapped).timing(true);
/// assert_eq!(options.frame_bytes, 1920 * 1080 * 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipeOptions {
    /// Where frames from the host go. [`FrameMemory::Auto`] copies them; on an integrated device [`Pipe::place_frames`] finds out what is
    /// faster there.
    pub frame_memory: FrameMemory,
    /// Room for a packed frame that is taken at open, in bytes; a larger frame takes more when it comes.
    pub frame_bytes: usize,
    /// Measure the times of the copy and of the device's work by events.
    pub timing: bool,
}

impl Default for PipeOptions {
    fn default() -> Self {
        PipeOptions { frame_memory: FrameMemory::Auto, frame_bytes: 1920 * 1080 * 4, timing: false }
    }
}

impl PipeOptions {
    /// Sets where frames from the host go.
    #[must_use]
    pub fn frame_memory(self, frame_memory: FrameMemory) -> Self {
        PipeOptions { frame_memory, ..self }
    }

    /// Sets the room for a packed frame that is allocated at open, in bytes.
    #[must_use]
    pub fn frame_bytes(self, frame_bytes: usize) -> Self {
        PipeOptions { frame_bytes, ..self }
    }

    /// Sets whether times are measured by events.
    #[must_use]
    pub fn timing(self, timing: bool) -> Self {
        PipeOptions { timing, ..self }
    }
}

/// The grid that the grid group works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Pixels per cell, in both axes.
    pub scale: u32,
    /// Cells in a row.
    pub width: u32,
    /// Rows of cells.
    pub height: u32,
}

/// The feature groups to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureGroups {
    /// The whole-frame group.
    pub whole: bool,
    /// The grid group, on this grid.
    pub grid: Option<Grid>,
}

impl FeatureGroups {
    /// Refuses a grid that does not lie inside of the frame.
    fn check(&self, frame: &AnyFrame<'_>) -> Result<(), Error> {
        let Some(grid) = &self.grid else { return Ok(()) };
        let (width, height) = frame.size_px();
        let cells = |side: u32| (side / grid.scale.max(1)).max(1);
        if grid.scale == 0
            || !(1..=cells(width)).contains(&grid.width)
            || !(1..=cells(height)).contains(&grid.height)
            || grid.width * grid.height > kernels::MAX_CELLS
        {
            return Err(misuse(
                "grid: expected cells inside of the frame, 19200 at most, got others; see features::GridSize",
            ));
        }
        Ok(())
    }
}

/// Times of a frame's way to its features, in milliseconds, by the device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BeginTimes {
    /// Copy to the device; 0 where there was none.
    pub upload_ms: f32,
    /// Feature kernels.
    pub features_ms: f32,
}

/// The number of the next frame, counted from 1 over all pipes of the process.
static FRAMES: AtomicU64 = AtomicU64::new(1);

struct Timing {
    /// Whether there was a copy between `begun` and `uploaded`.
    copied: bool,
    begun: Event,
    uploaded: Event,
    done: Event,
}

/// One frame at a time on its way through the device. Not `Sync`: one thread at a time.
pub struct Pipe {
    // Dropped in this order, after `Drop::drop` has waited for the stream.
    frames: FrameBuffers,
    scratch: DeviceBuffer,
    record: PinnedBuffer,
    caller: Event,
    timing: Option<Timing>,
    kernels: Arc<Kernels>,
    stream: Arc<Stream>,
    context: Context,
    desc: FrameDesc,
    /// Number of the frame that `desc` describes, a new one for every `begin` of every pipe; 0 if there is no frame to read.
    frame: u64,
    sequence: u64,
    awaited: FeatureGroups,
    /// The number of the work that was enqueued last: all work of a pipe and its lanes is numbered, and the stream does it in this order.
    enqueued: u64,
    /// The largest number of a work whose end the host has seen. All work before it is done too.
    seen: u64,
    /// A feature kernel may not have come to its end. Its half-made sums are still in the scratch, which has to be zeroed before the
    /// next launch.
    dirty: bool,
    patience: Patience,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe")
            .field("device", self.context.device())
            .field("frames", &self.frames.choice())
            .finish_non_exhaustive()
    }
}

impl Pipe {
    /// A pipe on a device. With [`FrameMemory::Auto`] frames are copied to device memory; on an integrated device, where mapped memory may
    /// be faster, [`Pipe::place_frames`] measures both ways.
    ///
    /// # Errors
    /// Where the driver refuses memory, a stream or the kernels.
    pub fn new(context: &Context, options: &PipeOptions) -> Result<Pipe, Error> {
        if !context.device().can_map_host {
            return Err(Error::new(
                ErrorKind::NoDevice,
                "pipe",
                format!(
                    "device {}: expected one that maps host memory, got one that cannot; use a 64-bit system",
                    context.device().name
                ),
            ));
        }
        let stream = Arc::new(Stream::new(context)?);
        let timing = || -> Result<Timing, Error> {
            Ok(Timing {
                copied: false,
                begun: Event::new(context, true)?,
                uploaded: Event::new(context, true)?,
                done: Event::new(context, true)?,
            })
        };
        Ok(Pipe {
            frames: FrameBuffers::new(context, options.frame_memory, options.frame_bytes)?,
            scratch: DeviceBuffer::zeroed(context, kernels::SCRATCH_BYTES)?,
            record: PinnedBuffer::new(context, size_of::<FeaturesRecord>(), true)?,
            caller: Event::new(context, false)?,
            timing: if options.timing { Some(timing()?) } else { None },
            kernels: Arc::new(Kernels::load(context)?),
            stream,
            context: context.clone(),
            desc: FrameDesc::zeroed(),
            frame: 0,
            sequence: 0,
            awaited: FeatureGroups::default(),
            enqueued: 0,
            seen: 0,
            dirty: false,
            patience: Patience::begin(),
        })
    }

    /// The device.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Where frames from the host go, and why.
    pub fn frame_memory(&self) -> &FrameMemoryChoice {
        self.frames.choice()
    }

    /// The form in which the driver took the kernels: `ptx`, or the name of the machine code, such as `sm_62`. [`KERNELS_VARIABLE`]
    /// says what is tried.
    pub fn kernel_form(&self) -> &'static str {
        self.kernels.form
    }

    /// Bytes that the pipe itself holds.
    pub fn memory(&self) -> LaneMemory {
        let (device, pinned) = self.frames.bytes();
        LaneMemory {
            device_bytes: device + self.scratch.bytes() as u64,
            pinned_bytes: pinned + self.record.bytes() as u64,
        }
    }

    /// Starts on a frame: brings it to the device and enqueues the feature kernels asked for. If work of an earlier frame is still under
    /// way, because that frame was given up, this waits for it first. The frame must not be larger than 32767 pixels a side.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the frame's description contradicts itself, else what the driver reported. The pipe can be used for the
    /// next frame.
    pub fn begin(&mut self, frame: &AnyFrame<'_>, groups: FeatureGroups) -> Result<(), Error> {
        self.settle()?;
        self.awaited = FeatureGroups::default();
        groups.check(frame)?;
        if self.dirty {
            // SAFETY: the scratch is ours, of that size, and no work is under way.
            unsafe { self.stream.set_bytes_async(self.scratch.address(), 0, self.scratch.bytes())? };
        }
        // `poll_features` clears this once it has seen the sums arrive.
        self.dirty = groups.whole || groups.grid.is_some();
        self.frame = 0;
        let begun = self.timing.as_ref().map(|timing| &timing.begun);
        let copied;
        match frame {
            AnyFrame::Host(host) => {
                // Counted before the call: if it fails after it has enqueued its copy, that copy is still under way.
                self.enqueued += 1;
                (self.desc, copied) = self.frames.upload(&self.context, &self.stream, host, begun)?;
            }
            AnyFrame::Device(device) => {
                self.enqueued += 1;
                if let Some(stream) = device.stream() {
                    // SAFETY: `DeviceFrame::after` promised that the stream is alive and of this context.
                    unsafe { self.caller.record_raw(stream)? };
                    self.stream.wait(&self.caller)?;
                }
                if let Some(begun) = begun {
                    begun.record(&self.stream)?;
                }
                (self.desc, copied) = (*device.desc(), false);
            }
        }
        self.frame = FRAMES.fetch_add(1, Ordering::Relaxed);
        if let Some(timing) = &mut self.timing {
            timing.copied = copied;
            timing.uploaded.record(&self.stream)?;
        }
        self.launch_features(groups)?;
        if let Some(timing) = &self.timing {
            timing.done.record(&self.stream)?;
        }
        self.awaited = groups;
        self.patience = Patience::begin();
        Ok(())
    }

    /// Enqueues the feature kernels asked for, on the frame that `desc` describes.
    fn launch_features(&mut self, groups: FeatureGroups) -> Result<(), Error> {
        self.sequence += 1;
        let grid = groups.grid.unwrap_or_default();
        let multiprocessors = self.context.device().multiprocessors;
        let mut params = FeaturesParams {
            frame: self.desc,
            scratch: self.scratch.address(),
            record: self.record.device_address().unwrap_or(0),
            sequence: self.sequence,
            grid_scale: grid.scale,
            grid_width: grid.width,
            grid_height: grid.height,
            reserved: 0,
        };
        let mut args = [(&raw mut params).cast::<c_void>()];
        if groups.whole {
            let blocks = kernels::whole_grid(self.desc.width_px, self.desc.height_px, multiprocessors);
            // SAFETY: the kernel takes one FeaturesParams by value; its scratch and record belong to this pipe, which waits
            // for the stream before it frees them; the frame is in our buffer, or promised by `DeviceFrame::new`.
            unsafe {
                self.kernels.whole.launch(&self.stream, [blocks, 1, 1], [kernels::WHOLE_BLOCK, 1, 1], 0, &mut args)?
            };
        }
        if groups.grid.is_some() {
            let blocks = kernels::grid_blocks(grid.height, multiprocessors);
            // SAFETY: as above.
            unsafe {
                self.kernels.grid.launch(&self.stream, [blocks, 1, 1], [kernels::GRID_BLOCK, 1, 1], 0, &mut args)?
            };
        }
        Ok(())
    }

    /// The features' sums, once they have arrived; `None` before. Where no features were asked for, this answers at once. Never blocks.
    ///
    /// # Errors
    /// What the driver reports of the work under way.
    pub fn poll_features(&mut self) -> Result<Option<Accumulators>, Error> {
        let seen = |offset| self.record.load_u64(offset) == self.sequence;
        let arrived = || {
            (!self.awaited.whole || seen(std::mem::offset_of!(FeaturesRecord, whole_sequence)))
                && (self.awaited.grid.is_none() || seen(std::mem::offset_of!(FeaturesRecord, grid_sequence)))
        };
        if arrived() || (self.patience.is_over(&self.stream)? && arrived()) {
            self.dirty = false;
            return Ok(Some(self.record.read_pod::<FeaturesRecord>(0).accumulators));
        }
        self.patience.check("feature kernels")?;
        Ok(None)
    }

    /// Times of the last frame, once its work is done; `None` while it is not, and where the pipe does not measure.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn times(&self) -> Result<Option<BeginTimes>, Error> {
        let Some(timing) = &self.timing else { return Ok(None) };
        if !timing.done.query()? {
            return Ok(None);
        }
        Ok(Some(BeginTimes {
            upload_ms: if timing.copied { timing.uploaded.elapsed_ms(&timing.begun)? } else { 0.0 },
            features_ms: timing.done.elapsed_ms(&timing.uploaded)?,
        }))
    }

    /// Whether the pipe measures times by events.
    pub fn is_timing(&self) -> bool {
        self.timing.is_some()
    }

    /// Says that work is about to be enqueued, and gives its number.
    pub(crate) fn enqueue(&mut self) -> u64 {
        self.enqueued += 1;
        self.enqueued
    }

    /// Says that the host has seen the end of the work of this number. Work of larger numbers may still be under way.
    pub(crate) fn saw(&mut self, number: u64) {
        self.seen = self.seen.max(number);
    }

    /// Waits until nothing is under way. Returns at once if the host has seen the last result already.
    ///
    /// # Errors
    /// What the driver reports. The work may go on then, and the next call waits again.
    pub fn settle(&mut self) -> Result<(), Error> {
        if self.seen < self.enqueued {
            self.stream.synchronize()?;
            // Noted after the wait, not before: if the wait fails, the device may still be working in our memory.
            self.seen = self.enqueued;
        }
        Ok(())
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    pub(crate) fn kernels(&self) -> &Arc<Kernels> {
        &self.kernels
    }

    /// The number of the frame that `desc` describes; 0 where the last `begin` failed.
    pub(crate) fn frame(&self) -> u64 {
        self.frame
    }

    /// The frame that the last `begin` took, as kernels see it.
    pub fn desc(&self) -> &FrameDesc {
        &self.desc
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.seen < self.enqueued {
            lane::wait_at_last(&self.stream, &self.context);
        }
    }
}

/// Decides when a poll asks the driver whether the stream has failed or is done. Reading the sequence word costs next to nothing and a call
/// of the driver a microsecond or more, so the driver is asked by time: first some while after the work was enqueued, when most results
/// are there, and then now and then. Reading the clock costs tens of nanoseconds, so a caller that polls without a pause does not read it
/// in every poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// When the driver was asked last; before the first time, when the work was enqueued.
    asked: Instant,
    /// How long after `asked` the driver is asked again.
    pause: Duration,
    /// When the clock was read last.
    read: Instant,
    /// How many polls do without the clock between two readings, and how many of them are left.
    between: u32,
    skip: u32,
    over: bool,
}

/// How long after its work was enqueued a stream is asked about first.
const FIRST_QUERY: Duration = Duration::from_micros(200);
/// How long after each such question the next one follows.
const NEXT_QUERY: Duration = Duration::from_millis(1);
/// How many polls in a row do without the clock at most, where the caller polls without a pause.
const POLLS_WITHOUT_CLOCK: u32 = 7;
/// Two readings of the clock that are farther apart than this had a pause between their polls: from then on every poll reads the clock.
const LONG_BETWEEN_READINGS: Duration = Duration::from_micros(50);

impl Patience {
    /// For work that is enqueued now.
    pub(crate) fn begin() -> Patience {
        let now = Instant::now();
        Patience { asked: now, pause: FIRST_QUERY, read: now, between: 0, skip: 0, over: false }
    }

    /// Asks the driver if it is time to. True once all work on the stream is done.
    pub(crate) fn is_over(&mut self, stream: &Stream) -> Result<bool, Error> {
        if self.over || self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return Ok(self.over);
        }
        let now = Instant::now();
        let is_busy = now.duration_since(self.read) < LONG_BETWEEN_READINGS;
        self.between = if is_busy { (self.between + 1).min(POLLS_WITHOUT_CLOCK) } else { 0 };
        (self.read, self.skip) = (now, self.between);
        if now.duration_since(self.asked) >= self.pause {
            (self.asked, self.pause) = (now, NEXT_QUERY);
            self.over = stream.query()?;
        }
        Ok(self.over)
    }

    /// Fails if the stream is done. The caller has read the sequence word after [`Patience::is_over`] said so and did not find its
    /// result; since nothing is left to run, the result will never come.
    pub(crate) fn check(&self, what: &'static str) -> Result<(), Error> {
        if self.over {
            return Err(Error::new(
                ErrorKind::Call,
                what,
                format!(
                    "{what}: expected a record at the end of the stream's work, got none; a kernel did not run: report it"
                ),
            ));
        }
        Ok(())
    }
}
