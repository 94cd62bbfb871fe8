//! AVX2: vectors of 32 bytes, and the entry points that are compiled for it.
#![allow(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::arch::x86_64::*;

use trt_select_cuda::Accumulators;

use super::generic::{self, Scratch};
use super::needs::Needs;
use super::vector::Vector;
use crate::frame::Frame;

/// Proves that this CPU has AVX2, and also POPCNT, BMI1 and BMI2, which every CPU with AVX2 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// A proof, if this CPU has all of these; else `None`.
    pub(super) fn detect() -> Option<Avx2> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        all.then_some(Avx2(()))
    }

    /// Computes the accumulators that are needed.
    pub(super) fn compute(self, frame: &Frame<'_>, needs: Needs, scratch: &mut Scratch, out: &mut Accumulators) {
        // SAFETY: an `Avx2` exists only where the CPU has all of these features.
        unsafe { compute(self, frame, needs, scratch, out) }
    }
}

#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn compute(v: Avx2, frame: &Frame<'_>, needs: Needs, scratch: &mut Scratch, out: &mut Accumulators) {
    generic::compute(v, frame, needs, scratch, out);
}

/// Evaluates an expression of intrinsics that need nothing but AVX2.
macro_rules! avx2 {
    ($body:expr) => {
        // SAFETY: an `Avx2` exists only where the CPU has AVX2, and every method takes one; no memory is touched.
        unsafe { $body }
    };
}

/// A vector of the 16 bytes at `at` and the 16 bytes at `at + apart`.
#[inline(always)]
fn two_lanes(from: &[u8], at: usize, apart: usize) -> __m256i {
    let low: &[u8; 16] = from[at..].first_chunk().expect("the caller checked the length");
    let high: &[u8; 16] = from[at + apart..].first_chunk().expect("the caller checked the length");
    // SAFETY: both point to 16 readable bytes, and the loads need no alignment. Only methods of `Avx2` call this.
    unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) }
}

/// A vector whose two halves are both these sixteen bytes.
#[inline(always)]
fn twice(bytes: [u8; 16]) -> __m256i {
    // SAFETY: any 16 bytes are an `__m128i`. Only methods of `Avx2` call this.
    unsafe { _mm256_broadcastsi128_si256(std::mem::transmute::<[u8; 16], __m128i>(bytes)) }
}

/// Sixteen bytes: 0xff in every third one, beginning with byte `first`, and 0 in the others.
const fn every_third(first: usize) -> [u8; 16] {
    let mut mask = [0; 16];
    let mut i = first;
    while i < 16 {
        mask[i] = 0xff;
        i += 3;
    }
    mask
}

/// Sixteen indices for a shuffle that rotates: byte i of its result is byte (i + `by`) mod 16 of its input.
const fn rotated(by: u8) -> [u8; 16] {
    let mut from = [0; 16];
    let mut i = 0;
    while i < 16 {
        from[i] = (i as u8 + by) % 16;
        i += 1;
    }
    from
}

/// Grey of eight pixels of four bytes each, as eight 32-bit numbers.
#[inline(always)]
fn grey_of_eight(pixels: __m256i, weights: __m256i) -> __m256i {
    // This works as `grey` does, with a whole pixel in 32 bits: 128 is subtracted from each channel, and since the weights add up to 256,
    // 128 · 256 is added to the sum. Only methods of `Avx2` call this.
    avx2!({
        let pairs = _mm256_maddubs_epi16(weights, _mm256_xor_si256(pixels, _mm256_set1_epi8(-128)));
        let sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        _mm256_srli_epi32::<8>(_mm256_add_epi32(sum, _mm256_set1_epi32(128 * 256 + 128)))
    })
}

impl Vector for Avx2 {
    const LANES: usize = 32;
    type Bytes = __m256i;
    type Words = __m256i;
    type Sums = __m256i;

    #[inline(always)]
    fn load(self, from: &[u8]) -> __m256i {
        let from: &[u8; 32] = from.first_chunk().expect("32 bytes");
        // SAFETY: 32 readable bytes, no alignment needed; the CPU has AVX2.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, value: __m256i, to: &mut [u8]) {
        let to: &mut [u8; 32] = to.first_chunk_mut().expect("32 bytes");
        // SAFETY: 32 writable bytes, no alignment needed; the CPU has AVX2.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }

    #[inline(always)]
    fn load_rgb(self, from: &[u8]) -> [__m256i; 3] {
        let from = &from[..96];
        // In each half, byte j of `a` holds channel j mod 3, byte j of `b` channel (j + 1) mod 3, and byte j of `c` channel
        // (j + 2) mod 3. The blends gather each channel; the channel of a pixel is then at byte (3 × pixel + channel) mod 16. Rotating
        // green by 1 and blue by 2 brings the three channels of each pixel into the same lane.
        let (a, b, c) = (two_lanes(from, 0, 48), two_lanes(from, 16, 48), two_lanes(from, 32, 48));
        let (m0, m1, m2) = (twice(every_third(0)), twice(every_third(1)), twice(every_third(2)));
        let (one, two) = (twice(rotated(1)), twice(rotated(2)));
        avx2!({
            let red = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, m2), c, m1);
            let green = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, m0), c, m2);
            let blue = _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, m1), c, m0);
            [red, _mm256_shuffle_epi8(green, one), _mm256_shuffle_epi8(blue, two)]
        })
    }

    #[inline(always)]
    fn load_rgbx(self, from: &[u8]) -> [__m256i; 3] {
        let from = &from[..128];
        let by_channel = twice([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
        let (a, b) = (self.load(from), self.load(&from[32..]));
        let (c, d) = (self.load(&from[64..]), self.load(&from[96..]));
        avx2!({
            let (a, b) = (_mm256_shuffle_epi8(a, by_channel), _mm256_shuffle_epi8(b, by_channel));
            let (c, d) = (_mm256_shuffle_epi8(c, by_channel), _mm256_shuffle_epi8(d, by_channel));
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd), _mm256_unpacklo_epi64(ab_high, cd_high)]
        })
    }

    #[inline(always)]
    fn load_pairs(self, from: &[u8]) -> [__m256i; 2] {
        let from = &from[..64];
        let (a, b) = (self.load(from), self.load(&from[32..]));
        avx2!({
            let low = _mm256_set1_epi16(0xff);
            [
                _mm256_packus_epi16(_mm256_and_si256(a, low), _mm256_and_si256(b, low)),
                _mm256_packus_epi16(_mm256_srli_epi16::<8>(a), _mm256_srli_epi16::<8>(b)),
            ]
        })
    }

    #[inline(always)]
    fn table(self, from: &[u8; 16]) -> __m256i {
        twice(*from)
    }

    #[inline(always)]
    fn splat(self, value: u8) -> __m256i {
        avx2!(_mm256_set1_epi8(value as i8))
    }

    #[inline(always)]
    fn sub(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_sub_epi8(a, b))
    }

    #[inline(always)]
    fn add_clamped(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_adds_epu8(a, b))
    }

    #[inline(always)]
    fn sub_clamped(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_subs_epu8(a, b))
    }

    #[inline(always)]
    fn min(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_min_epu8(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_max_epu8(a, b))
    }

    #[inline(always)]
    fn and(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_and_si256(a, b))
    }

    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_or_si256(a, b))
    }

    #[inline(always)]
    fn eq(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_cmpeq_epi8(a, b))
    }

    #[inline(always)]
    fn ge(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a))
    }

    #[inline(always)]
    fn lookup(self, table: __m256i, index: __m256i) -> __m256i {
        avx2!(_mm256_shuffle_epi8(table, index))
    }

    #[inline(always)]
    fn grey(self, [red, green, blue]: [__m256i; 3]) -> __m256i {
        avx2!({
            // With 128 subtracted from each channel, the sum of the products of two channels fits a signed 16-bit number. The weights
            // add up to 256, so the grey comes out 128 too small.
            let off = _mm256_set1_epi8(-128);
            let red_green = _mm256_set1_epi16((150 << 8 | 77) as u16 as i16);
            let blue_only = _mm256_set1_epi16(29);
            let (r, g, b) = (_mm256_xor_si256(red, off), _mm256_xor_si256(green, off), _mm256_xor_si256(blue, off));
            let low = _mm256_add_epi16(
                _mm256_maddubs_epi16(red_green, _mm256_unpacklo_epi8(r, g)),
                _mm256_maddubs_epi16(blue_only, _mm256_unpacklo_epi8(b, b)),
            );
            let high = _mm256_add_epi16(
                _mm256_maddubs_epi16(red_green, _mm256_unpackhi_epi8(r, g)),
                _mm256_maddubs_epi16(blue_only, _mm256_unpackhi_epi8(b, b)),
            );
            // The instruction multiplies and rounds: with the factor 1/256 it gives (x + 128) >> 8.
            let scale = _mm256_set1_epi16(1 << 7);
            let grey = _mm256_packs_epi16(_mm256_mulhrs_epi16(low, scale), _mm256_mulhrs_epi16(high, scale));
            _mm256_xor_si256(grey, off)
        })
    }

    #[inline(always)]
    fn grey_of_pixels(self, from: &[u8], [w0, w1, w2]: [u8; 3]) -> __m256i {
        let from = &from[..128];
        let weights = avx2!(_mm256_set1_epi32(i32::from_le_bytes([w0, w1, w2, 0])));
        let (a, b) = (grey_of_eight(self.load(from), weights), grey_of_eight(self.load(&from[32..]), weights));
        let (c, d) = (grey_of_eight(self.load(&from[64..]), weights), grey_of_eight(self.load(&from[96..]), weights));
        avx2!({
            let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
            _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        })
    }

    #[inline(always)]
    fn mean(self, [a, b, c, d]: [__m256i; 4]) -> __m256i {
        avx2!({
            let one = _mm256_set1_epi8(1);
            let two = _mm256_set1_epi16(2);
            let low = _mm256_add_epi16(
                _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), one),
                _mm256_maddubs_epi16(_mm256_unpacklo_epi8(c, d), one),
            );
            let high = _mm256_add_epi16(
                _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), one),
                _mm256_maddubs_epi16(_mm256_unpackhi_epi8(c, d), one),
            );
            let (low, high) = (_mm256_add_epi16(low, two), _mm256_add_epi16(high, two));
            _mm256_packus_epi16(_mm256_srli_epi16::<2>(low), _mm256_srli_epi16::<2>(high))
        })
    }

    #[inline(always)]
    fn not_negative(self, a: __m256i, b: __m256i, p: __m256i, q: __m256i) -> __m256i {
        avx2!({
            let low = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(p, q));
            let high = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(p, q));
            _mm256_cmpgt_epi8(_mm256_packs_epi16(low, high), _mm256_set1_epi8(-1))
        })
    }

    #[inline(always)]
    fn no_sum(self) -> __m256i {
        avx2!(_mm256_setzero_si256())
    }

    #[inline(always)]
    fn add_sum(self, to: __m256i, of: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(to, _mm256_sad_epu8(of, _mm256_setzero_si256())))
    }

    #[inline(always)]
    fn add_squares(self, to: __m256i, of: __m256i) -> __m256i {
        avx2!({
            let even = _mm256_and_si256(of, _mm256_set1_epi16(0xff));
            let odd = _mm256_srli_epi16::<8>(of);
            let both = _mm256_add_epi32(_mm256_madd_epi16(even, even), _mm256_madd_epi16(odd, odd));
            _mm256_add_epi32(to, both)
        })
    }

    #[inline(always)]
    fn add_products(self, to: __m256i, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(to, _mm256_madd_epi16(a, b)))
    }

    #[inline(always)]
    fn total(self, of: __m256i) -> u64 {
        avx2!({
            let even = _mm256_and_si256(of, _mm256_set1_epi64x(0xffff_ffff));
            let both = _mm256_add_epi64(even, _mm256_srli_epi64::<32>(of));
            let half = _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
            _mm_cvtsi128_si64(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half))) as u64
        })
    }

    #[inline(always)]
    fn total_signed(self, of: __m256i) -> i64 {
        avx2!({
            let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(of));
            let both = _mm256_add_epi64(low, _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(of)));
            let half = _mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
            _mm_cvtsi128_si64(_mm_add_epi64(half, _mm_unpackhi_epi64(half, half)))
        })
    }

    #[inline(always)]
    fn even_odd(self, of: __m256i) -> [__m256i; 2] {
        avx2!([_mm256_and_si256(of, _mm256_set1_epi16(0xff)), _mm256_srli_epi16::<8>(of)])
    }

    #[inline(always)]
    fn halves(self, of: __m256i) -> [__m256i; 2] {
        avx2!({
            let zero = _mm256_setzero_si256();
            [_mm256_unpacklo_epi8(of, zero), _mm256_unpackhi_epi8(of, zero)]
        })
    }

    #[inline(always)]
    fn join(self, [low, high]: [__m256i; 2]) -> __m256i {
        avx2!(_mm256_packus_epi16(low, high))
    }

    #[inline(always)]
    fn load_wide(self, from: &[u8]) -> __m256i {
        let from: &[u8; 16] = from.first_chunk().expect("16 bytes");
        // SAFETY: 16 readable bytes, no alignment needed; the CPU has AVX2.
        unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_words(self, from: &[i16]) -> __m256i {
        let from: &[i16; 16] = from.first_chunk().expect("16 words");
        // SAFETY: 32 readable bytes, no alignment needed; the CPU has AVX2.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store_words(self, value: __m256i, to: &mut [i16]) {
        let to: &mut [i16; 16] = to.first_chunk_mut().expect("16 words");
        // SAFETY: 32 writable bytes, no alignment needed; the CPU has AVX2.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
    }

    #[inline(always)]
    fn splat_words(self, value: i16) -> __m256i {
        avx2!(_mm256_set1_epi16(value))
    }

    #[inline(always)]
    fn add_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_add_epi16(a, b))
    }

    #[inline(always)]
    fn sub_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_sub_epi16(a, b))
    }

    #[inline(always)]
    fn low_product(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_mullo_epi16(a, b))
    }

    #[inline(always)]
    fn high_product(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_mulhi_epi16(a, b))
    }

    #[inline(always)]
    fn abs(self, a: __m256i) -> __m256i {
        avx2!(_mm256_abs_epi16(a))
    }

    #[inline(always)]
    fn and_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_and_si256(a, b))
    }

    #[inline(always)]
    fn or_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_or_si256(a, b))
    }

    #[inline(always)]
    fn xor_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_xor_si256(a, b))
    }

    #[inline(always)]
    fn gt_words(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_cmpgt_epi16(a, b))
    }

    #[inline(always)]
    fn reaches(self, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_cmpeq_epi16(_mm256_max_epu16(a, b), a))
    }

    #[inline(always)]
    fn select(self, mask: __m256i, a: __m256i, b: __m256i) -> __m256i {
        avx2!(_mm256_blendv_epi8(b, a, mask))
    }

    #[inline(always)]
    fn bits(self, [low, high]: [__m256i; 2]) -> u64 {
        avx2!({
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(low, high));
            u64::from(_mm256_movemask_epi8(bytes) as u32)
        })
    }
}
