//! Random frames in all formats, sizes, strides, alignments and colour spaces, with contents that give edges and components.

use trt_select::Frame;
use trt_select_base::random::Rng;
use trt_select_cuda::{Format, Matrix, Range};

/// A frame and its memory. A plane's allocation ends with its last pixel, so that a sanitizer finds a read beyond it.
#[derive(Debug)]
pub(crate) struct Owned {
    format: Format,
    width: u32,
    height: u32,
    strides: [usize; 2],
    offsets: [usize; 2],
    planes: [Vec<u8>; 2],
    color: (Matrix, Range),
}

impl Owned {
    pub(crate) fn frame(&self) -> Frame<'_> {
        let plane = |i: usize| &self.planes[i][self.offsets[i]..];
        match self.format {
            Format::Nv12 => Frame::nv12(self.width, self.height, plane(0), self.strides[0], plane(1), self.strides[1]),
            _ => Frame::packed(self.format, self.width, self.height, self.strides[0], plane(0)),
        }
        .unwrap()
        .with_color(self.color.0, self.color.1)
    }

    /// Whether the frame's address and stride allow the kernel to read 16 bytes at a time.
    pub(crate) fn is_wide(&self) -> bool {
        let frame = self.frame();
        let planes = if self.format == Format::Nv12 { 2 } else { 1 };
        let starts = [frame.pixels().as_ptr().addr(), frame.chroma().as_ptr().addr()];
        (0..planes).all(|i| (starts[i] | self.strides[i]).is_multiple_of(16))
    }

    pub(crate) fn describe(&self) -> String {
        format!("{:?}, offsets {:?}, {:?}", self.frame(), self.offsets, self.color)
    }
}

fn size(random: &mut Rng) -> (u32, u32) {
    let pair = |random: &mut Rng, high| (random.within(1, high), random.within(1, high));
    match random.within(0, 11) {
        0 => pair(random, 5),
        1..=3 => pair(random, 64),
        4..=6 => pair(random, 200),
        7 => pair(random, 420),
        8 => (16 * random.within(1, 20), random.within(1, 200)),
        9 => (random.pick(&[1_280, 1_920, 1_921]), random.within(1, 4)),
        10 => (random.within(1, 4), random.pick(&[719, 1_080])),
        _ => random.pick(&[(160, 120), (120, 160), (161, 120), (160, 121), (320, 240), (28, 28), (7, 7), (3, 3)]),
    }
}

/// The bytes of all rows of a plane, each computed from its position. The padding between rows is noise.
fn fill(random: &mut Rng, row_bytes: usize, rows: usize, stride: usize, offset: usize, kind: u32) -> Vec<u8> {
    let len = offset + stride * rows.saturating_sub(1) + if rows > 0 { row_bytes } else { 0 };
    let mut bytes = vec![0u8; len];
    // Rectangles, each of one value, are painted over one another.
    let count = random.within(1, 24);
    let rectangles: Vec<[u32; 5]> = (0..count)
        .map(|_| {
            let (x, y) = (random.within(0, row_bytes as u32), random.within(0, rows as u32));
            let (w, h) = (random.within(1, row_bytes as u32), random.within(1, rows.max(1) as u32));
            [x, y, w / 2 + 1, h / 2 + 1, random.within(0, 255)]
        })
        .collect();
    let slope = (random.within(0, 9), random.within(0, 9));
    let wave = random.within(2, 40);
    for (i, b) in bytes.iter_mut().enumerate() {
        let noise = random.next_u64() as u8;
        let Some(at) = i.checked_sub(offset) else {
            *b = noise;
            continue;
        };
        let (x, y) = ((at % stride) as u32, (at / stride) as u32);
        if x as usize >= row_bytes {
            *b = noise;
            continue;
        }
        let painted = || {
            let hit = rectangles.iter().rev().find(|r| x >= r[0] && y >= r[1] && x - r[0] < r[2] && y - r[1] < r[3]);
            hit.map_or(90, |r| r[4]) as u8
        };
        *b = match kind {
            0 => noise,
            1 => painted(),
            2 => painted().saturating_add(noise / 16),
            3 => (x * slope.0 + y * slope.1) as u8,
            4 => {
                if (x / wave + y / wave).is_multiple_of(2) {
                    noise / 4
                } else {
                    255 - noise / 4
                }
            }
            5 => {
                if noise < 24 {
                    255
                } else {
                    0
                }
            }
            6 => random.pick(&[0, 255]),
            _ => 255,
        };
    }
    bytes
}

/// A random frame of this format and size, each of which is random too where it is `None`.
pub(crate) fn random_frame(random: &mut Rng, format: Option<Format>, size_px: Option<(u32, u32)>) -> Owned {
    let format = format.unwrap_or_else(|| random.pick(&Format::ALL));
    let (width, height) = size_px.unwrap_or_else(|| size(random));
    let kind = random.within(0, 7);
    let aligned = random.within(0, 2) == 0;
    let rows = [height as usize, if format == Format::Nv12 { height.div_ceil(2) as usize } else { 0 }];
    let bytes = [format.row_bytes(width) as usize, format.chroma_row_bytes(width) as usize];
    let mut strides = [0; 2];
    let mut offsets = [0; 2];
    for i in 0..2 {
        if rows[i] == 0 {
            continue;
        }
        let padding = random.pick(&[0, 0, 1, 2, 3, 5, 16, 37]);
        strides[i] = if aligned { bytes[i].next_multiple_of(16) + 16 * (padding / 16) } else { bytes[i] + padding };
        // The system's allocator gives addresses that are multiples of 16, so only the offset decides about the alignment.
        offsets[i] = if aligned { 16 * random.within(0, 1) as usize } else { random.within(0, 17) as usize };
    }
    let planes = [0, 1].map(|i| fill(random, bytes[i], rows[i], strides[i].max(1), offsets[i], kind));
    let color = (random.pick(&[Matrix::Bt601, Matrix::Bt709]), random.pick(&[Range::Limited, Range::Full]));
    Owned { format, width, height, strides, offsets, planes, color }
}
