//! The user's own signals. Each has a slot that stays the same when another premodel is put to use.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{Board, Premodel, Signal, SignalId};

use super::Selector;

/// The slot of one of the user's own signals. It stands for the same signal for as long as the selector lives, also after a
/// reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalSlot(u16);

/// One of the user's own signals.
struct Own {
    name: String,
    value: f32,
    /// The signal's id in the premodel in use; `None` if that premodel does not have the signal.
    at: Option<SignalId>,
}

/// All own signals that any premodel of this selector has named so far. A slot is an index into this list.
#[derive(Default)]
pub(super) struct OwnSignals(Vec<Own>);

impl OwnSignals {
    /// Finds the own signals of a premodel that is being put to use, and writes the values that the user has already set to its
    /// board.
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
    /// The slot of the user's own signal with this name, without the prefix `signal.`; `None` if the premodel has no such signal.
    pub fn signal_slot(&self, name: &str) -> Option<SignalSlot> {
        let at = self.own.0.iter().position(|own| own.name == name && own.at.is_some())?;
        Some(SignalSlot(at as u16))
    }

    /// Sets the value of one of the user's own signals. The value stays until it is set again. A signal that was never set is
    /// NaN, and every test of it takes the else branch. If the premodel in use does not have the signal, the value is kept for a
    /// later premodel that has it: see [`Selector::reload`].
    pub fn set_signal(&mut self, slot: SignalSlot, value: f32) {
        let Some(own) = self.own.0.get_mut(usize::from(slot.0)) else { return };
        own.value = value;
        if let Some(at) = own.at {
            self.board.set(at, value);
        }
    }

    /// The names of all own signals that any premodel of this selector has named, in the order of their slots, and whether the
    /// premodel in use has them.
    #[cfg(feature = "capi")]
    pub(crate) fn own_signals(&self) -> impl Iterator<Item = (&str, bool)> {
        self.own.0.iter().map(|own| (own.name.as_str(), own.at.is_some()))
    }

    /// The slot with this number, by which C programs name it; `None` if there is no such slot.
    #[cfg(feature = "capi")]
    pub(crate) fn slot_of_number(&self, number: u32) -> Option<SignalSlot> {
        let number = u16::try_from(number).ok()?;
        (usize::from(number) < self.own.0.len()).then_some(SignalSlot(number))
    }
}
