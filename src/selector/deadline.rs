//! The deadline of an input. Once it has passed, a candidate that has already run answers.
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
    /// Sets how long an input may take, counted from its submit. This applies from the next input on. `None` means no limit,
    /// which is also the default.
    ///
    /// Once the deadline has passed, the selector starts no further candidate, and waits for none that works asynchronously. Of
    /// the candidates that have run, the one that comes first in the premodel's fallback list answers, and [`Outcome::late`] is
    /// set. If none has run, the input fails with [`ErrorKind::Deadline`]. The selector checks the deadline before it starts a
    /// candidate, and in each poll that finds an engine still at work. It does not interrupt a network that runs on the caller's
    /// thread.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// How long an input may take.
    #[cfg(feature = "capi")]
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether the deadline has passed.
    pub(super) fn is_due(&self) -> bool {
        self.flight.due.is_some_and(|due| Instant::now() >= due)
    }

    /// Ends the input after its deadline: the most capable candidate that has run answers. `asked_for` is the candidate that is
    /// at work or was about to be started. The walk already counts it as run, but it cannot answer.
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
