//! The side file of a profile: the most probable classes of each candidate.

use std::fmt::Write as _;

use trt_select::premodel::CandidateId;
use trt_select::{CandidateInfo, CandidateSet, Error, ErrorKind, Result};

use super::line;

/// Probabilities below this are left out.
const LEAST: f32 = 1e-6;

/// The comments and the header line of the side file. Its comments are those of the profile, and `k`.
pub(super) fn header(comments: &[String], candidates: &[CandidateInfo], k: usize) -> Result<Vec<u8>> {
    let comments: String = comments.iter().flat_map(|c| [c, "\n"]).collect();
    let mut text = format!("# trt-select most probable classes\n{comments}# k: {k}\n").into_bytes();
    let columns = candidates.iter().map(|c| format!("{}.topk", c.name()));
    text.extend(line(&std::iter::once("input".to_owned()).chain(columns).collect::<Vec<_>>())?);
    Ok(text)
}

/// The line of one sample, with its newline: the most probable classes of every candidate's last run. `order` is scratch memory.
pub(super) fn row(name: String, set: &CandidateSet, k: usize, order: &mut Vec<u32>) -> Result<Vec<u8>> {
    let mut fields = vec![name];
    for candidate in (0_u8..).map(CandidateId).take(set.as_slice().len()) {
        fields.push(cell(set.probabilities(candidate), k, order)?);
    }
    line(&fields)
}

/// The `k` most probable classes as `class:probability` pairs, the most probable one first. Of classes with the same probability,
/// the lower number comes first.
fn cell(probabilities: &[f32], k: usize, order: &mut Vec<u32>) -> Result<String> {
    order.clear();
    order.extend((0..).zip(probabilities).filter(|&(_, &p)| p >= LEAST).map(|(class, _): (u32, _)| class));
    let by_rank = |a: &u32, b: &u32| {
        let p = |class: u32| probabilities[class as usize];
        p(*b).total_cmp(&p(*a)).then(a.cmp(b))
    };
    if order.len() > k {
        order.select_nth_unstable_by(k - 1, by_rank);
        order.truncate(k);
    }
    order.sort_unstable_by(by_rank);
    let mut text = String::new();
    for &class in order.iter() {
        let space = if text.is_empty() { "" } else { " " };
        let p = rounded(probabilities[class as usize]).ok_or_else(|| {
            Error::from_static(
                ErrorKind::Engine,
                "network output: expected finite probabilities, got others; check the model",
            )
        })?;
        let _ = write!(text, "{space}{class}:{p}");
    }
    Ok(text)
}

/// The probability rounded to six significant digits, but at most 1; `None` if it is not finite.
fn rounded(p: f32) -> Option<f32> {
    format!("{p:.5e}").parse().ok().filter(|p: &f32| p.is_finite()).map(|p| p.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_the_most_probable_classes() {
        let cell = |p: &[f32], k| super::cell(p, k, &mut Vec::new()).unwrap();
        assert_eq!(cell(&[0.1, 0.2, 0.3, 0.4], 3), "3:0.4 2:0.3 1:0.2");
        assert_eq!(cell(&[0.25; 4], 3), "0:0.25 1:0.25 2:0.25", "of equals the first ones");
        assert_eq!(cell(&[0.25, 0.5, 0.25], 16), "1:0.5 0:0.25 2:0.25");
        assert_eq!(cell(&[1.0, 9e-7, 0.0], 3), "0:1");
        assert_eq!(cell(&[0.123_456_7, 0.876_543_3, 1.234_567_8e-6], 3), "1:0.876543 0:0.123457 2:0.00000123457");
        assert_eq!(cell(&[0.999_999_9, 1.0], 1), "1:1");
        assert_eq!(cell(&[0.0, 0.0], 2), "");
        assert_eq!(rounded(1.0005), Some(1.0));
        assert_eq!((rounded(f32::NAN), rounded(f32::INFINITY)), (None, None));
    }
}
