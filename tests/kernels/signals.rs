//! Compares the signals kernel with the CPU's summary, and with the same arithmetic in 64-bit floats.

use trt_select::bundle::Scores;
use trt_select::premodel::{self as scores, Summary};
use trt_select_cuda::{SignalsParams, SignalsRecord, TOP_K};

use crate::host::{self, Kernels};
use trt_select_base::random::Rng;

const SEQUENCE: u64 = 77;

/// The largest number of classes for which the kernel is compared with the CPU. With 1001 equal classes the CPU's entropy is 1.1e-5
/// from the true one.
const CPU_CLASSES: usize = 512;

struct Got {
    record: SignalsRecord,
    probabilities: Vec<f32>,
}

fn launch<T>(kernels: &Kernels, scores: &mut [T], logits: bool) -> Got {
    let mut probabilities = vec![f32::NAN; scores.len()];
    let mut record = SignalsRecord { valid: 9, ..SignalsRecord::default() };
    let params = SignalsParams {
        scores: host::address(scores),
        probabilities: host::address(&mut probabilities),
        record: host::address(std::slice::from_mut(&mut record)),
        sequence: SEQUENCE,
        count: scores.len() as u32,
        logits: u32::from(logits),
        half: u32::from(size_of::<T>() == 2),
        reserved: 0,
    };
    // SAFETY: all three buffers outlive the call, and have `count` elements.
    unsafe { kernels.signals(&params) };
    assert_eq!(record.sequence, SEQUENCE);
    Got { record, probabilities }
}

/// Probabilities and normalized entropy, computed in 64-bit floats.
fn exact(scores: &[f32], kind: Scores) -> (Vec<f64>, f64) {
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    let p: Vec<f64> = match kind {
        Scores::Logits => {
            let e: Vec<f64> = scores.iter().map(|&s| (f64::from(s) - f64::from(top)).exp()).collect();
            let sum: f64 = e.iter().sum();
            e.into_iter().map(|e| e / sum).collect()
        }
        _ => scores.iter().map(|&s| f64::from(s).min(1.0)).collect(),
    };
    let nats: f64 = p.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
    let entropy = if p.len() > 1 { (nats / (p.len() as f64).ln()).clamp(0.0, 1.0) } else { 0.0 };
    (p, entropy)
}

/// The largest differences that were seen.
#[derive(Debug, Default)]
struct Worst {
    probability_from_cpu: f64,
    entropy_from_cpu: f64,
    probability: f64,
    entropy: f64,
}

fn check(got: &Got, scores: &[f32], kind: Scores, worst: &mut Worst, what: &str) {
    let mut cpu = vec![0.0; scores.len()];
    let want = scores::summarise(scores, kind, &mut cpu);
    let Some(Summary { class, top1, margin, entropy }) = want else {
        assert_eq!(got.record.valid, 0, "{what}");
        return;
    };
    let r = &got.record;
    assert_eq!(r.valid, 1, "{what}");
    assert_eq!(r.class, class, "{what}");
    let (exact_p, exact_entropy) = exact(scores, kind);
    let near = |worst: &mut f64, a: f64, b: f64, tolerance: f64, name: &str| {
        let d = (a - b).abs();
        *worst = worst.max(d);
        assert!(d <= tolerance, "{what}: {name} is {a}, expected {b}");
    };
    for (&p, &e) in got.probabilities.iter().zip(&exact_p) {
        near(&mut worst.probability, p.into(), e, 1e-6, "probability, exactly");
    }
    near(&mut worst.entropy, r.entropy.into(), exact_entropy, 1e-6, "entropy, exactly");
    // The CPU adds one term after the other in 32 bits. With many classes it is further from the true entropy than the kernel is, so
    // the kernel is then compared only with the true one.
    if scores.len() <= CPU_CLASSES {
        for (&p, &c) in got.probabilities.iter().zip(&cpu) {
            near(&mut worst.probability_from_cpu, p.into(), c.into(), 1e-6, "probability");
        }
        near(&mut worst.probability_from_cpu, r.top1.into(), top1.into(), 1e-6, "top1");
        near(&mut worst.probability_from_cpu, r.margin.into(), margin.into(), 2e-6, "margin");
        near(&mut worst.entropy_from_cpu, r.entropy.into(), entropy.into(), 1e-5, "entropy");
    }
    // The record must hold the classes and probabilities that sorting the written probabilities gives.
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| {
        let p = |i: u32| got.probabilities[i as usize];
        p(b).partial_cmp(&p(a)).unwrap().then(a.cmp(&b))
    });
    let k = scores.len().min(TOP_K);
    assert_eq!(r.top_k as usize, k, "{what}");
    assert_eq!(r.top_classes[..k], order[..k], "{what}");
    for (i, &top) in r.top_probabilities.iter().enumerate() {
        let p = if i < k { got.probabilities[order[i] as usize] } else { 0.0 };
        assert_eq!(top, p, "{what}");
    }
    assert_eq!((r.class, r.top1), (r.top_classes[0], r.top_probabilities[0]), "{what}");
    if k > 1 {
        assert_eq!(r.margin, r.top_probabilities[0] - r.top_probabilities[1], "{what}");
    }
}

#[test]
fn random_scores() {
    let Some(kernels) = host::get() else { return };
    let mut random = Rng::new(4);
    let mut worst = Worst::default();
    let cases = host::cases(2.0);
    for case in 0..cases {
        let count = match random.within(0, 5) {
            0 => random.within(1, 8),
            1 => random.pick(&[10, 255, 256, 257, 1_000, 1_001]),
            2 => random.within(1, 8_000),
            _ => random.within(1, 1_200),
        };
        let spread = random.pick(&[0.0, 0.01, 1.0, 5.0, 20.0, 200.0]);
        let mut scores: Vec<f32> = (0..count)
            .map(|_| {
                let s = (random.unit() + random.unit() + random.unit() - 1.5) * spread;
                // Some scores are rounded to whole numbers, so that several classes have the same score.
                if case % 3 == 0 { s.round() as f32 } else { s as f32 }
            })
            .collect();
        if case % 2 == 0 {
            let got = launch(kernels, &mut scores, true);
            check(&got, &scores, Scores::Logits, &mut worst, &format!("case {case}, {count} logits"));
            let mut half: Vec<half::f16> = scores.iter().map(|&s| half::f16::from_f32(s)).collect();
            let rounded: Vec<f32> = half.iter().map(|h| h.to_f32()).collect();
            let got = launch(kernels, &mut half, true);
            check(&got, &rounded, Scores::Logits, &mut worst, &format!("case {case}, {count} half logits"));
        } else {
            let mut p = vec![0.0; scores.len()];
            scores::summarise(&scores, Scores::Logits, &mut p).unwrap();
            let got = launch(kernels, &mut p, false);
            assert!(got.probabilities.iter().zip(&p).all(|(a, b)| a == b));
            check(&got, &p, Scores::Probabilities, &mut worst, &format!("case {case}, {count} probabilities"));
        }
    }
    println!("{cases} outputs; largest distances: {worst:?}");
}

#[test]
fn degenerate_scores() {
    let Some(kernels) = host::get() else { return };
    let mut worst = Worst::default();
    let spoiled = |at: usize, count: usize, value: f32| {
        let mut s = vec![0.25; count];
        s[at] = value;
        s
    };
    let mut outputs: Vec<Vec<f32>> = vec![
        vec![-3.0],
        vec![0.0],
        vec![1.0],
        vec![-0.0],
        vec![-0.0, 0.0, -0.0],
        vec![0.0; 1_000],
        vec![1.0; 3_000],
        vec![7.5; 300],
        vec![1e30, -1e30, 0.0, 1.0],
        vec![f32::MAX, f32::MIN],
        vec![f32::MIN; 5],
        vec![-90.0, 0.0, -103.9, -104.1, -87.4],
        vec![0.0, 1.001],
        vec![0.0, 1.001_1],
        vec![1.000_5, 1.0, 0.5],
        vec![0.0, -1e-30],
        vec![1e-45, 1e-40, 1e-38, 0.0],
        vec![0.2, 0.3, 0.3, 0.2],
    ];
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.1, 1.1] {
        for (at, count) in [(0, 1), (0, 2), (299, 300), (256, 300), (511, 1_000), (7_999, 8_000)] {
            outputs.push(spoiled(at, count, value));
        }
    }
    for scores in &mut outputs {
        for kind in [Scores::Logits, Scores::Probabilities] {
            let what = format!("{kind:?} {:?} of {}", &scores[..scores.len().min(6)], scores.len());
            let got = launch(kernels, scores, kind == Scores::Logits);
            check(&got, scores, kind, &mut worst, &what);
        }
    }
    let got = launch::<f32>(kernels, &mut [], true);
    assert_eq!(got.record.valid, 0);
    println!("largest distances: {worst:?}");
}

/// Every 16-bit float that is a probability must come out unchanged. Floats that are not finite must be refused.
#[test]
fn every_half() {
    let Some(kernels) = host::get() else { return };
    let mut all: Vec<half::f16> =
        (0..=u16::MAX).map(half::f16::from_bits).filter(|h| (0.0..=1.001).contains(&h.to_f32())).collect();
    assert_eq!(all.len(), 0x3c01 + 2);
    let got = launch(kernels, &mut all, false);
    assert_eq!(got.record.valid, 1);
    for (h, p) in all.iter().zip(&got.probabilities) {
        assert_eq!(p.to_bits(), h.to_f32().min(1.0).to_bits(), "{h:?}");
    }
    for bits in [0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xffff] {
        let mut scores = [half::f16::ZERO, half::f16::from_bits(bits)];
        assert_eq!(launch(kernels, &mut scores, true).record.valid, 0, "{bits:#x}");
    }
    // The largest and the smallest finite 16-bit float.
    let mut scores = [half::f16::MAX, half::f16::MIN];
    let got = launch(kernels, &mut scores, true);
    assert_eq!((got.record.valid, got.record.class, got.record.top1), (1, 0, 1.0));
}
