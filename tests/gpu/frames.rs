//! Random frames in all formats.

use trt_select::Frame;
use trt_select::cuda::{Format, Matrix, Range};
use trt_select_base::random::Rng;

/// A frame and its bytes.
pub(crate) struct Picture {
    format: Format,
    width: u32,
    height: u32,
    strides: [usize; 2],
    planes: [Vec<u8>; 2],
    matrix: Matrix,
    range: Range,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (format, strides) = (self.format.name(), self.strides);
        write!(f, "{format} {}x{} strides {strides:?} {:?} {:?}", self.width, self.height, self.matrix, self.range)
    }
}

impl Picture {
    /// A random frame. Its size depends only on `n`, so that a second frame of the same size can be made; all else is random.
    pub(crate) fn random(random: &mut Rng, n: usize) -> Picture {
        let mut sizes = Rng::new(1000 + n as u64);
        let mut side = || {
            1 + match sizes.below(10) {
                0 => sizes.below(3),
                1 => sizes.below(700),
                _ => sizes.below(200),
            }
        };
        let (width, height) = (side() as u32, side() as u32);
        let format = Format::ALL[random.below(Format::ALL.len())];
        let pad = |random: &mut Rng| if random.below(3) == 0 { 0 } else { random.below(40) };
        let rows = [height as usize, height.div_ceil(2) as usize];
        let row_bytes = [format.row_bytes(width) as usize, format.chroma_row_bytes(width) as usize];
        let strides = row_bytes.map(|bytes| if bytes == 0 { 0 } else { bytes + pad(random) });
        let mut planes = [Vec::new(), Vec::new()];
        // Noise, gradients and blocks: they have edges, flat parts, and components of all sizes.
        let kind = random.below(4);
        let (step, level) = (1 + random.below(60), random.below(256));
        for (plane, bytes) in planes.iter_mut().enumerate().filter(|(plane, _)| strides[*plane] > 0) {
            bytes.resize(strides[plane] * rows[plane], 0);
            for (at, byte) in bytes.iter_mut().enumerate() {
                let (x, y) = (at % strides[plane], at / strides[plane]);
                *byte = match kind {
                    0 => random.below(256) as u8,
                    1 => (x * 3 + y * 2) as u8,
                    2 => {
                        if (x / step + y / step).is_multiple_of(2) {
                            level as u8
                        } else {
                            (255 - level) as u8
                        }
                    }
                    _ => {
                        if random.below(100) < 3 {
                            255
                        } else {
                            level as u8
                        }
                    }
                };
            }
        }
        let matrix = if random.below(2) == 0 { Matrix::Bt601 } else { Matrix::Bt709 };
        let range = if random.below(2) == 0 { Range::Limited } else { Range::Full };
        Picture { format, width, height, strides, planes, matrix, range }
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        let frame = if self.format == Format::Nv12 {
            Frame::nv12(self.width, self.height, &self.planes[0], self.strides[0], &self.planes[1], self.strides[1])
        } else {
            Frame::packed(self.format, self.width, self.height, self.strides[0], &self.planes[0])
        };
        frame.expect("a frame").with_color(self.matrix, self.range)
    }
}
