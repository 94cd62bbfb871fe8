//! Which accumulators the features are computed from.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use trt_select_cuda::Accumulators;

use super::{FEATURES, Groups};

/// A set of flags that says which accumulators to compute. It is finer than [`Groups`], so that a program that reads few features costs
/// little.
///
/// ```
/// use trt_select::features::{Groups, Needs, feature_index};
///
/// let brightness = Needs::of_features(feature_index("brightness_average"));
/// assert!(Needs::WHOLE.contains(brightness) && !brightness.contains(Needs::WHOLE));
/// assert_eq!(brightness.groups(), Groups::WHOLE);
/// assert_eq!(Needs::from_bits(brightness.bits()), brightness);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Needs(u32);

/// Each flag with its name.
const NAMES: [(Needs, &str); 10] = [
    (Needs::GREY, "GREY"),
    (Needs::CLIP, "CLIP"),
    (Needs::RGB, "RGB"),
    (Needs::RGB_SQUARES, "RGB_SQUARES"),
    (Needs::CHROMA, "CHROMA"),
    (Needs::HUE, "HUE"),
    (Needs::LAPLACIAN, "LAPLACIAN"),
    (Needs::KEYPOINTS, "KEYPOINTS"),
    (Needs::EDGES, "EDGES"),
    (Needs::ANGLES, "ANGLES"),
];

impl Needs {
    /// No accumulator.
    pub const NONE: Needs = Needs(0);
    /// The accumulators `sum_grey` and `sum_sq_grey`.
    pub const GREY: Needs = Needs(1);
    /// The accumulators `dark` and `bright`.
    pub const CLIP: Needs = Needs(1 << 1);
    /// The accumulator `sum_rgb`.
    pub const RGB: Needs = Needs(1 << 2);
    /// The accumulator `sum_sq_rgb`.
    pub const RGB_SQUARES: Needs = Needs(1 << 3);
    /// The accumulator `sum_chroma`.
    pub const CHROMA: Needs = Needs(1 << 4);
    /// The accumulator `hue`.
    pub const HUE: Needs = Needs(1 << 5);
    /// The accumulators `inner_cells`, `sum_laplacian` and `sum_sq_laplacian`.
    pub const LAPLACIAN: Needs = Needs(1 << 6);
    /// The accumulator `keypoints`.
    pub const KEYPOINTS: Needs = Needs(1 << 7);
    /// The accumulators `edge_cells`, `edge_length`, `object_width` and `object_height`.
    pub const EDGES: Needs = Needs(1 << 8);
    /// The accumulator `edge_angle`.
    pub const ANGLES: Needs = Needs(1 << 9);
    /// All accumulators of the whole-frame group. Each flag of the group also fills `pixels`.
    pub const WHOLE: Needs = Needs(0x3f);
    /// All accumulators of the grid group. Each flag of the group also fills `cells`.
    pub const GRID: Needs = Needs(0x3c0);
    /// All accumulators.
    pub const ALL: Needs = Needs(0x3ff);

    /// Whether this set has every flag of `other`.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether this set has any flag of `other`.
    pub const fn intersects(self, other: Needs) -> bool {
        self.0 & other.0 != 0
    }

    /// The flags that are in either set.
    pub const fn union(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether the set has no flag.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The accumulators that the features with these indices are computed from. Indices that no feature has are ignored.
    pub fn of_features(indices: impl IntoIterator<Item = usize>) -> Needs {
        indices.into_iter().filter_map(|i| FEATURES.get(i)).fold(Needs::NONE, |set, info| set | info.needs)
    }

    /// The groups of which this set has a flag.
    pub const fn groups(self) -> Groups {
        match (self.intersects(Needs::WHOLE), self.intersects(Needs::GRID)) {
            (true, true) => Groups::ALL,
            (true, false) => Groups::WHOLE,
            (false, true) => Groups::GRID,
            (false, false) => Groups::NONE,
        }
    }

    /// The set as a number, whose bits are in the order of the constants.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with this number. Bits that stand for no flag are ignored.
    pub const fn from_bits(bits: u32) -> Needs {
        Needs(bits & Needs::ALL.0)
    }

    /// The same accumulators, with each that is not needed set to 0.
    pub fn only(self, of: &Accumulators) -> Accumulators {
        let mut out = *of;
        // For each flag that is not in the set, the accumulators of this flag become 0.
        let lacks = |flag: Needs| !self.contains(flag);
        if lacks(Needs::GREY) {
            (out.sum_grey, out.sum_sq_grey) = (0, 0);
        }
        if lacks(Needs::CLIP) {
            (out.dark, out.bright) = (0, 0);
        }
        if lacks(Needs::RGB) {
            out.sum_rgb = [0; 3];
        }
        if lacks(Needs::RGB_SQUARES) {
            out.sum_sq_rgb = [0; 3];
        }
        if lacks(Needs::CHROMA) {
            out.sum_chroma = 0;
        }
        if lacks(Needs::HUE) {
            out.hue = Default::default();
        }
        if lacks(Needs::LAPLACIAN) {
            (out.inner_cells, out.sum_laplacian, out.sum_sq_laplacian) = (0, 0, 0);
        }
        if lacks(Needs::KEYPOINTS) {
            out.keypoints = 0;
        }
        if lacks(Needs::EDGES) {
            (out.edge_cells, out.edge_length, out.object_width, out.object_height) = (0, Default::default(), 0, 0);
        }
        if lacks(Needs::ANGLES) {
            out.edge_angle = Default::default();
        }
        if !self.intersects(Needs::WHOLE) {
            out.pixels = 0;
        }
        if !self.intersects(Needs::GRID) {
            out.cells = 0;
        }
        out
    }
}

impl From<Groups> for Needs {
    fn from(groups: Groups) -> Needs {
        let whole = if groups.contains(Groups::WHOLE) { Needs::WHOLE } else { Needs::NONE };
        let grid = if groups.contains(Groups::GRID) { Needs::GRID } else { Needs::NONE };
        whole | grid
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        self.union(other)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Needs) {
        *self = self.union(other);
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("NONE");
        }
        let mut separator = "";
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FEATURE_COUNT, derive, feature_index};

    #[test]
    fn names_and_groups() {
        assert_eq!(NAMES.iter().fold(Needs::NONE, |set, (flag, _)| set | *flag), Needs::ALL);
        assert_eq!(Needs::WHOLE | Needs::GRID, Needs::ALL);
        assert_eq!(format!("{:?} {:?}", Needs::NONE, Needs::HUE | Needs::ANGLES), "NONE HUE | ANGLES");
        for groups in [Groups::NONE, Groups::WHOLE, Groups::GRID, Groups::ALL] {
            assert_eq!(Needs::from(groups).groups(), groups);
        }
        assert_eq!(Needs::from_bits(u32::MAX), Needs::ALL);
    }

    #[test]
    fn the_needs_of_a_feature_lie_in_its_group() {
        for (i, info) in FEATURES.iter().enumerate() {
            assert!(!info.needs.is_empty(), "{}", info.name);
            assert_eq!(Needs::of_features([i]).groups(), info.group, "{}", info.name);
        }
        let at = |name| feature_index(name).unwrap();
        assert_eq!(Needs::of_features([at("contrast"), at("hue1")]), Needs::GREY | Needs::HUE);
        assert_eq!(Needs::of_features([usize::MAX]), Needs::NONE);
    }

    /// A feature is the same whether it is computed from what it needs or from all accumulators. If any one flag that it needs is left
    /// out, it is not the same.
    #[test]
    fn a_feature_needs_what_it_says_and_no_less() {
        let all = Accumulators {
            pixels: 100,
            sum_rgb: [5_000, 6_000, 7_000],
            sum_sq_rgb: [300_000, 400_000, 500_000],
            sum_grey: 6_000,
            sum_sq_grey: 390_000,
            sum_chroma: 900,
            hue: [1, 2, 3, 4, 5, 6, 7],
            dark: 9,
            bright: 8,
            cells: 90,
            inner_cells: 50,
            sum_laplacian: -70,
            sum_sq_laplacian: 9_000,
            keypoints: 3,
            edge_cells: 28,
            edge_angle: [1, 2, 3, 4, 5, 6, 7],
            edge_length: [7, 6, 5, 4, 3, 2, 1],
            object_width: 6,
            object_height: 5,
        };
        let value = |needs: Needs, i: usize| {
            let mut out = [f32::NAN; FEATURE_COUNT];
            derive(&needs.only(&all), &mut out);
            out[i]
        };
        for (i, info) in FEATURES.iter().enumerate() {
            assert_eq!(value(info.needs, i), value(Needs::ALL, i), "{}", info.name);
            for (flag, name) in NAMES.iter().filter(|(flag, _)| info.needs.contains(*flag)) {
                let less = Needs::from_bits(info.needs.bits() & !flag.bits());
                assert_ne!(value(less, i), value(Needs::ALL, i), "{} without {name}", info.name);
            }
        }
    }
}
