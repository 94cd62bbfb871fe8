//! An input in flight, as Rust programs hold it.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::time::Duration;

use super::{Outcome, Selector};
use crate::error::Result;
use crate::input::Input;

/// An input in flight. Dropping it gives the input up. If an engine is then still at work on the input, the selector waits for it
/// before it takes the next input.
#[derive(Debug)]
pub struct InFlight<'s, 'i> {
    pub(super) selector: &'s mut Selector,
    pub(super) input: Input<'i>,
}

impl InFlight<'_, '_> {
    /// Takes every decision whose signals are there, and starts the candidates that these decisions ask for. `None` means that an
    /// engine or a device is still at work.
    ///
    /// This never waits for an engine that works asynchronously. An engine that works on the caller's thread (tract, ONNX
    /// Runtime) runs inside this call, and a candidate that was evicted is loaded inside it (see
    /// [`GpuConfig::max_resident_bytes`](crate::GpuConfig::max_resident_bytes)).
    ///
    /// The failure of a candidate is no error of this call: the most capable candidate that works answers, and
    /// [`Outcome::failed`] has the candidates that failed.
    ///
    /// # Errors
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the input does not fit the network, [`ErrorKind::Deadline`](crate::ErrorKind::Deadline) if the deadline passed before any
    /// candidate had run, and [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the outcome was already given. If no candidate works, the error of the last
    /// one that failed; if a device cannot compute the features, the device's error.
    pub fn poll(&mut self) -> Result<Option<Outcome>> {
        self.selector.poll_input(&self.input)
    }

    /// Polls until the outcome is there or `timeout` has passed. In the second case this returns `None`, and the input stays in
    /// flight. The clock is read after each poll, so an engine that works on the caller's thread is not interrupted.
    ///
    /// # Errors
    /// The errors of [`InFlight::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Outcome>> {
        let clock = self.selector.flight.watch.clock();
        let (started, timeout_ns) = (clock.now(), u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        loop {
            if let Some(outcome) = self.poll()? {
                return Ok(Some(outcome));
            }
            if clock.ns_between(started, clock.now()) >= timeout_ns {
                return Ok(None);
            }
            std::hint::spin_loop();
        }
    }
}
