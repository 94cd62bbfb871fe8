//! Converts luma and chroma to red, green and blue exactly as `pixel` does, with 16-bit words.
//!
//! A coefficient c in 1/65536 is split into 65536·k + f, where f fits a signed 16-bit word. The result is the high word of the sum
//! Σ c·x + 32768. It is computed as Σ k·x, plus the high words of the products f·x, plus the carries of the sums of their low words.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use super::{Frame, Vector, pixel};

/// The two parts of a coefficient: c = 65536·`whole` + `part`.
struct Factor<V: Vector> {
    whole: V::Words,
    part: V::Words,
}

impl<V: Vector> Factor<V> {
    #[inline(always)]
    fn new(v: V, coefficient: i32) -> Self {
        let whole = (coefficient + 32_768) >> 16;
        Factor { whole: v.splat_words(whole as i16), part: v.splat_words((coefficient - (whole << 16)) as i16) }
    }

    /// The high word and the low word of the coefficient times x.
    #[inline(always)]
    fn times(&self, v: V, x: V::Words) -> (V::Words, V::Words) {
        let high = v.add_words(v.high_product(x, self.part), v.low_product(x, self.whole));
        (high, v.low_product(x, self.part))
    }
}

/// The coefficients of one frame, as vectors.
pub(super) struct Yuv<V: Vector> {
    /// The luma that stands for black.
    pub(super) black: u8,
    luma: Factor<V>,
    red: Factor<V>,
    green_u: Factor<V>,
    green_v: Factor<V>,
    blue: Factor<V>,
}

/// What chroma adds to one channel: a high word and a low word. The high word already contains the carry that adding the luma may give;
/// `channel` takes it away again where there is none.
type Term<V> = (<V as Vector>::Words, <V as Vector>::Words);

impl<V: Vector> Yuv<V> {
    #[inline(always)]
    pub(super) fn new(v: V, frame: &Frame<'_>) -> Self {
        let c = pixel::coefficients(frame.matrix(), frame.range());
        Yuv {
            black: c.black as u8,
            luma: Factor::new(v, c.cy),
            red: Factor::new(v, c.rv),
            green_u: Factor::new(v, -c.gu),
            green_v: Factor::new(v, -c.gv),
            blue: Factor::new(v, c.bu),
        }
    }

    /// Red, green and blue of pixels of which two share their Cb and Cr: `luma` is y y y y …, `chroma` is u v u v …. The order of the
    /// pixels changes, in the same way for all three.
    #[inline(always)]
    pub(super) fn rgb_of_pairs(&self, v: V, luma: V::Bytes, chroma: V::Bytes) -> [V::Bytes; 3] {
        let [cb, cr] = v.even_odd(chroma);
        let terms = self.terms(v, cb, cr);
        let [even, odd] = v.even_odd(luma);
        self.join(v, self.pixels(v, even, terms), self.pixels(v, odd, terms))
    }

    /// Red, green and blue, in order, of pixels that each have their own luma and chroma.
    #[inline(always)]
    pub(super) fn rgb(&self, v: V, luma: V::Bytes, cb: V::Bytes, cr: V::Bytes) -> [V::Bytes; 3] {
        let ([y0, y1], [u0, u1], [v0, v1]) = (v.halves(luma), v.halves(cb), v.halves(cr));
        let low = self.pixels(v, y0, self.terms(v, u0, v0));
        let high = self.pixels(v, y1, self.terms(v, u1, v1));
        self.join(v, low, high)
    }

    #[inline(always)]
    fn join(&self, v: V, a: [V::Words; 3], b: [V::Words; 3]) -> [V::Bytes; 3] {
        [v.join([a[0], b[0]]), v.join([a[1], b[1]]), v.join([a[2], b[2]])]
    }

    /// What chroma adds to red, green and blue, together with the 32768 that rounds.
    #[inline(always)]
    fn terms(&self, v: V, cb: V::Words, cr: V::Words) -> [Term<V>; 3] {
        let middle = v.splat_words(128);
        let (cb, cr) = (v.sub_words(cb, middle), v.sub_words(cr, middle));
        let (u_high, u_low) = self.green_u.times(v, cb);
        let (v_high, v_low) = self.green_v.times(v, cr);
        let low = v.add_words(u_low, v_low);
        let high = v.add_words(self.carry(v, u_high, low, u_low), v_high);
        [self.round(v, self.red.times(v, cr)), self.round(v, (high, low)), self.round(v, self.blue.times(v, cb))]
    }

    /// `high` + 1 if adding low words overflowed. `low` is the sum of two low words, and `part` is one of them.
    #[inline(always)]
    fn carry(&self, v: V, high: V::Words, low: V::Words, part: V::Words) -> V::Words {
        // The mask is −1 where the sum did not overflow, and takes the 1 away again.
        v.add_words(v.add_words(high, v.splat_words(1)), v.reaches(low, part))
    }

    /// Adds 32768 for rounding. The 1 that is added to the high word is the one of the later carry.
    #[inline(always)]
    fn round(&self, v: V, (high, low): (V::Words, V::Words)) -> Term<V> {
        let half = v.splat_words(i16::MIN);
        let carried = v.gt_words(v.splat_words(0), low);
        (v.add_words(v.sub_words(high, carried), v.splat_words(1)), v.add_words(low, half))
    }

    /// Red, green and blue, which still have to be clamped to bytes.
    #[inline(always)]
    fn pixels(&self, v: V, luma: V::Words, terms: [Term<V>; 3]) -> [V::Words; 3] {
        let luma = v.sub_words(luma, v.splat_words(i16::from(self.black)));
        let luma = self.luma.times(v, luma);
        [self.channel(v, luma, terms[0]), self.channel(v, luma, terms[1]), self.channel(v, luma, terms[2])]
    }

    #[inline(always)]
    fn channel(&self, v: V, luma: (V::Words, V::Words), (high, low): Term<V>) -> V::Words {
        let sum = v.add_words(luma.1, low);
        v.add_words(v.add_words(luma.0, high), v.reaches(sum, low))
    }
}
