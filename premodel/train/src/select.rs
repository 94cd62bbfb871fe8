//! Which candidates are worth keeping: Algorithm 1 of *Adaptive Selection of Deep Learning Models on Embedded Systems*.

use trt_select_premodel::CandidateId;

use super::Profile;

/// One candidate that was kept, in the order of keeping.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Kept {
    /// The candidate.
    pub candidate: CandidateId,
    /// Share of inputs that this candidate or one kept before it gets right.
    pub union_accuracy: f64,
    /// What it added to that share.
    pub gain: f64,
}

/// Starts with the candidate that is the cheapest right one for most inputs; then takes the inputs that no kept candidate
/// gets right, and adds the one most often right on those; stops when the gain in union accuracy falls below `theta`
/// (0.005 is half a point). A reward of 0.5 or more counts as right; inputs count by their weights. Ties go to the cheaper one. The costs may be in any unit.
///
/// ```
/// use trt_select_train::{Profile, algorithm_1};
///
/// // b is right where a is, and on one row more; c adds nothing.
/// let csv = "input,a.reward,b.reward,c.reward\nx,1,1,0\ny,1,1,1\nz,0,1,0\n";
/// let kept = algorithm_1(&Profile::parse("p.csv", csv.as_bytes())?, &[1.0, 2.0, 3.0], 0.005);
/// let names: Vec<u8> = kept.iter().map(|k| k.candidate.0).collect();
/// assert_eq!((names, kept[1].union_accuracy), (vec![0, 1], 1.0));
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
///
/// # Panics
/// If there are fewer costs than candidates.
pub fn algorithm_1(profile: &Profile, costs: &[f64], theta: f64) -> Vec<Kept> {
    let (n, rows) = (profile.candidates.len(), profile.rows());
    let right = |c: usize, row: usize| profile.rewards[c][row] >= 0.5;
    let mut by_cost: Vec<usize> = (0..n).collect();
    by_cost.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    let most = |count: &[f64]| by_cost.iter().copied().rev().max_by(|&a, &b| count[a].total_cmp(&count[b]));

    let weight = |rows: &[usize]| rows.iter().map(|&row| profile.weight(row)).sum::<f64>();

    let mut optimal = vec![0.0; n];
    for row in 0..rows {
        if let Some(&c) = by_cost.iter().find(|&&c| right(c, row)) {
            optimal[c] += profile.weight(row);
        }
    }
    let mut kept: Vec<Kept> = Vec::new();
    let mut open: Vec<usize> = (0..rows).collect();
    let all = weight(&open);
    let mut next = most(&optimal);
    while let Some(c) = next {
        let left: Vec<usize> = open.iter().copied().filter(|&row| !right(c, row)).collect();
        let gain = (weight(&open) - weight(&left)) / all;
        if !kept.is_empty() && (gain < theta || left.len() == open.len()) {
            break;
        }
        open = left;
        let union_accuracy = 1.0 - weight(&open) / all;
        kept.push(Kept { candidate: CandidateId(c as u8), union_accuracy, gain });
        let mut count = vec![0.0; n];
        for &row in &open {
            for (c, count) in count.iter_mut().enumerate() {
                if right(c, row) {
                    *count += profile.weight(row);
                }
            }
        }
        next = most(&count).filter(|&c| count[c] > 0.0);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_by_what_is_added() {
        // Rows:        0 1 2 3 4 5 6 7 8 9
        // a (cost 1)   1 1 1 1 1 0 0 0 0 0
        // b (cost 2)   1 1 1 1 1 1 1 1 0 0   adds 3 to a
        // c (cost 3)   0 0 0 0 0 0 1 1 1 0   adds 3 to a, 1 to a and b
        let mut text = std::string::String::from("input,a.reward,b.reward,c.reward\n");
        for row in 0..10 {
            let (a, b, c) = (row < 5, row < 8, (6..9).contains(&row));
            text += &format!("r{row},{},{},{}\n", u8::from(a), u8::from(b), u8::from(c));
        }
        let profile = Profile::parse("t", text.as_bytes()).unwrap();
        let names = |theta| {
            let kept = algorithm_1(&profile, &[1.0, 2.0, 3.0], theta);
            kept.iter().map(|k| (k.candidate.0, (k.union_accuracy * 10.0).round() as u32)).collect::<Vec<_>>()
        };
        assert_eq!(names(0.0), [(0, 5), (1, 8), (2, 9)]);
        assert_eq!(names(0.2), [(0, 5), (1, 8)]);
        assert_eq!(names(0.5), [(0, 5)]);
    }
}
