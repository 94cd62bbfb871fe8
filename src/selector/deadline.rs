//! An input's deadline: past it, what has run by then answers.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::time::{Duration, Instant};

use trt_select_premodel::{Answer, CandidateId, Mask};

use super::{Outcome, Selector, State};
use crate::error::{Error, ErrorKind, Result};

const TOO_LATE: Error = Error::from_static(
    ErrorKind::Deadline,
    "selector: expected an answer before the deadline, got none; no candidate had run by then: allow more time",
);

impl Selector {
    /// Sets how long an input may take from its submit on, from the next input on; `None`, as it is after open, sets no limit.
    ///
    /// Past its deadline no further candidate is started and none that works on its own is waited for: of the candidates that
    /// ran, the one that comes first in the premodel's fallback list answers, and [`Outcome::late`] tells. Where none ran,
    /// the input fails with [`ErrorKind::Deadline`]. The clock is read between candidates and in each poll: a
    /// network that runs on the caller's thread is not interrupted.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    pub(super) fn is_due(&self) -> bool {
        self.flight.due.is_some_and(|due| Instant::now() >= due)
    }

    /// Answers with what has run, the candidate that was asked for or is under way left out.
    pub(super) fn cut_short(&mut self, asked_for: Option<CandidateId>) -> Result<Option<Outcome>> {
        let without = asked_for.map_or(Mask::EMPTY, Mask::of);
        let ran = self.flight.walk.ran().without(without);
        let best = self.premodel().fallback().iter().copied().find(|&c| ran.has(c));
        let outcome = match best.or_else(|| ran.iter().next()) {
            Some(best) => {
                self.flight.watch.computed();
                self.outcome(Answer::Candidate(best), Some(without))
            }
            None => Err(TOO_LATE),
        };
        self.flight.state = State::Abandoned;
        outcome
    }
}
