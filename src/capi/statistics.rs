//! Counts of what a selector has done so far. One thread at a time counts, and any thread may read the counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use trt_select_premodel::{Answer, CandidateId, MAX_CANDIDATES};

use super::sized::Sized_;
use crate::selector::Outcome;

/// The number of buckets of the histogram of latencies.
pub const TRTSEL_LATENCY_BUCKETS: usize = 40;

/// Counts since the selector was opened or its counts were reset. Sums of times are in nanoseconds.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_statistics {
    /// `sizeof(trtsel_statistics)`; set it before the call.
    pub struct_size: u32,
    /// Reserved; 0.
    pub reserved: u32,
    /// Inputs submitted.
    pub inputs: u64,
    /// Inputs that got a result.
    pub answered: u64,
    /// Inputs that ended with an error.
    pub failed: u64,
    /// Inputs that were cancelled, or given up by a reset.
    pub cancelled: u64,
    /// Results in which an average answered.
    pub averages: u64,
    /// Results with `TRTSEL_LATE`.
    pub late: u64,
    /// Inputs that were not done by their deadline: those with a result that has `TRTSEL_LATE` or took longer, and those that
    /// ended with `TRTSEL_DEADLINE`.
    pub deadline_misses: u64,
    /// Results whose true class was told by `trtsel_selector_feedback`.
    pub fed_back: u64,
    /// The results among `fed_back` that were right.
    pub right: u64,
    /// The sum of the latencies. A latency is the time from submit to the result.
    pub latency_sum_ns: u64,
    /// The smallest latency; 0 before the first result.
    pub latency_min_ns: u64,
    /// The largest latency.
    pub latency_max_ns: u64,
    /// The sum of `features_ns` of all results.
    pub features_sum_ns: u64,
    /// The sum of `decide_ns` of all results.
    pub decide_sum_ns: u64,
    /// The sum of `preprocess_ns` of all results.
    pub preprocess_sum_ns: u64,
    /// The sum of `compute_ns` of all results.
    pub compute_sum_ns: u64,
    /// Bucket k counts the latencies from 2^k to 2^(k+1) - 1 ns. Bucket 0 also counts a latency of 0, and the last bucket all
    /// larger ones.
    pub latency_histogram: [u64; TRTSEL_LATENCY_BUCKETS],
}

/// Counts of one candidate.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_candidate_statistics {
    /// `sizeof(trtsel_candidate_statistics)`; set it before the call.
    pub struct_size: u32,
    /// Reserved; 0.
    pub reserved: u32,
    /// Inputs on which the candidate ran without failing.
    pub runs: u64,
    /// Inputs on which the candidate failed.
    pub failures: u64,
    /// Inputs that the candidate answered alone.
    pub answers: u64,
    /// Runs on inputs whose true class was told by `trtsel_selector_feedback`.
    pub fed_back: u64,
    /// The runs among `fed_back` in which the candidate's most probable class was the true one, whether or not the candidate
    /// answered.
    pub right: u64,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_statistics {
    const FIRST: usize = 136;
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_candidate_statistics {
    const FIRST: usize = 48;
}

/// A number that one thread at a time writes and any thread reads. Since there is a single writer, a load and a store suffice to
/// add to it, which is cheaper than an atomic addition.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, value: u64) {
        self.set(self.get().wrapping_add(value));
    }

    pub(super) fn count(&self) {
        self.add(1);
    }
}

/// The counters of one candidate.
#[derive(Default)]
struct OfCandidate {
    runs: Counter,
    failures: Counter,
    answers: Counter,
    fed_back: Counter,
    right: Counter,
}

/// The counters of a selector. Only calls that may change the selector write them, so there is one writer at a time.
pub(super) struct Statistics {
    pub(super) inputs: Counter,
    answered: Counter,
    pub(super) failed: Counter,
    pub(super) cancelled: Counter,
    averages: Counter,
    late: Counter,
    pub(super) deadline_misses: Counter,
    fed_back: Counter,
    right: Counter,
    latency_sum: Counter,
    /// `u64::MAX` before the first result.
    latency_min: Counter,
    latency_max: Counter,
    features: Counter,
    decide: Counter,
    preprocess: Counter,
    compute: Counter,
    histogram: [Counter; TRTSEL_LATENCY_BUCKETS],
    candidates: [OfCandidate; MAX_CANDIDATES],
}

impl Statistics {
    pub(super) fn new() -> Statistics {
        let statistics = Statistics {
            inputs: Counter::default(),
            answered: Counter::default(),
            failed: Counter::default(),
            cancelled: Counter::default(),
            averages: Counter::default(),
            late: Counter::default(),
            deadline_misses: Counter::default(),
            fed_back: Counter::default(),
            right: Counter::default(),
            latency_sum: Counter::default(),
            latency_min: Counter::default(),
            latency_max: Counter::default(),
            features: Counter::default(),
            decide: Counter::default(),
            preprocess: Counter::default(),
            compute: Counter::default(),
            histogram: [const { Counter(AtomicU64::new(0)) }; TRTSEL_LATENCY_BUCKETS],
            candidates: Default::default(),
        };
        statistics.latency_min.set(u64::MAX);
        statistics
    }

    pub(super) fn reset(&self) {
        let all = [
            &self.inputs,
            &self.answered,
            &self.failed,
            &self.cancelled,
            &self.averages,
            &self.late,
            &self.deadline_misses,
            &self.fed_back,
            &self.right,
            &self.latency_sum,
            &self.latency_max,
            &self.features,
            &self.decide,
            &self.preprocess,
            &self.compute,
        ];
        let candidates = self.candidates.iter().flat_map(|c| [&c.runs, &c.failures, &c.answers, &c.fed_back, &c.right]);
        all.into_iter().chain(&self.histogram).chain(candidates).for_each(|c| c.set(0));
        self.latency_min.set(u64::MAX);
    }

    /// Counts an input that got a result.
    pub(super) fn outcome(&self, o: &Outcome, deadline: Option<Duration>) {
        self.answered.count();
        let total = o.times.total_ns;
        if o.late {
            self.late.count();
        }
        if o.late || deadline.is_some_and(|deadline| Duration::from_nanos(total) > deadline) {
            self.deadline_misses.count();
        }
        self.latency_sum.add(total);
        if total < self.latency_min.get() {
            self.latency_min.set(total);
        }
        if total > self.latency_max.get() {
            self.latency_max.set(total);
        }
        self.features.add(o.times.features_ns);
        self.decide.add(o.times.decide_ns);
        self.preprocess.add(o.times.preprocess_ns);
        self.compute.add(o.times.compute_ns);
        let bucket = (total | 1).ilog2() as usize;
        self.histogram[bucket.min(TRTSEL_LATENCY_BUCKETS - 1)].count();
        // `Mask::iter` looks at every candidate that there may be. This runs for every input, so it goes from set bit to set bit
        // instead.
        let mut ran = o.ran.0;
        while ran != 0 {
            self.candidates[ran.trailing_zeros() as usize].runs.count();
            ran &= ran - 1;
        }
        if !o.failed.is_empty() {
            for c in o.failed.iter() {
                self.candidates[c.index()].failures.count();
            }
        }
        match o.answer {
            Answer::Candidate(c) => self.candidates[c.index()].answers.count(),
            Answer::Average(_) => self.averages.count(),
        }
    }

    /// Counts the true class of a result. `class_of` gives the class that a candidate found most probable.
    pub(super) fn feedback(&self, o: &Outcome, class: u32, class_of: impl Fn(CandidateId) -> u32) {
        self.fed_back.count();
        if o.class == class {
            self.right.count();
        }
        for c in o.ran.iter() {
            let counters = &self.candidates[c.index()];
            counters.fed_back.count();
            if class_of(c) == class {
                counters.right.count();
            }
        }
    }

    /// The counts of one candidate.
    pub(super) fn of_candidate(&self, candidate: usize) -> trtsel_candidate_statistics {
        let c = &self.candidates[candidate];
        trtsel_candidate_statistics {
            struct_size: 0,
            reserved: 0,
            runs: c.runs.get(),
            failures: c.failures.get(),
            answers: c.answers.get(),
            fed_back: c.fed_back.get(),
            right: c.right.get(),
        }
    }

    /// The counts of the selector. Another thread may count meanwhile, so they may not all belong to the same moment.
    pub(super) fn snapshot(&self) -> trtsel_statistics {
        trtsel_statistics {
            struct_size: 0,
            reserved: 0,
            inputs: self.inputs.get(),
            answered: self.answered.get(),
            failed: self.failed.get(),
            cancelled: self.cancelled.get(),
            averages: self.averages.get(),
            late: self.late.get(),
            deadline_misses: self.deadline_misses.get(),
            fed_back: self.fed_back.get(),
            right: self.right.get(),
            latency_sum_ns: self.latency_sum.get(),
            latency_min_ns: match self.latency_min.get() {
                u64::MAX => 0,
                min => min,
            },
            latency_max_ns: self.latency_max.get(),
            features_sum_ns: self.features.get(),
            decide_sum_ns: self.decide.get(),
            preprocess_sum_ns: self.preprocess.get(),
            compute_sum_ns: self.compute.get(),
            latency_histogram: std::array::from_fn(|at| self.histogram[at].get()),
        }
    }
}
