//! The operations that the algorithms of `generic` ask of an instruction set.
//!
//! An implementation of the trait is a value that can only be made where the CPU has the instructions. Whoever holds one may therefore call
//! its methods, and all of them are safe. Each instruction set has a short file that implements them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

/// Operations on vectors of bytes, and on vectors of 16-bit words (half as many). Arithmetic wraps unless a method says otherwise. A mask
/// is a vector in which the bits of each lane are all 1 or all 0.
pub(super) trait Vector: Copy {
    /// Number of bytes in a vector: 16 or 32.
    const LANES: usize;
    /// A vector of `LANES` bytes.
    type Bytes: Copy;
    /// A vector of `LANES / 2` signed words.
    type Words: Copy;
    /// A vector of 32-bit sums. Which lane adds which element is up to the instruction set.
    type Sums: Copy;

    /// Loads the first `LANES` bytes of a slice. As all loads and stores do, it panics if the slice is shorter.
    fn load(self, from: &[u8]) -> Self::Bytes;
    /// Stores `LANES` bytes at the start of a slice.
    fn store(self, value: Self::Bytes, to: &mut [u8]);
    /// Loads `LANES` pixels of three bytes each, and returns their red, green and blue. The pixels are not in the order of memory, but in
    /// the same order in all three.
    fn load_rgb(self, from: &[u8]) -> [Self::Bytes; 3];
    /// Does the same with pixels of four bytes each, and ignores the fourth byte.
    fn load_rgbx(self, from: &[u8]) -> [Self::Bytes; 3];
    /// Loads `LANES` pairs of bytes, and returns the first byte and the second byte of each. The pairs are not in the order of memory,
    /// but the pairs 2i and 2i + 1 stay neighbours.
    fn load_pairs(self, from: &[u8]) -> [Self::Bytes; 2];
    /// Makes a table of sixteen bytes for `lookup`.
    fn table(self, from: &[u8; 16]) -> Self::Bytes;
    /// A vector that has this byte in every lane.
    fn splat(self, value: u8) -> Self::Bytes;

    /// a − b
    fn sub(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a + b, or 255 if that is more.
    fn add_clamped(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a − b, or 0 if that is less.
    fn sub_clamped(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The smaller of a and b.
    fn min(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The larger of a and b.
    fn max(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a & b
    fn and(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// a | b
    fn or(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Mask of the lanes in which a = b.
    fn eq(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Mask of the lanes in which a ≥ b.
    fn ge(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// `table[index]` for each lane; every index must be below 16.
    fn lookup(self, table: Self::Bytes, index: Self::Bytes) -> Self::Bytes;

    /// (77 red + 150 green + 29 blue + 128) >> 8
    fn grey(self, rgb: [Self::Bytes; 3]) -> Self::Bytes;
    /// (w0·p0 + w1·p1 + w2·p2 + 128) >> 8 for each of `LANES` pixels of four bytes, in their order. The weights must add up to 256.
    fn grey_of_pixels(self, from: &[u8], weights: [u8; 3]) -> Self::Bytes;
    /// (a + b + c + d + 2) >> 2
    fn mean(self, of: [Self::Bytes; 4]) -> Self::Bytes;
    /// Mask of the lanes in which p·a + q·b ≥ 0. There a ≤ b, and p and q are signed numbers from −7 to 7.
    fn not_negative(self, a: Self::Bytes, b: Self::Bytes, p: Self::Bytes, q: Self::Bytes) -> Self::Bytes;

    /// The sum of nothing.
    fn no_sum(self) -> Self::Sums;
    /// Adds the bytes to the sum.
    fn add_sum(self, to: Self::Sums, of: Self::Bytes) -> Self::Sums;
    /// Adds the squares of the bytes to the sum.
    fn add_squares(self, to: Self::Sums, of: Self::Bytes) -> Self::Sums;
    /// Adds the products a·b to the sum.
    fn add_products(self, to: Self::Sums, a: Self::Words, b: Self::Words) -> Self::Sums;
    /// The whole sum, where the lanes hold unsigned numbers.
    fn total(self, of: Self::Sums) -> u64;
    /// The whole sum, where the lanes hold signed numbers.
    fn total_signed(self, of: Self::Sums) -> i64;

    /// The bytes with even numbers and the bytes with odd numbers, as words.
    fn even_odd(self, of: Self::Bytes) -> [Self::Words; 2];
    /// The bytes as two vectors of words, in an order that `join` reverses.
    fn halves(self, of: Self::Bytes) -> [Self::Words; 2];
    /// Two vectors of words as one vector of bytes. Each word is clamped to 0..=255.
    fn join(self, halves: [Self::Words; 2]) -> Self::Bytes;
    /// Loads the first `LANES / 2` bytes of a slice as words, in order.
    fn load_wide(self, from: &[u8]) -> Self::Words;
    /// Loads the first `LANES / 2` words of a slice.
    fn load_words(self, from: &[i16]) -> Self::Words;
    /// Stores `LANES / 2` words at the start of a slice.
    fn store_words(self, value: Self::Words, to: &mut [i16]);
    /// A vector that has this word in every lane.
    fn splat_words(self, value: i16) -> Self::Words;
    /// a + b
    fn add_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a − b
    fn sub_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The low word of the product a·b.
    fn low_product(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The high word of the signed product a·b.
    fn high_product(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The absolute value of a.
    fn abs(self, a: Self::Words) -> Self::Words;
    /// a & b
    fn and_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a | b
    fn or_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a ^ b
    fn xor_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Mask of the lanes in which a > b, as signed numbers.
    fn gt_words(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Mask of the lanes in which a ≥ b, as unsigned numbers.
    fn reaches(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// a in the lanes in which the mask is set, and b in the others.
    fn select(self, mask: Self::Words, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The two masks as one bit per lane, in order: bit 0 is lane 0 of the first mask, and bit `LANES / 2` is lane 0 of the second.
    fn bits(self, masks: [Self::Words; 2]) -> u64;
}
