//! Ranges for NVIDIA's profilers, behind the feature `nvtx`: an input from its submission to its outcome, its features, each decision, and
//! each candidate. Without the feature this is nothing, and costs nothing.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::CandidateId;

use crate::candidate::CandidateInfo;

#[cfg(feature = "nvtx")]
mod shown {
    use super::{CandidateId, CandidateInfo};
    use std::ffi::{CStr, CString};
    use trt_select_cuda::nvtx;

    /// The names of the candidates' ranges, and which ranges are open.
    #[derive(Debug, Default)]
    pub(in super::super) struct Ranges {
        names: Vec<CString>,
        input: Option<u64>,
        features: Option<u64>,
        candidate: Option<u64>,
    }

    impl Ranges {
        pub(in super::super) fn new(candidates: &[CandidateInfo]) -> Ranges {
            // The first call looks for a profiler, which is not for the hot path.
            nvtx::is_heard();
            // Names of candidates have no zero bytes.
            let names = candidates.iter().map(|c| CString::new(c.name()).unwrap_or_default()).collect();
            Ranges { names, ..Ranges::default() }
        }

        /// An input is submitted. What is still open belongs to one that was given up.
        #[inline]
        pub(in super::super) fn submit(&mut self) {
            self.done();
            self.input = Some(nvtx::start(c"trt-select input"));
        }

        #[inline]
        pub(in super::super) fn features(&mut self) {
            self.features = Some(nvtx::start(c"trt-select features"));
        }

        #[inline]
        pub(in super::super) fn features_done(&mut self) {
            end(&mut self.features);
        }

        #[inline]
        pub(in super::super) fn run(&mut self, candidate: CandidateId) {
            let name: &CStr = self.names.get(candidate.index()).map_or(c"", |name| name);
            self.candidate = Some(nvtx::start(name));
        }

        #[inline]
        pub(in super::super) fn run_done(&mut self) {
            end(&mut self.candidate);
        }

        /// The decision that is taken until the guard is dropped.
        #[inline]
        pub(in super::super) fn decide(&self) -> nvtx::Pushed {
            nvtx::push(c"trt-select decide")
        }

        /// The input has its outcome, or is given up.
        #[inline]
        pub(in super::super) fn done(&mut self) {
            [&mut self.candidate, &mut self.features, &mut self.input].into_iter().for_each(end);
        }
    }

    #[inline]
    fn end(range: &mut Option<u64>) {
        if let Some(id) = range.take() {
            nvtx::end(id);
        }
    }
}

#[cfg(not(feature = "nvtx"))]
mod shown {
    use super::{CandidateId, CandidateInfo};

    #[derive(Debug, Default)]
    pub(in super::super) struct Ranges;

    /// Stands for a range that ends when it is dropped.
    pub(in super::super) struct Nothing;

    /// What would be shown in a profiler: nothing.
    #[allow(clippy::unused_self, reason = "the feature `nvtx` uses it")]
    impl Ranges {
        pub(in super::super) fn new(_: &[CandidateInfo]) -> Ranges {
            Ranges
        }

        #[inline(always)]
        pub(in super::super) fn submit(&mut self) {}

        #[inline(always)]
        pub(in super::super) fn features(&mut self) {}

        #[inline(always)]
        pub(in super::super) fn features_done(&mut self) {}

        #[inline(always)]
        pub(in super::super) fn run(&mut self, _: CandidateId) {}

        #[inline(always)]
        pub(in super::super) fn run_done(&mut self) {}

        #[inline(always)]
        pub(in super::super) fn decide(&self) -> Nothing {
            Nothing
        }

        #[inline(always)]
        pub(in super::super) fn done(&mut self) {}
    }
}

pub(super) use shown::Ranges;
