//! The user's own signals, by slots that stay the same whichever premodel is in use.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{Board, Premodel, Signal, SignalId};

use super::Selector;

/// Where a user's own signal is written. It means the same signal as long as the selector lives, also after a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalSlot(u16);

/// One signal of the user's.
struct Own {
    name: String,
    value: f32,
    /// Its place in the premodel in use, where that one knows it.
    at: Option<SignalId>,
}

/// Every own signal that a premodel of this selector has ever named. A slot is a place in this list.
#[derive(Default)]
pub(super) struct OwnSignals(Vec<Own>);

impl OwnSignals {
    /// Finds the signals of a premodel that is put to use, and writes to its board what the user has set before.
    pub(super) fn use_with(&mut self, premodel: &Premodel, board: &mut Board) {
        self.0.iter_mut().for_each(|own| own.at = None);
        for (at, signal) in (0_u16..).zip(premodel.signals()) {
            let Signal::User(name) = signal else { continue };
            match self.0.iter_mut().find(|own| own.name == *name) {
                Some(own) => {
                    own.at = Some(SignalId(at));
                    board.set(SignalId(at), own.value);
                }
                None => self.0.push(Own { name: name.clone(), value: f32::NAN, at: Some(SignalId(at)) }),
            }
        }
    }
}

impl Selector {
    /// The slot of a user's own signal (named without `signal.`), or `None` where the premodel has none of that name.
    pub fn signal_slot(&self, name: &str) -> Option<SignalSlot> {
        let at = self.own.0.iter().position(|own| own.name == name && own.at.is_some())?;
        Some(SignalSlot(at as u16))
    }

    /// Sets a user's own signal. It stays until it is set again; before the first time it is NaN, which takes the else
    /// branch of every test. A signal that the premodel in use does not know is kept for one that does: see [`Selector::reload`].
    pub fn set_signal(&mut self, slot: SignalSlot, value: f32) {
        let Some(own) = self.own.0.get_mut(usize::from(slot.0)) else { return };
        own.value = value;
        if let Some(at) = own.at {
            self.board.set(at, value);
        }
    }

    /// The names of all own signals that its premodels have named, in the order of their slots.
    #[cfg(feature = "capi")]
    pub(crate) fn own_signals(&self) -> impl Iterator<Item = (&str, SignalSlot)> {
        (0_u16..).zip(&self.own.0).map(|(at, own)| (own.name.as_str(), SignalSlot(at)))
    }

    /// The slot of a number that C holds.
    #[cfg(feature = "capi")]
    pub(crate) fn slot_of_number(&self, number: u32) -> Option<SignalSlot> {
        let number = u16::try_from(number).ok()?;
        (usize::from(number) < self.own.0.len()).then_some(SignalSlot(number))
    }
}
