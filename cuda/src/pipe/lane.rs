//! A lane: one candidate's way from the frame on the device to its signals, captured as a CUDA graph.

use std::cell::{Cell, OnceCell};
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Zeroable;

use super::axes::AxisMemory;
use super::input::InputMemory;
use super::spec::{Axes, AxisTables, LaneMemory, LaneSpec, LaunchTimes, Network, NetworkTensor};
use super::{AnyFrame, FeatureGroups, HostFrame, Kernels, Patience, Pipe};
use crate::driver::{Context, DeviceBuffer, Error, ErrorKind, Event, GraphExec, PinnedBuffer, Stream};
use crate::{Format, FrameDesc, LaneParams, SignalsParams, SignalsRecord, kernels};

/// One candidate on the device. It owns its network.
pub struct Lane<N: Network> {
    // `Drop::drop` waits for the stream; then the fields are dropped in this order, the graph before the memory that it uses.
    graph: Option<GraphExec>,
    network: N,
    params: LaneParams,
    staged: PinnedBuffer,
    on_device: DeviceBuffer,
    normalise: Option<DeviceBuffer>,
    axes: Option<AxisMemory>,
    tensor: Option<PinnedBuffer>,
    probabilities: PinnedBuffer,
    record: PinnedBuffer,
    /// The probabilities of the last result in ordinary memory, once somebody has asked for them, and the room for them before.
    copied: OnceCell<Box<[f32]>>,
    room: Cell<Box<[f32]>>,
    timing: Option<(Event, Event)>,
    kernels: Arc<Kernels>,
    stream: Arc<Stream>,
    context: Context,
    /// The number of the frame that `params` describe; 0 if there is none.
    loaded: u64,
    /// The pipe's number of the last launch; 0 if there was none, or it failed.
    number: u64,
    /// [`Lane::poll`] has given the result of the last launch.
    has_result: bool,
    /// A launch was enqueued, and the host has not seen its end.
    launched: bool,
    wants_graph: bool,
    refused: Option<String>,
    patience: Patience,
}

impl<N: Network> std::fmt::Debug for Lane<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("graph", &self.graph.is_some())
            .field("resident", &self.is_resident())
            .finish_non_exhaustive()
    }
}

/// Held by a lane while it captures, and while it waits for the whole device. The driver refuses that wait while any stream of the context
/// captures, in whichever thread, and it breaks the capture.
fn capture_or_wait() -> MutexGuard<'static, ()> {
    static CAPTURES: Mutex<()> = Mutex::new(());
    CAPTURES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<N: Network> Lane<N> {
    /// Makes a lane for frames of this pipe and allocates all its memory. [`Lane::prepare`] must be called before the first launch.
    ///
    /// # Errors
    /// Where the driver refuses memory, or the network's tensors are not of the sizes that the spec gives.
    pub fn new(pipe: &Pipe, network: N, spec: &LaneSpec<'_>) -> Result<Lane<N>, Error> {
        let context = pipe.context();
        let (input, output) = (network.input(), network.output());
        let room = |t: &NetworkTensor<'_>| t.buffer.bytes() >= t.len * if t.half { 2 } else { 4 };
        let classes = u32::try_from(output.len).unwrap_or(0);
        if classes == 0 || !room(&input) || !room(&output) {
            return Err(Error::new(
                ErrorKind::Misuse,
                "lane",
                "lane: expected tensors with room for their elements, got less; open the plan again",
            ));
        }
        let probabilities = PinnedBuffer::new(context, 4 * output.len, true)?;
        let record = PinnedBuffer::new(context, size_of::<SignalsRecord>(), true)?;
        let mut params = LaneParams::zeroed();
        params.signals = SignalsParams {
            scores: output.buffer.address(),
            probabilities: probabilities.device_address().unwrap_or(0),
            record: record.device_address().unwrap_or(0),
            sequence: 0,
            count: classes,
            logits: spec.logits.into(),
            half: output.half.into(),
            reserved: 0,
        };
        let InputMemory { preprocess, normalise, axes, tensor } = InputMemory::new(context, &spec.input, &input)?;
        params.preprocess = preprocess;
        let timing =
            if pipe.is_timing() { Some((Event::new(context, true)?, Event::new(context, true)?)) } else { None };
        Ok(Lane {
            graph: None,
            params,
            staged: PinnedBuffer::new(context, size_of::<LaneParams>(), false)?,
            on_device: DeviceBuffer::new(context, size_of::<LaneParams>())?,
            normalise,
            axes,
            tensor,
            probabilities,
            record,
            copied: OnceCell::new(),
            room: Cell::new(vec![0.0; classes as usize].into()),
            timing,
            kernels: Arc::clone(pipe.kernels()),
            stream: Arc::clone(pipe.stream()),
            context: context.clone(),
            network,
            loaded: 0,
            number: 0,
            has_result: false,
            launched: false,
            wants_graph: spec.graph,
            refused: None,
            patience: Patience::begin(),
        })
    }

    /// Runs the network once on a grey frame and captures its graph. It is no error if the capture is refused: the lane then works
    /// without a graph, and [`Lane::graph_refused`] says why.
    ///
    /// # Errors
    /// What the network or the driver reported of the run.
    pub fn prepare(&mut self, pipe: &mut Pipe) -> Result<(), N::Error> {
        self.forget_result();
        if self.axes.is_some() {
            let (width, height) = (self.params.preprocess.width, self.params.preprocess.height);
            let pixels = vec![128_u8; width as usize * height as usize];
            let desc = FrameDesc {
                width_px: width,
                height_px: height,
                stride0_bytes: u64::from(width),
                format: Format::Gray8 as u32,
                ..FrameDesc::zeroed()
            };
            pipe.begin(&AnyFrame::Host(HostFrame { planes: [&pixels, &[]], desc }), FeatureGroups::default())?;
            let same = AxisTables { is_copy: true, offset: 0, windows: &[], weights: &[] };
            self.load_frame(pipe, Some(&Axes { columns: same, rows: same }))?;
        } else {
            pipe.settle()?;
            self.tensor_mut()?.fill(0.0);
        }
        if !self.is_resident() {
            self.restore()?;
        }
        self.warm_up_and_capture()?;
        self.launch(pipe)?;
        pipe.settle()?;
        // This launch was not the caller's: its result is not for `poll`.
        (self.number, self.launched) = (0, false);
        // The tables that were loaded copy a frame of the tensor's own size. A real frame of that size may be cropped and need others,
        // so the next frame has to bring its tables.
        if let Some(axes) = &mut self.axes {
            axes.size_px = (0, 0);
        }
        Ok(())
    }

    /// Whether [`Lane::load_frame`] needs tables for the pipe's frame, because its size is not that of the last frame that was loaded.
    pub fn wants_axes(&self, pipe: &Pipe) -> bool {
        let size = (pipe.desc().width_px, pipe.desc().height_px);
        self.axes.as_ref().is_some_and(|axes| axes.size_px != size)
    }

    /// Makes the pipe's frame the next input. `axes` is used only if [`Lane::wants_axes`] says that it is needed.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the lane takes tensors, or wants axes and has none; what the driver reported of the copy.
    pub fn load_frame(&mut self, pipe: &mut Pipe, axes: Option<&Axes<'_>>) -> Result<(), Error> {
        self.check_pipe(pipe)?;
        self.loaded = 0;
        if pipe.frame() == 0 {
            return Err(Error::new(
                ErrorKind::Misuse,
                "lane",
                "lane: expected a frame in the pipe, got none; begin one first",
            ));
        }
        if !self.wants_axes(pipe) {
            if self.axes.is_none() {
                return Err(Error::new(ErrorKind::Misuse, "lane", TAKES_TENSORS));
            }
            (self.params.preprocess.frame, self.loaded) = (*pipe.desc(), pipe.frame());
            return Ok(());
        }
        if self.launched {
            // The launch that is still under way reads the tables that are replaced below.
            self.stream.synchronize()?;
            self.launched = false;
        }
        let (Some(memory), Some(axes)) = (&mut self.axes, axes) else {
            return Err(Error::new(
                ErrorKind::Misuse,
                "lane",
                "lane: expected axis tables for a frame of a new size, got none; compute them",
            ));
        };
        memory.load(&self.stream, pipe, axes, &mut self.params.preprocess)?;
        (self.params.preprocess.frame, self.loaded) = (*pipe.desc(), pipe.frame());
        Ok(())
    }

    /// Looks that this is the pipe that the lane was made for. Both enqueue on one stream, so that their work has an order.
    fn check_pipe(&self, pipe: &Pipe) -> Result<(), Error> {
        if Arc::ptr_eq(&self.stream, pipe.stream()) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Misuse,
            "lane",
            "lane: expected the pipe that it was made for, got another; keep them together",
        ))
    }

    /// The tensor that the caller writes the next input into; empty if the lane takes frames. Waits for a launch that is under way.
    ///
    /// # Errors
    /// What the driver reported of that wait. The device may still be reading the tensor then.
    pub fn tensor_mut(&mut self) -> Result<&mut [f32], Error> {
        if self.launched {
            self.stream.synchronize()?;
            self.launched = false;
        }
        let bytes = 4 * self.network.input().len;
        Ok(self.tensor.as_mut().map_or(&mut [], |t| bytemuck::cast_slice_mut(&mut t.as_mut_slice()[..bytes])))
    }

    /// Enqueues one run on the input that was loaded: as a graph, or part by part.
    ///
    /// # Errors
    /// What the network or the driver reported; [`ErrorKind::Misuse`] where the frame that was loaded is no longer the pipe's.
    pub fn launch(&mut self, pipe: &mut Pipe) -> Result<(), N::Error> {
        self.forget_result();
        self.check_pipe(pipe)?;
        self.check_loaded(pipe)?;
        if self.launched {
            self.stream.synchronize()?;
            self.launched = false;
        }
        let number = pipe.enqueue();
        if !self.is_resident() {
            self.restore()?;
            if let Err(error) = self.warm_up_and_capture() {
                // The network goes from the device again, so that the next launch restores it and captures the graph anew.
                wait_at_last(&self.stream, &self.context);
                self.network.evict()?;
                return Err(error);
            }
        }
        self.stage();
        self.patience = Patience::begin();
        if let Some((start, _)) = &self.timing {
            start.record(&self.stream)?;
        }
        self.launched = true;
        match &self.graph {
            // SAFETY: the graph's nodes use this lane's memory, the network's (by the promise of `Network`) and the pipe's
            // frame, which the parameters name; all of them live until the stream has been waited for.
            Some(graph) => unsafe { graph.launch(&self.stream)? },
            None => self.enqueue_parts()?,
        }
        if let Some((_, end)) = &self.timing {
            end.record(&self.stream)?;
        }
        self.number = number;
        Ok(())
    }

    /// Preprocesses the pipe's frame, which was loaded, and waits for the end. The network does not run, and there is no result. It is for
    /// measuring: see [`Pipe::place_frames`].
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the lane takes tensors, or the frame that was loaded is no longer the pipe's; what the driver reported.
    pub fn preprocess(&mut self, pipe: &mut Pipe) -> Result<(), Error> {
        self.check_pipe(pipe)?;
        self.check_loaded(pipe)?;
        if self.axes.is_none() {
            return Err(Error::new(ErrorKind::Misuse, "lane", TAKES_TENSORS));
        }
        pipe.settle()?;
        (self.number, self.has_result, self.launched) = (0, false, false);
        self.give_room_back();
        self.stage();
        pipe.enqueue();
        self.enqueue_input()?;
        pipe.settle()
    }

    /// Looks that the frame that was loaded is still the pipe's; a lane that takes tensors loads none.
    fn check_loaded(&self, pipe: &Pipe) -> Result<(), Error> {
        if self.axes.is_some() && (self.loaded == 0 || self.loaded != pipe.frame()) {
            let line = "lane: expected the pipe's frame, got another or none; load it first";
            return Err(Error::new(ErrorKind::Misuse, "lane", line));
        }
        Ok(())
    }

    /// The copy of the last result's probabilities is out of date: its room is for the next one's.
    fn give_room_back(&mut self) {
        if let Some(room) = self.copied.take() {
            self.room.set(room);
        }
    }

    /// The result of the last launch, once it has arrived; `None` before, and where there was no launch or it failed. Never blocks.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the pipe is not the one that the lane was made for; what the driver reports of the work under way.
    pub fn poll(&mut self, pipe: &mut Pipe) -> Result<Option<SignalsRecord>, Error> {
        self.check_pipe(pipe)?;
        if self.number == 0 {
            return Ok(None);
        }
        let arrived = || self.record.load_u64(offset_of!(SignalsRecord, sequence)) == self.params.signals.sequence;
        let is_there = arrived() || (self.patience.is_over(&self.stream)? && arrived());
        if !is_there {
            self.patience.check("network")?;
            return Ok(None);
        }
        (self.launched, self.has_result) = (false, true);
        pipe.saw(self.number);
        Ok(Some(self.record.read_pod::<SignalsRecord>(0)))
    }

    /// The class probabilities of the result that [`Lane::poll`] gave last; empty where the lane was launched again since, or never. The first
    /// call after a result copies them from the memory that the device writes, which some integrated devices read slowly; so whoever does
    /// not need them does not pay for them. Does not allocate.
    pub fn probabilities(&self) -> &[f32] {
        if !self.has_result {
            return &[];
        }
        self.copied.get_or_init(|| {
            let mut room = self.room.take();
            // The device is done with the block: its record is written last, and `poll` has read it.
            let bytes = self.probabilities.as_slice();
            room.iter_mut().zip(bytemuck::cast_slice(&bytes[..bytes.len() / 4 * 4])).for_each(|(to, from)| *to = *from);
            room
        })
    }

    /// Times of the last launch, once its work is done; `None` while it is not, and where the pipe does not measure.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn times(&self) -> Result<Option<LaunchTimes>, Error> {
        match &self.timing {
            Some((start, end)) if end.query()? => Ok(Some(LaunchTimes { compute_ms: end.elapsed_ms(start)? })),
            _ => Ok(None),
        }
    }

    /// Whether the lane measures times by events.
    pub fn is_timing(&self) -> bool {
        self.timing.is_some()
    }

    /// Frees the network's device memory. The next launch allocates and fills it again, which takes as long as loading the plan does.
    ///
    /// # Errors
    /// What the network or the driver reported.
    pub fn evict(&mut self) -> Result<(), N::Error> {
        if self.is_resident() {
            self.stream.synchronize()?;
            self.launched = false;
            self.graph = None;
            self.network.evict()?;
        }
        Ok(())
    }

    /// Whether the network's memory is on the device.
    pub fn is_resident(&self) -> bool {
        self.network.is_resident()
    }

    /// Whether a launch replays a graph.
    pub fn has_graph(&self) -> bool {
        self.graph.is_some()
    }

    /// Why there is no graph, if one was wanted.
    pub fn graph_refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Bytes that the lane itself holds, without its network.
    pub fn memory(&self) -> LaneMemory {
        let device = |b: &Option<DeviceBuffer>| b.as_ref().map_or(0, |b| b.bytes() as u64);
        let axes = self.axes.as_ref().map_or((0, 0), |a| (a.device.bytes() as u64, a.staging.bytes() as u64));
        let pinned =
            [&self.staged, &self.probabilities, &self.record].map(|b| b.bytes() as u64).into_iter().sum::<u64>();
        LaneMemory {
            device_bytes: self.on_device.bytes() as u64 + device(&self.normalise) + axes.0,
            pinned_bytes: pinned + axes.1 + self.tensor.as_ref().map_or(0, |b| b.bytes() as u64),
        }
    }

    /// Writes the parameters of the next launch to the block that the first copy of the launch reads.
    fn stage(&mut self) {
        self.params.signals.sequence += 1;
        self.staged.as_mut_slice()[..size_of::<LaneParams>()].copy_from_slice(bytemuck::bytes_of(&self.params));
    }

    /// Enqueues what fills the network's input: the copy of the parameters, and the preprocessing or the copy of the tensor.
    fn enqueue_input(&mut self) -> Result<(), Error> {
        // SAFETY: both blocks have room for the parameters and live until the lane has waited for the stream; the host writes
        // the staged block only when no launch is under way.
        unsafe {
            self.stream.copy_to_device_async(
                self.on_device.address(),
                self.staged.as_ptr(),
                size_of::<LaneParams>(),
            )?;
        }
        match &self.tensor {
            Some(tensor) => {
                let input = self.network.input();
                // SAFETY: the input has room for its elements (checked at open), and the host writes the tensor only when no
                // launch is under way.
                unsafe { self.stream.copy_to_device_async(input.buffer.address(), tensor.as_ptr(), 4 * input.len)? };
            }
            None => {
                let grid = kernels::preprocess_grid(self.params.preprocess.width, self.params.preprocess.height);
                let mut at = self.on_device.address() + offset_of!(LaneParams, preprocess) as u64;
                let mut args = [(&raw mut at).cast::<c_void>()];
                // SAFETY: the kernel takes the address of PreprocessParams, which the copy before it has written; what they
                // name belongs to the lane, the network and the pipe's frame.
                unsafe {
                    self.kernels.preprocess.launch(
                        &self.stream,
                        grid,
                        [kernels::PREPROCESS_BLOCK, 1, 1],
                        0,
                        &mut args,
                    )?
                };
            }
        }
        Ok(())
    }

    /// Enqueues the parts of one run in order. The graph is captured from these calls.
    fn enqueue_parts(&mut self) -> Result<(), N::Error> {
        self.enqueue_input()?;
        // SAFETY: the lane owns the network, and waits for the stream before it evicts or drops it.
        unsafe { self.network.enqueue(&self.stream)? };
        let mut at = self.on_device.address() + offset_of!(LaneParams, signals) as u64;
        let mut args = [(&raw mut at).cast::<c_void>()];
        // SAFETY: as above, with SignalsParams.
        unsafe { self.kernels.signals.launch(&self.stream, [1, 1, 1], [kernels::SIGNALS_BLOCK, 1, 1], 0, &mut args)? };
        Ok(())
    }

    /// Forgets the result of the last launch: record and probabilities are about to be overwritten, and if the next launch fails, those
    /// that are there must not pass for its result.
    fn forget_result(&mut self) {
        (self.number, self.has_result) = (0, false);
        self.give_room_back();
    }

    /// Brings the network's weights back to the device. A library may wait for the whole device while it reads them, as in
    /// [`Lane::warm_up_and_capture`].
    fn restore(&mut self) -> Result<(), N::Error> {
        let _nobody_captures = capture_or_wait();
        self.network.restore()
    }

    /// Runs the network once part by part and then captures its graph. A network may allocate on its first run, which a capture forbids;
    /// so that run comes before the capture. Before all that it waits for the whole device: a library may still be filling the network's
    /// memory on streams of its own, which this lane's stream does not wait for.
    fn warm_up_and_capture(&mut self) -> Result<(), N::Error> {
        {
            let _nobody_captures = capture_or_wait();
            self.context.synchronize()?;
        }
        self.stage();
        self.enqueue_parts()?;
        self.stream.synchronize()?;
        self.refused = None;
        if !self.wants_graph {
            return Ok(());
        }
        if !self.context.has_graphs() {
            self.refused = Some("the driver has no graphs".to_owned());
            return Ok(());
        }
        let stream = Arc::clone(&self.stream);
        let _nobody_waits = capture_or_wait();
        match stream.capture(|| self.enqueue_parts()) {
            Ok(graph) => match graph.instantiate() {
                Ok(graph) => self.graph = Some(graph),
                Err(error) => self.refused = Some(error.to_string()),
            },
            Err(error) => self.refused = Some(error.to_string()),
        }
        Ok(())
    }
}

const TAKES_TENSORS: &str = "lane: expected a tensor, got a frame; this network's input is a tensor";

impl<N: Network> Drop for Lane<N> {
    fn drop(&mut self) {
        wait_at_last(&self.stream, &self.context);
    }
}

/// Waits for a stream's work before the memory that it uses is freed. This is called in `Drop`, which cannot return an error: errors are
/// kept for [`Context::take_error`], and a wait that failed is tried once more.
pub(super) fn wait_at_last(stream: &Stream, context: &Context) {
    for _ in 0..2 {
        match stream.synchronize() {
            Ok(()) => return,
            Err(error) => context.keep(error),
        }
    }
}
