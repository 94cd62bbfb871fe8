//! temp
#![allow(unreachable_pub, missing_docs)]
use std::vec;
use std::vec::Vec;
use crate::CandidateId;

pub(super) type Member = (CandidateId, f32, f32);
#[derive(Clone, Debug, PartialEq)]
pub struct TopK { pub k: usize, pub classes: Vec<Vec<u32>>, pub probabilities: Vec<Vec<f32>> }
#[derive(Clone, Copy, Debug, Default)]
pub struct Mixture { pub class: u32, pub top1: f32, pub margin: f32 }
impl TopK {
    pub fn with_rows(&self, rows: &[usize]) -> TopK {
        let k = self.k;
        TopK { k, classes: self.classes.iter().map(|c| rows.iter().flat_map(|r| c[r*k..(r+1)*k].to_vec()).collect()).collect(),
          probabilities: self.probabilities.iter().map(|c| rows.iter().flat_map(|r| c[r*k..(r+1)*k].to_vec()).collect()).collect() }
    }
    pub fn scratch(&self) -> Vec<(u32, f32)> { vec![] }
    pub fn mixture(&self, row: usize, members: &[Member], scratch: &mut Vec<(u32, f32)>) -> Mixture {
        scratch.clear();
        let k = self.k;
        for &(c, w, t) in members {
            let p = &self.probabilities[c.index()][row*k..(row+1)*k];
            let n = &self.classes[c.index()][row*k..(row+1)*k];
            let mut sum = 0.0; let mut mass = 0.0; let mut cnt = 0.0;
            for (&p, &n) in p.iter().zip(n) { if n != u32::MAX { sum += p.powf(1.0/t); mass += p; cnt += 1.0; } }
            let others = 1000.0 - cnt;
            if others > 0.0 { sum += others * ((1.0f32 - mass).max(0.0)/others).max(1e-12).powf(1.0/t); }
            for (&p, &n) in p.iter().zip(n) { if n != u32::MAX {
                let q = w * p.powf(1.0/t) / sum;
                match scratch.iter_mut().find(|s| s.0 == n) { Some(s) => s.1 += q, None => scratch.push((n, q)) }
            } }
        }
        let (mut best, mut second) = ((0, -1.0), -1.0);
        for &(n, q) in scratch.iter() { if q > best.1 || (q == best.1 && n < best.0) { second = best.1; best = (n, q); } else if q > second { second = q; } }
        Mixture { class: best.0, top1: best.1, margin: best.1 - second.max(0.0) }
    }
}
