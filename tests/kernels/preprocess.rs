//! The preprocess kernel gives exactly the CPU's 32-bit floats, and exactly the 16-bit floats nearest to them.

use trt_select::Frame;
use trt_select::preprocess::{
    ChannelOrder, DeviceAxis, DeviceTables, Filter, Layout, Preprocess, PreprocessConfig, Resize,
};
use trt_select_cuda::{AxisParams, Format, PreprocessParams};

use trt_select_base::random::Rng;

use crate::frames::random_frame;
use crate::host::{self, Kernels};
use crate::patterns;

fn axis(axis: &DeviceAxis<'_>) -> AxisParams {
    AxisParams {
        windows: axis.windows.as_ptr().expose_provenance() as u64,
        weights: axis.weights.as_ptr().expose_provenance() as u64,
        is_copy: u32::from(axis.is_copy),
        offset: axis.offset,
    }
}

/// The kernel's parameters for a frame, a configuration and its tables. The caller still has to set the output's address.
fn params(frame: &Frame<'_>, config: &PreprocessConfig, tables: &[f32], device: &DeviceTables<'_>) -> PreprocessParams {
    frame.pixels().as_ptr().expose_provenance();
    frame.chroma().as_ptr().expose_provenance();
    PreprocessParams {
        frame: frame.desc(),
        columns: axis(&device.columns),
        rows: axis(&device.rows),
        tables: tables.as_ptr().expose_provenance() as u64,
        output: 0,
        width: config.width,
        height: config.height,
        channels: config.channels,
        bgr: u32::from(config.order == ChannelOrder::Bgr),
        interleaved: u32::from(config.layout == Layout::Nhwc),
        half: 0,
    }
}

fn check(kernels: &Kernels, frame: &Frame<'_>, config: &PreprocessConfig, what: &dyn Fn() -> String) {
    let mut cpu = Preprocess::new(config.clone()).unwrap();
    let mut want = vec![0.0f32; config.output_len()];
    cpu.run(frame, &mut want).unwrap();
    // The copy of the tables has exactly their size, so that a sanitizer finds a read beyond them.
    let tables: Vec<f32> = cpu.tables().as_flattened().to_vec();
    let device = cpu.device_tables(frame.width(), frame.height());

    let mut got = vec![f32::NAN; want.len()];
    let mut half = vec![0xffff_u16; want.len()];
    let mut launch = params(frame, config, &tables, &device);
    launch.output = host::address(&mut got);
    // SAFETY: frame, tables and output outlive the call, and have the sizes that the parameters give.
    unsafe { kernels.preprocess(&launch) };
    launch.half = 1;
    launch.output = host::address(&mut half);
    // SAFETY: as above.
    unsafe { kernels.preprocess(&launch) };
    for (i, ((&want, got), half)) in want.iter().zip(got).zip(half).enumerate() {
        assert_eq!(got.to_bits(), want.to_bits(), "value {i}: {got} for {want}: {}", what());
        assert_eq!(half, half::f16::from_f32(want).to_bits(), "half {i}: {half:#06x} for {want}: {}", what());
    }
}

fn random_config(random: &mut Rng, frame: &Frame<'_>) -> PreprocessConfig {
    let side = |random: &mut Rng, frame_side: u32| match random.within(0, 9) {
        0 => frame_side.min(300),
        1 => random.within(1, 4),
        2..=7 => random.within(1, 70),
        _ => random.within(60, 240),
    };
    let channels = random.pick(&[1, 3, 3]);
    let number = |random: &mut Rng, low: f64, high: f64| (low + random.unit() * (high - low)) as f32;
    let (width, height) = (side(random, frame.width()), side(random, frame.height()));
    let order = random.pick(&[ChannelOrder::Rgb, ChannelOrder::Bgr]);
    let resize = match random.within(0, 4) {
        0 | 1 => Resize::Stretch,
        2 => Resize::ShorterSideCrop { fraction: 0.875 },
        3 => Resize::ShorterSideCrop { fraction: 1.0 },
        _ => Resize::ShorterSideCrop { fraction: number(random, 0.1, 1.0) },
    };
    let filter = random.pick(&[Filter::Bicubic, Filter::Bilinear]);
    let mean = (0..channels).map(|_| number(random, -0.5, 1.0)).collect();
    let std = (0..channels).map(|_| number(random, 0.05, 1.5)).collect();
    let layout = random.pick(&[Layout::Nchw, Layout::Nhwc]);
    PreprocessConfig::new(width, height, channels)
        .order(order)
        .resize(resize)
        .filter(filter)
        .normalize(mean, std)
        .layout(layout)
}

#[test]
fn random_frames_and_networks() {
    let Some(kernels) = host::get() else { return };
    let mut random = Rng::new(2);
    let cases = host::cases(1.0);
    for case in 0..cases {
        let owned = random_frame(&mut random, Some(Format::ALL[case as usize % 6]), None);
        let config = random_config(&mut random, &owned.frame());
        check(kernels, &owned.frame(), &config, &|| format!("case {case}: {} to {config:?}", owned.describe()));
    }
    println!("{cases} frames, each to 32-bit and 16-bit floats: equal");
}

#[test]
fn golden_frames_as_imagenet_does() {
    let Some(kernels) = host::get() else { return };
    for sample in patterns::samples() {
        for filter in [Filter::Bicubic, Filter::Bilinear] {
            let config = PreprocessConfig::imagenet(48, 40).filter(filter);
            check(kernels, &sample.frame(), &config, &|| sample.name.clone());
        }
    }
}

/// Windows that are longer than the rows and columns that fit the shared memory, along both axes, and crops at whole pixels.
#[test]
fn long_windows_and_copies() {
    let Some(kernels) = host::get() else { return };
    let mut random = Rng::new(3);
    let shapes = [
        ((32_768, 1), (1, 1)),
        ((32_768, 2), (3, 5)),
        ((1, 32_767), (2, 1)),
        ((2, 20_011), (40, 3)),
        ((5_000, 3), (224, 1)),
        ((640, 480), (1, 1)),
        ((1, 1), (33, 17)),
        ((70, 50), (70, 50)),
        ((70, 50), (70, 20)),
        ((70, 50), (20, 50)),
    ];
    for (size, (width, height)) in shapes {
        for format in [Format::Gray8, Format::Bgr8, Format::Nv12] {
            let owned = random_frame(&mut random, Some(format), Some(size));
            for resize in [Resize::Stretch, Resize::ShorterSideCrop { fraction: 0.875 }] {
                let config = PreprocessConfig::imagenet(width, height).resize(resize);
                check(kernels, &owned.frame(), &config, &|| format!("{} to {config:?}", owned.describe()));
            }
        }
    }
}

/// The same pixels with a table of every float that matters for rounding: those around each 16-bit float, and around the middle between
/// each two.
#[test]
fn every_rounding_to_half() {
    let Some(kernels) = host::get() else { return };
    let bytes: Vec<u8> = (0..=255).collect();
    let frame = Frame::packed(Format::Gray8, 256, 1, 256, &bytes).unwrap();
    let config = PreprocessConfig::new(256, 1, 1);
    let mut cpu = Preprocess::new(config.clone()).unwrap();
    let device = cpu.device_tables(256, 1);
    // The 16-bit float itself, the middle between it and the next one, and the 32-bit floats on both sides of each.
    let of = |bits: u16| half::f16::from_bits(bits).to_f32();
    let step = if host::cases(1.0) < 1_000 { 97 } else { 1 };
    let mut floats: Vec<f32> = (0..0x7c00u16)
        .step_by(step)
        .flat_map(|bits| {
            let next = if bits == 0x7bff { 65_536.0 } else { of(bits + 1) };
            [of(bits), (of(bits) + next) / 2.0]
        })
        .flat_map(|v| [v, -v, v.next_up(), v.next_down(), -v.next_up()])
        .chain([f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 1e-45, -1e-45])
        .collect();
    floats.resize(floats.len().next_multiple_of(256), 0.0);
    for table in floats.as_chunks::<256>().0 {
        let mut half = vec![0u16; 256];
        let mut launch = params(&frame, &config, table, &device);
        launch.half = 1;
        launch.output = host::address(&mut half);
        // SAFETY: frame, table and output outlive the call, and have the sizes that the parameters give.
        unsafe { kernels.preprocess(&launch) };
        for (&v, got) in table.iter().zip(half) {
            assert_eq!(got, half::f16::from_f32(v).to_bits(), "{v:e}");
        }
    }
    println!("{} floats rounded to 16 bits: equal", floats.len());
}
