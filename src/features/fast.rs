//! Corners: FAST-9/16 (Rosten and Drummond, *Machine learning for high-speed corner detection*, ECCV 2006). Every corner counts; there is
//! no suppression of non-maxima.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

/// How much brighter or darker than the centre the cells on the circle must be.
pub(super) const THRESHOLD: i16 = 20;

/// The sixteen cells on the circle of radius 3, as (x, y) from the centre, in their order around it.
pub(super) const CIRCLE: [(i32, i32); 16] = [
    (0, 3),
    (1, 3),
    (2, 2),
    (3, 1),
    (3, 0),
    (3, -1),
    (2, -2),
    (1, -3),
    (0, -3),
    (-1, -3),
    (-2, -2),
    (-3, -1),
    (-3, 0),
    (-3, 1),
    (-2, 2),
    (-1, 3),
];

/// Whether at least nine neighbouring bits are set, where the last bit is a neighbour of the first.
fn nine_in_a_row(bits: u16) -> bool {
    let m = u32::from(bits) | u32::from(bits) << 16;
    let two = m & m >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & m >> 8 != 0
}

/// Number of corners on a grid with `width` cells in a row.
pub(super) fn keypoints(grey: &[u8], width: usize, height: usize) -> u64 {
    if width < 7 || height < 7 || grey.len() < width * height {
        return 0;
    }
    let at = |x: usize, y: usize, (cx, cy): (i32, i32)| -> i16 {
        let i = (y as i32 + cy) as usize * width + (x as i32 + cx) as usize;
        i16::from(grey[i])
    };
    let mut count = 0;
    for y in 3..height - 3 {
        for x in 3..width - 3 {
            let centre = i16::from(grey[y * width + x]);
            let (low, high) = (centre - THRESHOLD, centre + THRESHOLD);
            // Nine neighbours on the circle include at least one of any two cells that face each other.
            let far = |v: i16| v < low || v > high;
            let faces = |a: usize| far(at(x, y, CIRCLE[a])) || far(at(x, y, CIRCLE[a + 8]));
            if !faces(0) || !faces(4) {
                continue;
            }
            let (mut bright, mut dark) = (0u16, 0u16);
            for (i, &offset) in CIRCLE.iter().enumerate() {
                let v = at(x, y, offset);
                bright |= u16::from(v > high) << i;
                dark |= u16::from(v < low) << i;
            }
            count += u64::from(nine_in_a_row(bright) || nine_in_a_row(dark));
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_a_row_for_every_pattern() {
        for bits in 0..=u16::MAX {
            let naive = (0..16).any(|start| (0..9).all(|i| bits >> ((start + i) % 16) & 1 == 1));
            assert_eq!(nine_in_a_row(bits), naive, "{bits:016b}");
        }
    }

    #[test]
    fn a_dot_is_a_corner_and_the_threshold_is_strict() {
        let mut grid = [100u8; 49];
        grid[24] = 121;
        assert_eq!(keypoints(&grid, 7, 7), 1);
        grid[24] = 120;
        assert_eq!(keypoints(&grid, 7, 7), 0);
        assert_eq!(keypoints(&grid[..42], 7, 6), 0);
        assert_eq!(keypoints(&[], 7, 7), 0);
    }
}
