use proptest::prelude::*;
use trt_select_cuda::{Matrix, Range};

use super::*;

fn plain(width: u32, height: u32, channels: u32) -> PreprocessConfig {
    PreprocessConfig {
        channels,
        resize: Resize::Stretch,
        mean: vec![0.0; channels as usize],
        std: vec![1.0; channels as usize],
        ..PreprocessConfig::imagenet(width, height)
    }
}

fn run(config: PreprocessConfig, frame: &Frame<'_>) -> Vec<f32> {
    let mut preprocess = Preprocess::new(config).unwrap();
    let mut out = vec![f32::NAN; preprocess.config().output_len()];
    preprocess.run(frame, &mut out).unwrap();
    out
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().map(|v| (v * 255.0).round() as u8).collect()
}

#[test]
fn config_errors() {
    let refused = |change: &dyn Fn(&mut PreprocessConfig)| {
        let mut config = PreprocessConfig::imagenet(8, 8);
        change(&mut config);
        let error = Preprocess::new(config).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("expected") && text.contains("got") && text.contains("; "), "{text}");
        error
    };
    assert_eq!(refused(&|c| c.width = 0), ConfigError::Size { width: 0, height: 8 });
    assert_eq!(refused(&|c| c.height = 16_385), ConfigError::Size { width: 8, height: 16_385 });
    assert_eq!(refused(&|c| c.channels = 2), ConfigError::Channels { got: 2 });
    for fraction in [0.0, 1.001, -1.0, f32::INFINITY, f32::NAN] {
        let e = refused(&|c| c.resize = Resize::ShorterSideCrop { fraction });
        assert!(matches!(e, ConfigError::Fraction { .. }));
    }
    assert_eq!(refused(&|c| c.channels = 1), ConfigError::Length { field: "mean", expected: 1, got: 3 });
    assert_eq!(refused(&|c| c.std.clear()), ConfigError::Length { field: "std", expected: 3, got: 0 });
    assert_eq!(refused(&|c| c.std[2] = 0.0), ConfigError::Value { field: "std", channel: 2, got: 0.0 });
    assert_eq!(
        refused(&|c| c.mean[0] = f32::INFINITY),
        ConfigError::Value { field: "mean", channel: 0, got: f32::INFINITY }
    );
    let overflow = |c: &mut PreprocessConfig| (c.mean[1], c.std[1]) = (1e30, 1e-30);
    assert_eq!(refused(&overflow), ConfigError::Value { field: "std", channel: 1, got: 1e-30 });
}

#[test]
fn wrong_output_length() {
    let mut preprocess = Preprocess::new(plain(2, 2, 3)).unwrap();
    let frame = Frame::packed(Format::Gray8, 2, 2, 2, &[0; 4]).unwrap();
    let mut out = [7.0; 11];
    let e = preprocess.run(&frame, &mut out).unwrap_err();
    assert_eq!(e, PreprocessError::OutputLength { expected: 12, got: 11 });
    assert_eq!(out, [7.0; 11]);
}

#[test]
fn same_size_orders_and_layouts() {
    let pixels = [1, 2, 3, 4, 5, 6, 99, 7, 8, 9, 10, 11, 12];
    let rgb = Frame::packed(Format::Rgb8, 2, 2, 7, &pixels).unwrap();
    let bgr = Frame::packed(Format::Bgr8, 2, 2, 7, &pixels).unwrap();
    let planar = vec![1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12];
    let reversed = vec![3, 6, 9, 12, 2, 5, 8, 11, 1, 4, 7, 10];
    let order = |order| PreprocessConfig { order, ..plain(2, 2, 3) };
    assert_eq!(bytes(&run(order(ChannelOrder::Rgb), &rgb)), planar);
    assert_eq!(bytes(&run(order(ChannelOrder::Bgr), &bgr)), planar);
    assert_eq!(bytes(&run(order(ChannelOrder::Bgr), &rgb)), reversed);
    assert_eq!(bytes(&run(order(ChannelOrder::Rgb), &bgr)), reversed);
    let nhwc = PreprocessConfig { layout: Layout::Nhwc, ..plain(2, 2, 3) };
    assert_eq!(bytes(&run(nhwc, &rgb)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

    let grey = Frame::packed(Format::Gray8, 2, 2, 2, &[5, 6, 7, 8]).unwrap();
    assert_eq!(bytes(&run(plain(2, 2, 3), &grey)), [5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8]);
    assert_eq!(bytes(&run(plain(2, 2, 1), &grey)), [5, 6, 7, 8]);
    assert_eq!(bytes(&run(plain(2, 2, 1), &rgb)), [2, 5, 8, 11]);
}

#[test]
fn mean_and_std_follow_the_channel_order() {
    let pixels = [10, 20, 30];
    let frame = Frame::packed(Format::Rgb8, 1, 1, 3, &pixels).unwrap();
    let config = PreprocessConfig {
        order: ChannelOrder::Bgr,
        mean: vec![0.1, 0.2, 0.3],
        std: vec![0.5, 0.25, 2.0],
        ..plain(1, 1, 3)
    };
    let want = [(30.0 / 255.0 - 0.1) / 0.5, (20.0 / 255.0 - 0.2) / 0.25, (10.0f32 / 255.0 - 0.3) / 2.0];
    assert_eq!(run(config, &frame), want);
}

/// A picture in any format, with or without padding after its rows, gives the same tensor as in RGB8 without padding.
#[test]
fn strides_and_formats_agree_after_a_resize() {
    let rgb: Vec<u8> = (0..3 * 20 * 12u32).map(|i| (i * 7 % 256) as u8).collect();
    let tight = Frame::packed(Format::Rgb8, 20, 12, 60, &rgb).unwrap();
    let want = run(plain(9, 9, 3), &tight);
    let padded: Vec<u8> = rgb.chunks(60).flat_map(|r| r.iter().copied().chain([200; 5])).collect();
    let bgr: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
    let bgr_padded: Vec<u8> = bgr.chunks(60).flat_map(|r| r.iter().copied().chain([200; 5])).collect();
    let rgba: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 77]).collect();
    for (format, stride, pixels) in [
        (Format::Rgb8, 65, &padded),
        (Format::Bgr8, 60, &bgr),
        (Format::Bgr8, 65, &bgr_padded),
        (Format::Rgba8, 80, &rgba),
    ] {
        let frame = Frame::packed(format, 20, 12, stride, pixels).unwrap();
        assert_eq!(run(plain(9, 9, 3), &frame), want, "{format:?} {stride}");
    }
}

#[test]
fn crop_follows_torchvision() {
    let config = |fraction| PreprocessConfig {
        resize: Resize::ShorterSideCrop { fraction },
        ..PreprocessConfig::imagenet(224, 224)
    };
    let span = |input, resized, offset| Span { input, resized, offset, len: 224 };
    // 500x375 becomes 341x256 (341.3 is rounded down), and the crop begins at 58 (58.5 rounded to even) and at 16.
    assert_eq!(config(0.875).spans(500, 375), (span(500, 341, 58), span(375, 256, 16)));
    assert_eq!(config(0.875).spans(375, 500), (span(375, 256, 16), span(500, 341, 58)));
    // The frame has the input's size already, and nothing is cropped.
    assert_eq!(config(1.0).spans(224, 224), (span(224, 224, 0), span(224, 224, 0)));
    // The frame has the resized frame's size already, so this is only a crop at whole pixels.
    assert_eq!(config(0.875).spans(256, 256), (span(256, 256, 16), span(256, 256, 16)));
    // One row of 32768 pixels becomes 8388608x256.
    assert_eq!(config(0.875).spans(32_768, 1), (span(32_768, 8_388_608, 4_194_192), span(1, 256, 16)));
    assert_eq!([0, 1, 2, 3, 4, 5].map(half_to_even), [0, 0, 1, 2, 2, 2]);
}

#[test]
fn plain_crop_copies_pixels() {
    let pixels: Vec<u8> = (0..64).collect();
    let frame = Frame::packed(Format::Gray8, 8, 8, 8, &pixels).unwrap();
    let config = PreprocessConfig { resize: Resize::ShorterSideCrop { fraction: 0.5 }, ..plain(4, 4, 1) };
    let want: Vec<u8> = (2..6).flat_map(|y| (2..6).map(move |x| y * 8 + x)).collect();
    assert_eq!(bytes(&run(config, &frame)), want);
}

#[test]
fn scratch_survives_frames_of_other_sizes() {
    let mut preprocess = Preprocess::new(plain(4, 4, 3)).unwrap();
    let pixels = vec![9u8; 4 * 40 * 40];
    for side in [40u32, 4, 17, 4, 40, 1] {
        let frame = Frame::packed(Format::Rgba8, side, side, 4 * side as usize, &pixels).unwrap();
        let mut out = [0.0; 48];
        preprocess.run(&frame, &mut out).unwrap();
        assert!(out.iter().all(|v| (v * 255.0 - 9.0).abs() < 1e-3), "{side}: {out:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_frame_becomes_a_finite_tensor(
        format in 0usize..6,
        (w, h) in prop_oneof![(1u32..50, 1u32..50), (1u32..1200, 1u32..3), (1u32..3, 1u32..1200)],
        (nw, nh) in (1u32..40, 1u32..40),
        colour in any::<bool>(),
        bilinear in any::<bool>(),
        crop in prop_oneof![Just(None), (0.1f32..=1.0).prop_map(Some)],
        seed in any::<u32>(),
    ) {
        let format = Format::ALL[format];
        let row = format.row_bytes(w) as usize;
        let chroma_row = format.chroma_row_bytes(w) as usize;
        let noise = |n: usize| (0..n).map(|i| ((i as u32 ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
        let (a, b) = (noise(row * h as usize), noise(chroma_row * h.div_ceil(2) as usize));
        let frame = match format {
            Format::Nv12 => Frame::nv12(w, h, &a, row, &b, chroma_row),
            _ => Frame::packed(format, w, h, row, &a),
        }.unwrap().with_color(Matrix::Bt709, Range::Full);
        let config = PreprocessConfig {
            resize: crop.map_or(Resize::Stretch, |fraction| Resize::ShorterSideCrop { fraction }),
            filter: if bilinear { Filter::Bilinear } else { Filter::Bicubic },
            ..plain(nw, nh, if colour { 3 } else { 1 })
        };
        let out = run(config, &frame);
        prop_assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}

#[test]
fn device_tables_are_those_of_the_run() {
    let mut preprocess = Preprocess::new(PreprocessConfig::imagenet(24, 24)).unwrap();
    // For 60x27 the number of rows stays as it is, and that of the columns changes.
    let DeviceTables { columns, rows } = preprocess.device_tables(60, 27);
    assert!(rows.is_copy && rows.windows.is_empty() && rows.weights.is_empty());
    assert_eq!(rows.offset, 2);
    assert!(columns.is_copy);
    let DeviceTables { columns, rows } = preprocess.device_tables(100, 80);
    for (axis, side) in [(columns, 100), (rows, 80)] {
        assert!(!axis.is_copy);
        assert_eq!(axis.windows.len(), 24);
        assert_eq!(axis.windows.iter().map(|w| w.len as usize).sum::<usize>(), axis.weights.len());
        assert!(axis.windows.iter().all(|w| w.start + w.len <= side));
        let pairs = || axis.windows.iter().zip(&axis.windows[1..]);
        assert!(pairs().all(|(a, b)| a.start <= b.start && a.start + a.len <= b.start + b.len));
    }
    let first = preprocess.device_tables(100, 80).columns.windows.as_ptr();
    assert_eq!(preprocess.device_tables(100, 80).columns.windows.as_ptr(), first);
    assert_eq!(preprocess.tables().len(), 3);
}

/// The kernel reads the samples from the start of the first window to the end of the last one, so no window may reach beyond these.
#[test]
fn windows_never_go_back() {
    for filter in [Filter::Bicubic, Filter::Bilinear] {
        for resized in (1..70).chain([224, 256, 1_000]) {
            let mut preprocess = Preprocess::new(PreprocessConfig { filter, ..plain(resized, 1, 1) }).unwrap();
            for input in (1..70).chain([333, 1_280, 32_768]) {
                let windows = preprocess.device_tables(input, 1).columns.windows;
                for (a, b) in windows.iter().zip(windows.iter().skip(1)) {
                    assert!(
                        a.start <= b.start && a.start + a.len <= b.start + b.len,
                        "{input} to {resized}: {a:?} {b:?}"
                    );
                }
            }
        }
    }
}
