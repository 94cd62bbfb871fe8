//! Replaces the premodel of an open selector. The networks stay loaded and warmed up, and keep their memory.
#![forbid(unsafe_code)]

use std::path::Path;
use std::time::SystemTime;

use trt_select_premodel::{Control, Premodel};

use super::prepared::Prepared;
use super::{Selector, premodel_of};
use crate::bundle::{Bundle, CandidateSpec, FILE_NAME};
use crate::candidates::CandidateSet;
use crate::device;
use crate::error::{Error, ErrorKind, Result};

/// A record of a bundle's networks. Comparing two of them tells whether a bundle still names the networks that were opened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Networks(Vec<(CandidateSpec, [Option<Stamp>; 2])>);

/// Size and modification time of a file. They tell whether another network was put under the same name.
type Stamp = (u64, Option<SystemTime>);

impl Networks {
    pub(super) fn of(bundle: &Bundle) -> Networks {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.len(), m.modified().ok()));
        let stamps = |spec: &CandidateSpec| [spec.onnx.as_deref().and_then(stamp), stamp(&spec.plan_path(bundle))];
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let spec_of = |spec: &CandidateSpec| {
            let mut spec = spec.clone();
            // Paths are made canonical, since the same folder can be named in several ways. Costs are left out, since a cost that
            // was measured again does not make another network.
            spec.onnx = spec.onnx.as_deref().map(canonical);
            spec.plan = Some(canonical(&spec.plan_path(bundle)));
            spec.cost_ns = None;
            spec
        };
        Networks(bundle.candidates.iter().map(|spec| (spec_of(spec), stamps(spec))).collect())
    }
}

/// Checks whether a premodel was trained for another engine, precision or device. If so, this is an error if `strict` is set;
/// otherwise a warning is logged.
pub(super) fn check_trained_for(premodel: &Premodel, set: &CandidateSet, strict: bool) -> Result<()> {
    let Some(first) = set.as_slice().first() else { return Ok(()) };
    match device::differs_from(&premodel.trained_for, first, &set.device()) {
        Some(difference) if strict => Err(Error::new(ErrorKind::Premodel, difference)),
        Some(difference) => {
            log::warn!("{difference}");
            Ok(())
        }
        None => Ok(()),
    }
}

impl Selector {
    /// Replaces the premodel with another one for the same candidates, between two inputs. The networks and the deadline stay as
    /// they are, and so do the slots and the values of the user's own signals. This allocates, and frees the memory of the old
    /// premodel. After an error the old premodel is still in use.
    ///
    /// A price that was set ([`Selector::set_price`]) chooses among the programs of the new premodel, and the multipliers of the
    /// candidates' costs stay. A program that was set by its number does not stay, since the number may mean another program now.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use trt_select::{OpenConfig, Selector, bundle::Bundle, read_premodel};
    /// let bundle = Bundle::read("plans/fashion".as_ref())?;
    /// let (mut selector, _) = Selector::open(&bundle, &OpenConfig::default())?;
    /// // After some inputs, a premodel that was trained again takes over.
    /// selector.reload(read_premodel("premodel-of-today.json".as_ref())?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Selector::new`]. If the selector was opened with [`OpenConfig::strict`](crate::OpenConfig::strict), also
    /// [`ErrorKind::Premodel`] if the premodel was trained for something else.
    pub fn reload(&mut self, premodel: Premodel) -> Result<()> {
        check_trained_for(&premodel, &self.set, self.strict)?;
        let (prepared, mut board) = Prepared::new(premodel, self.set.as_slice())?;
        self.settle()?;
        self.own.use_with(&prepared.premodel, &mut board);
        let mut control = Control::new(&prepared.premodel);
        control.take_over(&self.control);
        self.flight.program = prepared.premodel.chosen();
        self.flight.walk = prepared.programs[self.flight.program].start;
        self.flight.answered = None;
        self.control = control;
        self.prepared = prepared;
        self.board = board;
        Ok(())
    }

    /// Does what [`Selector::reload`] does, with the premodel of a bundle that was read again. If the selector was opened from a
    /// bundle, this bundle must name the networks that were opened.
    ///
    /// # Errors
    /// The errors of [`Selector::reload`] and of [`read_premodel`](super::read_premodel). [`ErrorKind::Bundle`] if the bundle
    /// names no premodel, or if a network is not the one that was opened: its name, preprocessing or output differs, or its file
    /// has changed since.
    pub fn reload_bundle(&mut self, bundle: &Bundle) -> Result<()> {
        if self.networks.as_ref().is_some_and(|opened| *opened != Networks::of(bundle)) {
            return Err(Error::expected(
                ErrorKind::Bundle,
                bundle.dir.join(FILE_NAME).display(),
                "the networks that were opened",
                "others, or files that were changed since",
                "open the bundle anew",
            ));
        }
        self.reload(premodel_of(bundle)?)
    }
}
