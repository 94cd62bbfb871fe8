//! What the algorithms of `generic` ask of an instruction set.
//!
//! An implementation is a value that can only be made where the CPU has the instructions: whoever holds one may call its
//! methods, so they are all safe. A thin file per instruction set implements them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

/// Vectors of bytes, and of 16-bit words (half as many). Arithmetic wraps unless a method says otherwise. A mask is a vector
/// whose lanes are all ones or all zeros.
pub(super) trait Vector: Copy {
    /// Bytes in a vector: 16 or 32.
    const LANES: usize;
    /// `LANES` bytes.
    type Bytes: Copy;
    /// `LANES / 2` signed words.
    type Words: Copy;
    /// Sums of 32 bits; how the lanes share the work is up to the instruction set.
    type Sums: Copy;

    /// The first `LANES` bytes of a slice. Panics where it is shorter, as all loads and stores do.
    fn load(self, from: &[u8]) -> Self::Bytes;
    /// Writes `LANES` bytes.
    fn store(self, value: Self::Bytes, to: &mut [u8]);
    /// Red, green, blue of `LANES` pixels of three bytes. The order of the pixels is not that of memory, but the same in
    /// the three.
    fn load_rgb(self, from: &[u8]) -> [Self::Bytes; 3];
    /// The same of pixels of four bytes; the fourth is ignored.
    fn load_rgbx(self, from: &[u8]) -> [Self::Bytes; 3];
    /// The first and the second of `LANES` pairs of bytes, in an order that is not that of memory but such that
    /// neighbours 2i and 2i + 1 stay neighbours.
    fn load_pairs(self, from: &[u8]) -> [Self::Bytes; 2];
    /// Sixteen bytes for `lookup`.
    fn table(self, from: &[u8; 16]) -> Self::Bytes;
    /// One byte in every lane.
    fn splat(self, value: u8) -> Self::Bytes;

    /// a − b
    fn sub(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a + b, at most 255.
    fn add_clamped(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a − b, at least 0.
    fn sub_clamped(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The lesser.
    fn min(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The greater.
    fn max(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a & b
    fn and(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a | b
    fn or(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Mask: a = b.
    fn eq(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Mask: a ≥ b.
    fn ge(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// `table[index]`; every index is below 16.
    fn lookup(self, table: Self::Bytes, index: Self::Bytes) -> Self::Bytes;

    /// (77 red + 150 green + 29 blue + 128) >> 8
    fn grey(self, rgb: [Self::Bytes; 3]) -> Self::Bytes;
    /// (w0·p0 + w1·p1 + w2·p2 + 128) >> 8 of `LANES` pixels of four bytes, in their order. The weights add up to 256.
    fn grey_of_pixels(self, from: &[u8], weights: [u8; 3]) -> Self::Bytes;
    /// (a + b + c + d + 2) >> 2
    fn mean(self, of: [Self::Bytes; 4]) -> Self::Bytes;
    /// Mask: p·a + q·b ≥ 0, with a ≤ b and with p and q signed, −7 to 7.
    fn not_negative(self, a: Self::Bytes, b: Self::Bytes, p: Self::Bytes, q: Self::Bytes) -> Self::Bytes;

    /// No sum yet.
    fn no_sum(self) -> Self::Sums;
    /// Adds the bytes.
    fn add_sum(self, to: Self::Sums, of: Self::Bytes) -> Self::Sums;
    /// Adds the squares of the bytes.
    fn add_squares(self, to: Self::Sums, of: Self::Bytes) -> Self::Sums;
    /// Adds the products a·b.
    fn add_products(self, to: Self::Sums, a: Self::Words, b: Self::Words) -> Self::Sums;
    /// The whole sum, of lanes without sign.
    fn total(self, of: Self::Sums) -> u64;
    /// The whole sum, of lanes with sign.
    fn total_signed(self, of: Self::Sums) -> i64;

    /// Bytes 2i, and bytes 2i + 1.
    fn even_odd(self, of: Self::Bytes) -> [Self::Words; 2];
    /// The vector as two of words, in some order that `join` undoes.
    fn halves(self, of: Self::Bytes) -> [Self::Words; 2];
    /// Two vectors of words as one of bytes, each clamped to 0..=255.
    fn join(self, halves: [Self::Words; 2]) -> Self::Bytes;
    /// The first `LANES / 2` bytes of a slice as words, in order.
    fn load_wide(self, from: &[u8]) -> Self::Words;
    /// The first `LANES / 2` words of a slice.
    fn load_words(self, from: &[i16]) -> Self::Words;
    /// Writes `LANES / 2` words.
    fn store_words(self, value: Self::Words, to: &mut [i16]);
    /// One word in every lane.
    fn splat_words(self, value: i16) -> Self::Words;
    /// a + b
    fn add_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a − b
    fn sub_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The low word of a·b.
    fn low_product(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The high word of a·b, with sign.
    fn high_product(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// |a|
    fn abs(self, a: Self::Words) -> Self::Words;
    /// a & b
    fn and_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a | b
    fn or_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a ^ b
    fn xor_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Mask: a > b, with sign.
    fn gt_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Mask: a ≥ b, without sign.
    fn reaches(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a where the mask is set, else b.
    fn select(self, mask: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;
    /// One bit a lane of two masks in order: bit 0 is lane 0 of the first, bit `LANES / 2` lane 0 of the second.
    fn bits(self, masks: [Self::Words; 2]) -> u64;
}
