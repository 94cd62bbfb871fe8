//! The kernels' sources and the Rust code agree on the layout of structures and on the launches.

use std::mem::offset_of;

use trt_select_cuda::{
    Accumulators, AxisParams, AxisWindow, FeaturesParams, FeaturesRecord, FrameDesc, LaneParams, PreprocessParams,
    SignalsParams, SignalsRecord, kernels,
};

use crate::host;

macro_rules! layout {
    ($($type:ident: $($field:ident),+;)+) => {
        vec![$((stringify!($type).to_string(), size_of::<$type>()),
            $((concat!(stringify!($type), ".", stringify!($field)).to_string(), offset_of!($type, $field)),)+)+]
    };
}

#[test]
fn structures_and_launches_agree() {
    let Some(library) = host::get() else { return };
    let mut want = layout! {
        FrameDesc: plane0, plane1, stride0_bytes, stride1_bytes, width_px, height_px, format, matrix, range;
        Accumulators: pixels, sum_rgb, sum_sq_rgb, sum_grey, sum_sq_grey, sum_chroma, hue, dark, bright, cells, inner_cells,
            sum_laplacian, sum_sq_laplacian, keypoints, edge_cells, edge_angle, edge_length, object_width, object_height;
        FeaturesParams: frame, scratch, record, sequence, grid_scale, grid_width, grid_height;
        FeaturesRecord: accumulators, whole_sequence, grid_sequence;
        AxisWindow: start, first, len;
        AxisParams: windows, weights, is_copy, offset;
        PreprocessParams: frame, columns, rows, tables, output, width, height, channels, bgr, interleaved, half;
        SignalsParams: scores, probabilities, record, sequence, count, logits, half;
        SignalsRecord: class, top1, margin, entropy, valid, top_k, top_classes, top_probabilities, sequence;
        LaneParams: preprocess, signals;
    };
    for (name, value) in [
        ("SCRATCH_BYTES", kernels::SCRATCH_BYTES),
        ("WHOLE_SCRATCH_BYTES", kernels::WHOLE_SCRATCH_BYTES),
        ("WHOLE_BLOCK", kernels::WHOLE_BLOCK as usize),
        ("GRID_BLOCK", kernels::GRID_BLOCK as usize),
        ("PREPROCESS_BLOCK", kernels::PREPROCESS_BLOCK as usize),
        ("SIGNALS_BLOCK", kernels::SIGNALS_BLOCK as usize),
        ("PREPROCESS_TILE_WIDTH", kernels::PREPROCESS_TILE_WIDTH as usize),
        ("PREPROCESS_TILE_HEIGHT", kernels::PREPROCESS_TILE_HEIGHT as usize),
    ] {
        want.push((name.into(), value));
    }
    let mut got: Vec<(String, usize)> = library.numbers.iter().map(|(n, v)| (n.clone(), *v as usize)).collect();
    got.sort();
    want.sort();
    assert_eq!(got, want);
    assert_eq!(library.names(), kernels::NAMES);
}
