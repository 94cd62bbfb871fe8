//! Runs one table of cases through every implementation that this CPU can run. All of them must give the reference's integers.

use trt_select::Frame;
use trt_select::features::{Features, Groups, Implementation, Needs, Workspace};
use trt_select_base::random::Rng;
use trt_select_cuda::{Format, Matrix, Range};

use crate::patterns;

/// Number of frames of the random test, unless the environment variable `TRT_SELECT_RANDOM_FRAMES` gives another one.
const RANDOM_FRAMES: u64 = 10_000;

const COLORS: [(Matrix, Range); 4] = [
    (Matrix::Bt601, Range::Limited),
    (Matrix::Bt601, Range::Full),
    (Matrix::Bt709, Range::Limited),
    (Matrix::Bt709, Range::Full),
];

/// One workspace for each implementation, kept for all frames, so that anything one frame leaves behind shows in the next.
struct Bench {
    reference: Workspace,
    others: Vec<Workspace>,
}

impl Bench {
    fn new() -> Bench {
        let others: Vec<Workspace> =
            Implementation::available().filter(|&i| i != Implementation::SCALAR).map(Workspace::of).collect();
        if others.is_empty() {
            println!("skipped: this CPU has no vector implementation");
        }
        Bench { reference: Workspace::of(Implementation::SCALAR), others }
    }

    fn check(&mut self, frame: &Frame<'_>, needs: Needs, context: &dyn Fn() -> String) {
        let want = Features::compute(frame, Groups::ALL, &mut self.reference);
        for workspace in &mut self.others {
            for needs in [Needs::ALL, needs] {
                let got = Features::compute(frame, needs, workspace);
                assert_eq!(
                    got,
                    needs.only(&want),
                    "{:?} {needs:?} {frame:?} {}",
                    workspace.implementation(),
                    context()
                );
            }
        }
    }
}

/// A frame with memory of its own, at an address without any alignment.
struct Picture {
    bytes: Vec<u8>,
    start: [usize; 2],
    stride: [usize; 2],
    size: (u32, u32),
    format: Format,
    color: (Matrix, Range),
}

impl Picture {
    fn random(random: &mut Rng, seed: u64) -> Picture {
        let format = Format::ALL[random.below(Format::ALL.len())];
        let side = |random: &mut Rng| match random.below(10) {
            0 => random.within(1, 4),
            1 => random.within(1, 700),
            _ => random.within(1, 200),
        };
        let (width, height) = (side(random), side(random).min(if seed.is_multiple_of(8) { 700 } else { 90 }));
        let padding = |random: &mut Rng| if random.below(2) == 0 { 0 } else { random.below(70) };
        let stride = [
            format.row_bytes(width) as usize + padding(random),
            format.chroma_row_bytes(width) as usize + padding(random),
        ];
        let start = [random.below(67), random.below(67)];
        let sizes = [stride[0] * height as usize, stride[1] * height.div_ceil(2) as usize];
        let start = [start[0], start[0] + sizes[0] + start[1]];
        let mut bytes = vec![0; start[1] + sizes[1]];
        fill(random, &mut bytes, stride[0]);
        Picture { bytes, start, stride, size: (width, height), format, color: COLORS[random.below(4)] }
    }

    fn frame(&self) -> Frame<'_> {
        let (width, height) = self.size;
        let (luma, chroma) = (&self.bytes[self.start[0]..self.start[1]], &self.bytes[self.start[1]..]);
        match self.format {
            Format::Nv12 => Frame::nv12(width, height, luma, self.stride[0], chroma, self.stride[1]),
            format => Frame::packed(format, width, height, self.stride[0], luma),
        }
        .unwrap()
        .with_color(self.color.0, self.color.1)
    }
}

/// Fills a picture in one of several ways: noise alone has few ties and no long edges.
fn fill(random: &mut Rng, bytes: &mut [u8], stride: usize) {
    let kind = random.below(6);
    let palette: [u8; 4] = std::array::from_fn(|_| random.next_u64() as u8);
    let (block_x, block_y) = (1 + random.below(40), 1 + random.below(20));
    let (step, salt) = (random.below(9), random.next_u64() as usize);
    for (i, byte) in bytes.iter_mut().enumerate() {
        let (x, y) = (i % stride, i / stride);
        let block = ((x / block_x) * 7 + (y / block_y) * 13 + salt) % 4;
        *byte = match kind {
            0 => random.next_u64() as u8,
            1 => [0, 255, 16, 240, 128, 31, 32, 223, 224][random.below(9)],
            2 => palette[random.below(4)],
            3 => palette[block],
            4 => palette[block].wrapping_add(random.below(24) as u8),
            _ => (x * step / 3 + y * 2 + salt) as u8,
        };
    }
}

#[test]
fn the_golden_frames() {
    let mut bench = Bench::new();
    for s in patterns::samples() {
        bench.check(&s.frame(), Needs::WHOLE, &|| s.name.clone());
    }
}

#[test]
fn random_frames() {
    let frames = std::env::var("TRT_SELECT_RANDOM_FRAMES").map_or(RANDOM_FRAMES, |n| n.parse().unwrap());
    let mut bench = Bench::new();
    for seed in 0..frames {
        let mut random = Rng::new(seed + 1);
        let picture = Picture::random(&mut random, seed);
        let needs = Needs::from_bits(random.next_u64() as u32);
        bench.check(&picture.frame(), needs, &|| format!("seed {seed}, plane at {:?}", picture.start));
    }
}

/// Large frames, whose rows are many spans long, with every scale of the grid up to 24.
#[test]
fn large_frames() {
    let mut bench = Bench::new();
    let sizes = [(640, 480), (1279, 721), (1920, 1080), (4097, 35), (37, 4099), (3840, 2160)];
    for (seed, (width, height)) in sizes.into_iter().enumerate() {
        for (f, format) in Format::ALL.into_iter().enumerate() {
            let s = patterns::raw_noise("", (width, height), format, COLORS[f % 4], seed as u32);
            bench.check(&s.frame(), Needs::HUE | Needs::KEYPOINTS, &String::new);
        }
    }
}

/// Every colour occurs. Each frame has the 256 colours with the same red and green, and its sums must equal the reference's.
#[test]
fn every_colour() {
    let mut bench = Bench::new();
    let mut bytes = vec![0; 3 << 16];
    let step = if std::env::var_os("TRT_SELECT_RANDOM_FRAMES").is_some() { 15 } else { 1 };
    for red in (0..=255u8).step_by(step) {
        for (i, p) in bytes.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *p = [red, (i >> 8) as u8, i as u8];
        }
        // A frame is one row whose pixels have the same red and green, so that errors of single colours are less likely to cancel out.
        for row in bytes.chunks(3 * 256) {
            let frame = Frame::packed(Format::Rgb8, 256, 1, 3 * 256, row).unwrap();
            let want = Features::compute(&frame, Needs::WHOLE, &mut bench.reference);
            for workspace in &mut bench.others {
                assert_eq!(Features::compute(&frame, Needs::WHOLE, workspace), want, "red {red}, green {}", row[1]);
            }
        }
    }
}

/// Luma and chroma in every matrix and range: for each pair of Cb and Cr that is tested there is a frame with every luma.
#[test]
fn every_luma_and_chroma() {
    let mut bench = Bench::new();
    let step = if std::env::var_os("TRT_SELECT_RANDOM_FRAMES").is_some() { 51 } else { 5 };
    for color in COLORS {
        for cb in (0..=255u8).step_by(step) {
            for cr in (0..=255u8).step_by(step) {
                let luma: Vec<u8> = (0..=255).collect();
                let chroma = [cb, cr].repeat(128);
                let frame = Frame::nv12(256, 1, &luma, 256, &chroma, 256).unwrap().with_color(color.0, color.1);
                bench.check(&frame, Needs::RGB, &|| format!("cb {cb}, cr {cr}"));
            }
        }
    }
}

/// With each need alone, and with none, nothing but what was asked for is filled.
#[test]
fn needs_are_independent() {
    let mut bench = Bench::new();
    for s in patterns::samples() {
        for bit in 0..11 {
            bench.check(&s.frame(), Needs::from_bits(1 << bit >> 1), &|| s.name.clone());
        }
    }
}
