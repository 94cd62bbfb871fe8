//! Measures the features for each format and size, beside a memcpy of the same bytes.
//!
//! `cargo bench --bench features` runs divan's benchmarks. With `-- --ratios` everything is measured side by side in one run instead, and a
//! table is printed. `--json` prints the table as JSON, `--dump FOLDER` writes the frames into a folder (`benches/opencv_features.py` reads
//! both), and `--rounds N` sets the number of rounds.
//!
//! A round times every part once, in an order that changes from round to round. Before each part, also before memcpy, the frame is written
//! anew from a copy, as a camera would write it, so that all parts start with the same state of the caches. The medians are compared, and
//! the least times are printed beside them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use divan::Bencher;
use divan::counter::BytesCount;
use serde_json::json;
use trt_select::Frame;
use trt_select::cuda::Format;
use trt_select::features::{Features, Groups, Implementation, Needs, Workspace, feature_index};

const SIZES: [(u32, u32); 4] = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)];
const ROUNDS: usize = 201;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|a| a == "--ratios" || a == "--json") { ratios(&args) } else { divan::main() }
}

/// The parts that are timed, each with its name and with what it needs; memcpy needs nothing.
fn parts() -> Vec<(&'static str, Option<Needs>)> {
    let features =
        |names: &[&str]| Some(Needs::of_features(names.iter().map(|n| feature_index(n).expect("a feature"))));
    vec![
        ("memcpy", None),
        ("whole", Some(Needs::WHOLE)),
        ("grid", Some(Needs::GRID)),
        ("all", Some(Needs::ALL)),
        ("brightness", features(&["brightness_average"])),
        ("no hue", Some(Needs::from_bits(Needs::WHOLE.bits() & !(Needs::HUE | Needs::CHROMA).bits()))),
        ("three", features(&["contrast", "saturation", "sharpness"])),
        ("three, hue", features(&["brightness_perceived", "hue3", "keypoints"])),
        ("grid, no edges", Some(Needs::LAPLACIAN | Needs::KEYPOINTS)),
    ]
}

fn hash(x: u32, y: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ h >> 12).wrapping_mul(0x297a_2d39);
    h ^ h >> 15
}

/// Red, green and blue of a picture at a place in 0..1280 × 0..720. The scene is boxes and discs on ramps with a little noise, the same in
/// every size. The other picture is noise, which is the worst case for the edges.
fn pixel(scene: &str, x: u32, y: u32, seed: (u32, u32)) -> [u8; 3] {
    let h = hash(seed.0, seed.1);
    if scene == "noise" {
        let [a, b, c, _] = h.to_le_bytes();
        return [a, b, c];
    }
    let n = (h % 9) as u8;
    let inside = |cx: i64, cy: i64, r: i64| (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2) < r * r;
    if (160..420).contains(&x) && (120..500).contains(&y) {
        let window = x % 60 > 20 && y % 70 > 30;
        if window { [60 + n, 80 + n, 110 + n] } else { [190 - n, 150 - n, 90 + n] }
    } else if inside(760, 300, 130) || inside(1_050, 520, 80) {
        [200 - n, 60 + n, 40 + n]
    } else if (x / 3 + y) % 240 > 226 {
        [235 - n; 3]
    } else if y > 560 {
        let grass = (hash(x / 8, y / 8) % 60) as u8;
        [40 + n, 90 + grass, 30 + n]
    } else {
        let ramp = (x / 16 + y / 8) as u8;
        [90 + ramp / 2 + n, 120 + ramp / 2 + n, 160 + ramp / 2 + n]
    }
}

/// The planes of a frame, without padding.
struct Picture {
    format: Format,
    size: (u32, u32),
    planes: [Vec<u8>; 2],
}

impl Picture {
    fn new(scene: &str, format: Format, size: (u32, u32)) -> Picture {
        let (width, height) = size;
        let at = |x: u32, y: u32| pixel(scene, x * 1_280 / width, y * 720 / height, (x, y));
        let mut planes = [Vec::new(), Vec::new()];
        let yuv = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(f32::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            [16.0 + y * 219.0 / 255.0, 128.0 + (b - y) * 0.496, 128.0 + (r - y) * 0.627].map(|v| v as u8)
        };
        for y in 0..height {
            for x in 0..width {
                let [r, g, b] = at(x, y);
                let [luma, cb, cr] = yuv([r, g, b]);
                match format {
                    Format::Rgb8 => planes[0].extend([r, g, b]),
                    Format::Bgr8 => planes[0].extend([b, g, r]),
                    Format::Rgba8 => planes[0].extend([r, g, b, 255]),
                    Format::Gray8 => planes[0].push(g),
                    Format::Yuyv => planes[0].extend([luma, if x % 2 == 0 { cb } else { cr }]),
                    _ => {
                        planes[0].push(luma);
                        if x % 2 == 0 && y % 2 == 0 {
                            planes[1].extend([cb, cr]);
                        }
                    }
                }
            }
        }
        Picture { format, size, planes }
    }

    fn frame(&self) -> Frame<'_> {
        let (width, height) = self.size;
        let stride = self.format.row_bytes(width) as usize;
        let [pixels, chroma] = &self.planes;
        match self.format {
            Format::Nv12 => Frame::nv12(width, height, pixels, stride, chroma, stride.next_multiple_of(2)),
            format => Frame::packed(format, width, height, stride, pixels),
        }
        .expect("a valid frame")
    }

    fn bytes(&self) -> usize {
        self.planes.iter().map(Vec::len).sum()
    }

    /// Writes the same bytes once more, as if the frame had just arrived.
    fn arrive(&mut self, from: &Picture) {
        for (to, from) in self.planes.iter_mut().zip(&from.planes) {
            to.copy_from_slice(black_box(from));
        }
    }
}

/// The median and the least of one part's nanoseconds in all rounds.
fn statistics(mut ns: Vec<u64>) -> (u64, u64) {
    ns.sort_unstable();
    (ns[ns.len() / 2], ns[0])
}

/// For every part, the median and the least of its nanoseconds.
fn measure(pristine: &Picture, workspace: &mut Workspace, rounds: usize) -> Vec<(u64, u64)> {
    let parts = parts();
    let mut source = Picture { format: pristine.format, size: pristine.size, planes: pristine.planes.clone() };
    let mut to = [0, 1].map(|i| vec![0_u8; source.planes[i].len()]);
    let mut times = vec![Vec::with_capacity(rounds); parts.len()];
    for round in 0..rounds + 2 {
        for k in 0..parts.len() {
            let part = (k + round) % parts.len();
            source.arrive(pristine);
            let start = Instant::now();
            match parts[part].1 {
                None => {
                    for (to, from) in to.iter_mut().zip(&source.planes) {
                        black_box(to).copy_from_slice(black_box(from));
                    }
                }
                Some(needs) => {
                    black_box(Features::compute(black_box(&source.frame()), needs, workspace));
                }
            }
            let ns = start.elapsed().as_nanos() as u64;
            // The first two rounds are for warming up.
            if round >= 2 {
                times[part].push(ns);
            }
        }
    }
    times.into_iter().map(statistics).collect()
}

fn value<T: std::str::FromStr>(args: &[String], name: &str) -> Option<T> {
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).and_then(|v| v.parse().ok())
}

fn ratios(args: &[String]) {
    let rounds = value(args, "--rounds").unwrap_or(ROUNDS);
    let folder: Option<String> = value(args, "--dump");
    let as_json = args.iter().any(|a| a == "--json");
    let only: Option<String> = value(args, "--format");
    let width: Option<u32> = value(args, "--width");
    let mut workspace = match value::<String>(args, "--simd") {
        Some(name) => Workspace::of(Implementation::available().find(|i| i.name() == name).expect("an implementation")),
        None => Workspace::new(),
    };
    let mut report = Vec::new();
    let mut text = format!("{:?}, {rounds} rounds; µs of memcpy (median, least), then multiples of it\n", workspace);
    let _ = write!(text, "{:<6} {:<6} {:<10} {:>7} {:>7}", "scene", "format", "size", "memcpy", "least");
    parts().iter().skip(1).for_each(|(name, _)| {
        let _ = write!(text, " {name:>14}");
    });
    let _ = writeln!(text, " {:>12}", "grid µs");
    for scene in ["scene", "noise"] {
        for format in Format::ALL.into_iter().filter(|f| only.as_ref().is_none_or(|o| o == f.name())) {
            for size in SIZES.into_iter().filter(|s| width.is_none_or(|w| w == s.0)) {
                // Noise differs from the scene only in the cost of the edges, which does not depend on the format.
                if scene == "noise" && format != Format::Rgb8 {
                    continue;
                }
                let picture = Picture::new(scene, format, size);
                let all = Features::compute(&picture.frame(), Groups::ALL, &mut workspace);
                let times = measure(&picture, &mut workspace, rounds);
                let memcpy = times[0].0 as f64;
                let name = format!("{}x{}", size.0, size.1);
                let _ = write!(
                    text,
                    "{scene:<6} {:<6} {name:<10} {:>7.1} {:>7.1}",
                    format.name(),
                    memcpy / 1e3,
                    times[0].1 as f64 / 1e3
                );
                times.iter().skip(1).for_each(|t| {
                    let _ = write!(text, " {:>14.2}", t.0 as f64 / memcpy);
                });
                let _ = writeln!(text, " {:>5.0} ≥{:>5.0}", times[2].0 as f64 / 1e3, times[2].1 as f64 / 1e3);
                let mut file = None;
                if let Some(folder) = folder.as_deref().map(Path::new) {
                    let path = folder.join(format!("{scene}-{}-{name}.raw", format.name()));
                    std::fs::create_dir_all(folder).expect("the folder can be made");
                    std::fs::write(&path, picture.planes.concat()).expect("the frame can be written");
                    file = Some(path);
                }
                let parts: serde_json::Map<String, serde_json::Value> = parts()
                    .iter()
                    .zip(&times)
                    .map(|((n, _), t)| (n.to_string(), json!({ "median_ns": t.0, "least_ns": t.1 })))
                    .collect();
                report.push(json!({
                    "scene": scene, "format": format.name(), "width": size.0, "height": size.1,
                    "bytes": picture.bytes(), "file": file, "times": parts,
                    "accumulators": bytemuck::cast_slice::<_, i64>(&[all]),
                }));
            }
        }
    }
    if as_json {
        let name = workspace.implementation().name();
        println!("{}", json!({ "implementation": name, "rounds": rounds, "frames": report }));
    } else {
        print!("{text}");
    }
}

/// The formats and sizes of the divan benchmarks.
fn cases() -> impl Iterator<Item = String> {
    Format::ALL.into_iter().flat_map(|f| SIZES.map(|(w, h)| format!("{} {w}x{h}", f.name())))
}

fn parse(case: &str) -> (Format, (u32, u32)) {
    let (format, size) = case.split_once(' ').expect("as made by cases");
    let (w, h) = size.split_once('x').expect("as made by cases");
    let format = Format::ALL.into_iter().find(|f| f.name() == format).expect("as made by cases");
    (format, (w.parse().expect("a number"), h.parse().expect("a number")))
}

fn bench(bencher: Bencher<'_, '_>, case: &str, needs: Needs) {
    let (format, size) = parse(case);
    let picture = Picture::new("scene", format, size);
    let mut workspace = Workspace::new();
    bencher
        .counter(BytesCount::new(picture.bytes()))
        .bench_local(|| black_box(Features::compute(black_box(&picture.frame()), needs, &mut workspace)));
}

#[divan::bench(args = cases())]
fn memcpy(bencher: Bencher<'_, '_>, case: &str) {
    let (format, size) = parse(case);
    let from = Picture::new("scene", format, size).planes.concat();
    let mut to = vec![0_u8; from.len()];
    bencher.counter(BytesCount::of_slice(&from)).bench_local(|| black_box(&mut to).copy_from_slice(black_box(&from)));
}

#[divan::bench(args = cases())]
fn whole(bencher: Bencher<'_, '_>, case: &str) {
    bench(bencher, case, Needs::WHOLE);
}

#[divan::bench(args = cases())]
fn grid(bencher: Bencher<'_, '_>, case: &str) {
    bench(bencher, case, Needs::GRID);
}

#[divan::bench(args = cases())]
fn all(bencher: Bencher<'_, '_>, case: &str) {
    bench(bencher, case, Needs::ALL);
}
