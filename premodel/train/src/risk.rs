//! How often a candidate is wrong when it answers with a class.
//!
//! ```text
//! risk(class) = (lost(class) + PRIOR · mean) / (rows(class) + PRIOR),   lost = Σ (1 − reward)
//! ```
//! over the rows on which it answered with this class, which count by their weights. The fewer rows a class has, the closer its risk is to the mean of all. A row that
//! helped to make a table would find its own reward in it. So the training rows are dealt into parts, and each row is looked up
//! in a table that was made from the other parts.

use trt_select_base::random::Rng;

use super::Profile;

/// The mean weighs as much as this many rows of a class.
const PRIOR: f64 = 20.0;

/// Parts that the training rows are dealt into.
const PARTS: usize = 5;

/// The risk of a candidate's answers by class, from some rows.
pub(super) fn by_class(profile: &Profile, candidate: usize, rows: impl Iterator<Item = u32>) -> Vec<f32> {
    let classes = profile.classes() as usize;
    let (mut lost, mut seen) = (vec![0.0_f64; classes], vec![0.0_f64; classes]);
    for row in rows {
        let class = profile.answers[candidate][row as usize] as usize;
        let weight = profile.weight(row as usize);
        lost[class] += weight * (1.0 - f64::from(profile.rewards[candidate][row as usize]));
        seen[class] += weight;
    }
    let all: f64 = seen.iter().sum();
    let mean = if all > 0.0 { lost.iter().sum::<f64>() / all } else { 0.0 };
    lost.iter().zip(&seen).map(|(l, n)| ((l + PRIOR * mean) / (n + PRIOR)) as f32).collect()
}

/// The risk of what a candidate answered on each row of the profile, for training on `rows`. `whole` is the risk by class from all
/// of these rows.
pub(super) fn by_row(profile: &Profile, candidate: usize, rows: &[u32], whole: &[f32], seed: u64) -> Vec<f32> {
    let answers = &profile.answers[candidate];
    let mut values: Vec<f32> = answers.iter().map(|&class| whole[class as usize]).collect();
    let mut rng = Rng::new(seed ^ 0x815C);
    let part_of: Vec<usize> = rows.iter().map(|_| rng.below(PARTS)).collect();
    for part in 0..PARTS {
        let in_parts = || rows.iter().copied().zip(part_of.iter().copied());
        let others = in_parts().filter(|&(_, p)| p != part).map(|(row, _)| row);
        let others = by_class(profile, candidate, others);
        for (row, _) in in_parts().filter(|&(_, p)| p == part) {
            values[row as usize] = others[answers[row as usize] as usize];
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_by_their_weights() {
        // One class; the row that is wrong weighs three times as much as each of the others: 3/6 · 4 rows are 2, and so are 1/2 · 4.
        let parse = |text: &str| Profile::parse("t", text.as_bytes()).unwrap();
        let weighted = parse("input,weight,a.reward,a.answer\n1,3,0,0\n2,1,1,0\n3,1,1,0\n4,1,1,0\n");
        let half = parse("input,a.reward,a.answer\n1,0,0\n2,0,0\n3,1,0\n4,1,0\n");
        assert_eq!(by_class(&weighted, 0, 0..4), by_class(&half, 0, 0..4));
    }

    #[test]
    fn rare_classes_are_near_the_mean() {
        // Class 0: 80 rows, 20 wrong. Class 1: 2 rows, both wrong. Mean: 22 of 82.
        let mut text = std::string::String::from("input,a.reward,a.answer\n");
        for row in 0..82 {
            let (reward, class) = if row < 80 { (u8::from(row >= 20), 0) } else { (0, 1) };
            text += &format!("r{row},{reward},{class}\n");
        }
        let profile = Profile::parse("t", text.as_bytes()).unwrap();
        let mean = 22.0 / 82.0;
        let risk = by_class(&profile, 0, 0..82);
        assert!((f64::from(risk[0]) - (20.0 + 20.0 * mean) / 100.0).abs() < 1e-6);
        assert!((f64::from(risk[1]) - (2.0 + 20.0 * mean) / 22.0).abs() < 1e-6);
        // A row outside the training rows sees the whole table; one inside never its own reward.
        let rows: Vec<u32> = (0..81).collect();
        let whole = by_class(&profile, 0, 0..81);
        let column = by_row(&profile, 0, &rows, &whole, 1);
        assert_eq!(column[81], whole[1]);
        assert!(column[80] < whole[1], "the one row of its class finds the mean alone");
    }
}
