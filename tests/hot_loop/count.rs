//! The parts whose instructions are counted. Each is inside a function with a name of its own, by which callgrind tells them apart.

use std::hint::black_box;

use trt_select::clock::Clock;
use trt_select::cuda::Format;
use trt_select::features::{Features, Needs, Workspace, feature_index};
use trt_select::{Frame, Input, Selector};
use trt_select_premodel::{CandidateId, Node, Premodel, Request, Signal, SignalId, TrainedFor};

use crate::null::{averaging, cascade, null_candidates, tensor_candidates};

/// How often a small part is run. The recorded number is that of one run.
const SMALL_ROUNDS: u32 = 1_000;

/// Makes one function for each part, so that callgrind can say what was executed inside it. Each function uses its own name, since the
/// linker could otherwise join functions with the same code.
macro_rules! parts {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            fn $name(work: &mut dyn FnMut()) {
                black_box(stringify!($name));
                work();
            }
        )*
    };
}

parts! {
    part_whole_rgb8_640x480 part_whole_rgb8_1280x720 part_whole_rgb8_1920x1080 part_whole_rgb8_3840x2160
    part_grid_rgb8_640x480 part_grid_rgb8_1280x720 part_grid_rgb8_1920x1080 part_grid_rgb8_3840x2160
    part_whole_bgr8_640x480 part_whole_rgba8_640x480 part_whole_gray8_640x480 part_whole_nv12_640x480 part_whole_yuyv_640x480
    part_grid_bgr8_640x480 part_grid_rgba8_640x480 part_grid_gray8_640x480 part_grid_nv12_640x480 part_grid_yuyv_640x480
    part_three_rgb8_640x480 part_all_gray8_28x28
    part_decision_depth8 part_decision_cascade
    part_dispatch_tensor part_dispatch_tensor_two_runs part_dispatch_frame_polled part_dispatch_averages
}

type Part = fn(&mut dyn FnMut());

/// Boxes and ramps with a little noise: the same picture in every size.
fn picture(format: Format, width: u32, height: u32) -> [Vec<u8>; 2] {
    let plane = |row_bytes: u32, rows: u32, channels: u32, salt: u32| -> Vec<u8> {
        let at = |x: u32, y: u32| {
            let (u, v) = (x / channels * 1_280 / width.max(1), y * 720 / rows.max(1));
            let noise =
                (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ salt).wrapping_mul(0x2c1b_3c6d) >> 29;
            let shape = if (160..420).contains(&u) && (120..500).contains(&v) {
                if u % 60 > 20 && v % 70 > 30 { 60 } else { 190 }
            } else if (u / 3 + v) % 240 > 226 {
                235
            } else {
                90 + (u / 16 + v / 8) / 2 + 20 * (x % channels)
            };
            (shape + noise) as u8
        };
        (0..rows).flat_map(|y| (0..row_bytes).map(move |x| at(x, y))).collect()
    };
    let channels = format.row_bytes(8) as u32 / 8;
    let first = plane(format.row_bytes(width) as u32, height, channels.max(1), 1);
    let chroma = format.chroma_row_bytes(width) as u32;
    [first, plane(chroma, if chroma > 0 { height.div_ceil(2) } else { 0 }, 2, 2)]
}

fn features(part: Part, format: Format, (width, height): (u32, u32), needs: Needs, workspace: &mut Workspace) {
    let [pixels, chroma] = picture(format, width, height);
    let stride = format.row_bytes(width) as usize;
    let frame = match format {
        Format::Nv12 => Frame::nv12(width, height, &pixels, stride, &chroma, stride.next_multiple_of(2)),
        format => Frame::packed(format, width, height, stride, &pixels),
    }
    .unwrap();
    // The work is done once before, so that nothing in the counted run happens for the first time.
    let mut work = || {
        black_box(Features::compute(black_box(&frame), needs, workspace));
    };
    work();
    part(&mut work);
}

/// A full tree of depth 8 over 16 signals, as in `benches/decision.rs`. Each test holds for about half of the rows.
fn depth8() -> Premodel {
    let (small, depth) = (CandidateId(0), 8);
    let mut nodes = Vec::new();
    let tests = (1_u16 << depth) - 1;
    for i in 0..tests {
        // Each leaf is two nodes: a Run and an Answer.
        let child = |c: u16| if c < tests { c } else { tests + 2 * (c - tests) };
        let threshold = 0.5 + f32::from(i % 7) * 0.01;
        nodes.push(Node::test(SignalId(i.wrapping_mul(7) % 16), threshold, child(2 * i + 1), child(2 * i + 2)));
    }
    for i in 0..=tests {
        nodes.extend([Node::run(small, tests + 2 * i + 1), Node::answer(small)]);
    }
    let signals = (0..16).map(|i| Signal::User(format!("s{i}"))).collect();
    let trained_for = TrainedFor::of_costs(vec![1.0]);
    Premodel::new(vec!["small".into()], 2, signals, nodes, vec![small], vec![], trained_for).unwrap()
}

/// Runs a small part many times.
fn often(part: Part, mut work: impl FnMut(u32)) {
    (0..8).for_each(&mut work);
    let mut all = || (0..SMALL_ROUNDS).for_each(&mut work);
    part(&mut all);
}

fn selector(part: Part, mut selector: Selector, input: Input<'_>) {
    selector.warm_up(input).unwrap();
    often(part, |_| {
        black_box(selector.infer(black_box(input)).unwrap());
    });
}

/// Runs every part, and prints what the counts depend on.
pub(crate) fn all() {
    let mut workspace = Workspace::new();
    println!("simd: {}", workspace.implementation().name());
    println!("clock: {}", if Clock::chosen().is_counter() { "counter" } else { "system" });
    println!("small rounds: {SMALL_ROUNDS}");
    // A debug build takes long, and its instruction counts are of no use.
    let large = !cfg!(debug_assertions);
    let sizes: [((u32, u32), [Part; 2]); 4] = [
        ((640, 480), [part_whole_rgb8_640x480, part_grid_rgb8_640x480]),
        ((1_280, 720), [part_whole_rgb8_1280x720, part_grid_rgb8_1280x720]),
        ((1_920, 1_080), [part_whole_rgb8_1920x1080, part_grid_rgb8_1920x1080]),
        ((3_840, 2_160), [part_whole_rgb8_3840x2160, part_grid_rgb8_3840x2160]),
    ];
    for (size, [whole, grid]) in sizes.into_iter().take(if large { 4 } else { 1 }) {
        features(whole, Format::Rgb8, size, Needs::WHOLE, &mut workspace);
        features(grid, Format::Rgb8, size, Needs::GRID, &mut workspace);
    }
    let formats: [(Format, [Part; 2]); 5] = [
        (Format::Bgr8, [part_whole_bgr8_640x480, part_grid_bgr8_640x480]),
        (Format::Rgba8, [part_whole_rgba8_640x480, part_grid_rgba8_640x480]),
        (Format::Gray8, [part_whole_gray8_640x480, part_grid_gray8_640x480]),
        (Format::Nv12, [part_whole_nv12_640x480, part_grid_nv12_640x480]),
        (Format::Yuyv, [part_whole_yuyv_640x480, part_grid_yuyv_640x480]),
    ];
    for (format, [whole, grid]) in formats {
        features(whole, format, (640, 480), Needs::WHOLE, &mut workspace);
        features(grid, format, (640, 480), Needs::GRID, &mut workspace);
    }
    let three = ["contrast", "saturation", "sharpness"].map(|n| feature_index(n).unwrap());
    features(part_three_rgb8_640x480, Format::Rgb8, (640, 480), Needs::of_features(three), &mut workspace);
    features(part_all_gray8_28x28, Format::Gray8, (28, 28), Needs::ALL, &mut workspace);

    let premodel = depth8();
    let mut rows = [[0.0_f32; 16]; 64];
    for (i, value) in rows.as_flattened_mut().iter_mut().enumerate() {
        *value = ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
    }
    often(part_decision_depth8, |i| {
        let program = premodel.program();
        let mut walk = program.start();
        black_box(program.step(&mut walk, black_box(&rows[i as usize % 64])));
        black_box(walk.node());
    });
    let premodel = cascade(false);
    often(part_decision_cascade, |_| {
        let program = premodel.program();
        let mut walk = program.start();
        while let Request::Run(_) = program.step(&mut walk, black_box(&[0.1])) {}
        black_box(walk.ran());
    });

    let values = [0.5_f32; 16];
    let tensors = |margin: f32| Selector::new(tensor_candidates([margin, 0.0], [0.0, 5.0]), cascade(false)).unwrap();
    selector(part_dispatch_tensor, tensors(4.0), Input::Tensor(&values));
    selector(part_dispatch_tensor_two_runs, tensors(0.1), Input::Tensor(&values));
    // First one calibrated network alone, then the average of both, which answers.
    let averages =
        Selector::new(tensor_candidates([0.1, 0.0], [0.0, 5.0]), averaging(0.5, 2.0, Some([0.25, 0.75]))).unwrap();
    selector(part_dispatch_averages, averages, Input::Tensor(&values));
    let (candidates, _) = null_candidates(2, |_| [4.0, 0.0]);
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    selector(part_dispatch_frame_polled, Selector::new(candidates, cascade(false)).unwrap(), Input::Frame(frame));
}
