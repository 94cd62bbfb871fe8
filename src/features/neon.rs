//! NEON: vectors of 16 bytes, and the entry point that is compiled for it.
#![allow(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use trt_select_cuda::Accumulators;

use super::generic::{self, Scratch};
use super::needs::Needs;
use super::vector::Vector;
use crate::frame::Frame;

/// Proves that this CPU has NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neon(());

impl Neon {
    /// A proof, if this CPU has NEON; else `None`.
    pub(super) fn detect() -> Option<Neon> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// Computes the accumulators that are needed.
    pub(super) fn compute(self, frame: &Frame<'_>, needs: Needs, scratch: &mut Scratch, out: &mut Accumulators) {
        // SAFETY: a `Neon` exists only where the CPU has NEON.
        unsafe { compute(self, frame, needs, scratch, out) }
    }
}

#[target_feature(enable = "neon")]
fn compute(v: Neon, frame: &Frame<'_>, needs: Needs, scratch: &mut Scratch, out: &mut Accumulators) {
    generic::compute(v, frame, needs, scratch, out);
}

/// Evaluates an expression of intrinsics that need nothing but NEON.
macro_rules! neon {
    ($body:expr) => {
        // SAFETY: a `Neon` exists only where the CPU has NEON, and every method takes one; no memory is touched.
        unsafe { $body }
    };
}

/// The products a·b of the words, in two vectors of 32-bit numbers.
#[inline(always)]
fn products(a: int16x8_t, b: int16x8_t) -> [int32x4_t; 2] {
    neon!([vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)])
}

/// Unsigned bytes as signed words.
#[inline(always)]
fn words(bytes: uint8x16_t) -> [int16x8_t; 2] {
    neon!([vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))), vreinterpretq_s16_u16(vmovl_high_u8(bytes)),])
}

/// (w0·p0 + w1·p1 + w2·p2 + 128) >> 8
#[inline(always)]
fn weigh([p0, p1, p2]: [uint8x16_t; 3], [w0, w1, w2]: [u8; 3]) -> uint8x16_t {
    neon!({
        let (w0, w1, w2) = (vdupq_n_u8(w0), vdupq_n_u8(w1), vdupq_n_u8(w2));
        let low = vmull_u8(vget_low_u8(p0), vget_low_u8(w0));
        let low = vmlal_u8(low, vget_low_u8(p1), vget_low_u8(w1));
        let low = vmlal_u8(low, vget_low_u8(p2), vget_low_u8(w2));
        let high = vmlal_high_u8(vmlal_high_u8(vmull_high_u8(p0, w0), p1, w1), p2, w2);
        // The shift rounds, which adds the 128. The weights add up to 256, so nothing overflows.
        vcombine_u8(vrshrn_n_u16::<8>(low), vrshrn_n_u16::<8>(high))
    })
}

impl Vector for Neon {
    const LANES: usize = 16;
    type Bytes = uint8x16_t;
    type Words = int16x8_t;
    type Sums = uint32x4_t;

    #[inline(always)]
    fn load(self, from: &[u8]) -> uint8x16_t {
        let from: &[u8; 16] = from.first_chunk().expect("16 bytes");
        // SAFETY: 16 readable bytes, no alignment needed; the CPU has NEON.
        unsafe { vld1q_u8(from.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, value: uint8x16_t, to: &mut [u8]) {
        let to: &mut [u8; 16] = to.first_chunk_mut().expect("16 bytes");
        // SAFETY: 16 writable bytes, no alignment needed; the CPU has NEON.
        unsafe { vst1q_u8(to.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn load_rgb(self, from: &[u8]) -> [uint8x16_t; 3] {
        let from: &[u8; 48] = from.first_chunk().expect("48 bytes");
        // SAFETY: 48 readable bytes, no alignment needed; the CPU has NEON.
        let uint8x16x3_t(red, green, blue) = unsafe { vld3q_u8(from.as_ptr()) };
        [red, green, blue]
    }

    #[inline(always)]
    fn load_rgbx(self, from: &[u8]) -> [uint8x16_t; 3] {
        let from: &[u8; 64] = from.first_chunk().expect("64 bytes");
        // SAFETY: 64 readable bytes, no alignment needed; the CPU has NEON.
        let uint8x16x4_t(red, green, blue, _) = unsafe { vld4q_u8(from.as_ptr()) };
        [red, green, blue]
    }

    #[inline(always)]
    fn load_pairs(self, from: &[u8]) -> [uint8x16_t; 2] {
        let from: &[u8; 32] = from.first_chunk().expect("32 bytes");
        // SAFETY: 32 readable bytes, no alignment needed; the CPU has NEON.
        let uint8x16x2_t(first, second) = unsafe { vld2q_u8(from.as_ptr()) };
        [first, second]
    }

    #[inline(always)]
    fn table(self, from: &[u8; 16]) -> uint8x16_t {
        self.load(from)
    }

    #[inline(always)]
    fn splat(self, value: u8) -> uint8x16_t {
        neon!(vdupq_n_u8(value))
    }

    #[inline(always)]
    fn sub(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vsubq_u8(a, b))
    }

    #[inline(always)]
    fn add_clamped(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vqaddq_u8(a, b))
    }

    #[inline(always)]
    fn sub_clamped(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vqsubq_u8(a, b))
    }

    #[inline(always)]
    fn min(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vminq_u8(a, b))
    }

    #[inline(always)]
    fn max(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vmaxq_u8(a, b))
    }

    #[inline(always)]
    fn and(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vandq_u8(a, b))
    }

    #[inline(always)]
    fn or(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vorrq_u8(a, b))
    }

    #[inline(always)]
    fn eq(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vceqq_u8(a, b))
    }

    #[inline(always)]
    fn ge(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        neon!(vcgeq_u8(a, b))
    }

    #[inline(always)]
    fn lookup(self, table: uint8x16_t, index: uint8x16_t) -> uint8x16_t {
        neon!(vqtbl1q_u8(table, index))
    }

    #[inline(always)]
    fn grey(self, rgb: [uint8x16_t; 3]) -> uint8x16_t {
        weigh(rgb, [77, 150, 29])
    }

    #[inline(always)]
    fn grey_of_pixels(self, from: &[u8], weights: [u8; 3]) -> uint8x16_t {
        weigh(self.load_rgbx(from), weights)
    }

    #[inline(always)]
    fn mean(self, [a, b, c, d]: [uint8x16_t; 4]) -> uint8x16_t {
        neon!({
            let low = vaddq_u16(vaddl_u8(vget_low_u8(a), vget_low_u8(b)), vaddl_u8(vget_low_u8(c), vget_low_u8(d)));
            let high = vaddq_u16(vaddl_high_u8(a, b), vaddl_high_u8(c, d));
            vcombine_u8(vrshrn_n_u16::<2>(low), vrshrn_n_u16::<2>(high))
        })
    }

    #[inline(always)]
    fn not_negative(self, a: uint8x16_t, b: uint8x16_t, p: uint8x16_t, q: uint8x16_t) -> uint8x16_t {
        neon!({
            let (p, q) = (vreinterpretq_s8_u8(p), vreinterpretq_s8_u8(q));
            let ([a0, a1], [b0, b1]) = (words(a), words(b));
            let low = vmulq_s16(a0, vmovl_s8(vget_low_s8(p)));
            let low = vmlaq_s16(low, b0, vmovl_s8(vget_low_s8(q)));
            let high = vmlaq_s16(vmulq_s16(a1, vmovl_high_s8(p)), b1, vmovl_high_s8(q));
            vcombine_u8(vmovn_u16(vcgezq_s16(low)), vmovn_u16(vcgezq_s16(high)))
        })
    }

    #[inline(always)]
    fn no_sum(self) -> uint32x4_t {
        neon!(vdupq_n_u32(0))
    }

    #[inline(always)]
    fn add_sum(self, to: uint32x4_t, of: uint8x16_t) -> uint32x4_t {
        neon!(vpadalq_u16(to, vpaddlq_u8(of)))
    }

    #[inline(always)]
    fn add_squares(self, to: uint32x4_t, of: uint8x16_t) -> uint32x4_t {
        neon!({
            let low = vmull_u8(vget_low_u8(of), vget_low_u8(of));
            vpadalq_u16(vpadalq_u16(to, low), vmull_high_u8(of, of))
        })
    }

    #[inline(always)]
    fn add_products(self, to: uint32x4_t, a: int16x8_t, b: int16x8_t) -> uint32x4_t {
        neon!({
            let low = vmlal_s16(vreinterpretq_s32_u32(to), vget_low_s16(a), vget_low_s16(b));
            vreinterpretq_u32_s32(vmlal_high_s16(low, a, b))
        })
    }

    #[inline(always)]
    fn total(self, of: uint32x4_t) -> u64 {
        neon!(vaddlvq_u32(of))
    }

    #[inline(always)]
    fn total_signed(self, of: uint32x4_t) -> i64 {
        neon!(vaddlvq_s32(vreinterpretq_s32_u32(of)))
    }

    #[inline(always)]
    fn even_odd(self, of: uint8x16_t) -> [int16x8_t; 2] {
        neon!({
            let pairs = vreinterpretq_u16_u8(of);
            let even = vandq_u16(pairs, vdupq_n_u16(0xff));
            [vreinterpretq_s16_u16(even), vreinterpretq_s16_u16(vshrq_n_u16::<8>(pairs))]
        })
    }

    #[inline(always)]
    fn halves(self, of: uint8x16_t) -> [int16x8_t; 2] {
        words(of)
    }

    #[inline(always)]
    fn join(self, [low, high]: [int16x8_t; 2]) -> uint8x16_t {
        neon!(vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)))
    }

    #[inline(always)]
    fn load_wide(self, from: &[u8]) -> int16x8_t {
        let from: &[u8; 8] = from.first_chunk().expect("8 bytes");
        // SAFETY: 8 readable bytes, no alignment needed; the CPU has NEON.
        unsafe { vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from.as_ptr()))) }
    }

    #[inline(always)]
    fn load_words(self, from: &[i16]) -> int16x8_t {
        let from: &[i16; 8] = from.first_chunk().expect("8 words");
        // SAFETY: 16 readable bytes, no alignment needed; the CPU has NEON.
        unsafe { vld1q_s16(from.as_ptr()) }
    }

    #[inline(always)]
    fn store_words(self, value: int16x8_t, to: &mut [i16]) {
        let to: &mut [i16; 8] = to.first_chunk_mut().expect("8 words");
        // SAFETY: 16 writable bytes, no alignment needed; the CPU has NEON.
        unsafe { vst1q_s16(to.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn splat_words(self, value: i16) -> int16x8_t {
        neon!(vdupq_n_s16(value))
    }

    #[inline(always)]
    fn add_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vaddq_s16(a, b))
    }

    #[inline(always)]
    fn sub_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vsubq_s16(a, b))
    }

    #[inline(always)]
    fn low_product(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vmulq_s16(a, b))
    }

    #[inline(always)]
    fn high_product(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        let [low, high] = products(a, b);
        neon!(vcombine_s16(vshrn_n_s32::<16>(low), vshrn_n_s32::<16>(high)))
    }

    #[inline(always)]
    fn abs(self, a: int16x8_t) -> int16x8_t {
        neon!(vabsq_s16(a))
    }

    #[inline(always)]
    fn and_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vandq_s16(a, b))
    }

    #[inline(always)]
    fn or_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vorrq_s16(a, b))
    }

    #[inline(always)]
    fn xor_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(veorq_s16(a, b))
    }

    #[inline(always)]
    fn gt_words(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vreinterpretq_s16_u16(vcgtq_s16(a, b)))
    }

    #[inline(always)]
    fn reaches(self, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!({
            let (a, b) = (vreinterpretq_u16_s16(a), vreinterpretq_u16_s16(b));
            vreinterpretq_s16_u16(vcgeq_u16(a, b))
        })
    }

    #[inline(always)]
    fn select(self, mask: int16x8_t, a: int16x8_t, b: int16x8_t) -> int16x8_t {
        neon!(vbslq_s16(vreinterpretq_u16_s16(mask), a, b))
    }

    #[inline(always)]
    fn bits(self, [low, high]: [int16x8_t; 2]) -> u64 {
        neon!({
            let place = vcombine_u8(vcreate_u8(0x8040_2010_0804_0201), vcreate_u8(0x8040_2010_0804_0201));
            let masks = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
            let bits = vandq_u8(vreinterpretq_u8_s8(masks), place);
            let (low, high) = (vaddv_u8(vget_low_u8(bits)), vaddv_u8(vget_high_u8(bits)));
            u64::from(low) | u64::from(high) << 8
        })
    }
}
