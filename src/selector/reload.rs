//! Another premodel for a selector that is open: its networks, their memory and what was warmed up stay.
#![forbid(unsafe_code)]

use std::path::Path;
use std::time::SystemTime;

use trt_select_premodel::Premodel;

use super::prepared::Prepared;
use super::{Selector, premodel_of};
use crate::bundle::{Bundle, CandidateSpec, FILE_NAME};
use crate::candidates::CandidateSet;
use crate::device;
use crate::error::{Error, ErrorKind, Result};

/// What tells whether a bundle still names the networks that were opened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Networks(Vec<(CandidateSpec, [Option<Stamp>; 2])>);

/// Size and time of a file: another network under the same name has others.
type Stamp = (u64, Option<SystemTime>);

impl Networks {
    pub(super) fn of(bundle: &Bundle) -> Networks {
        let stamp = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.len(), m.modified().ok()));
        let stamps = |spec: &CandidateSpec| [spec.onnx.as_deref().and_then(stamp), stamp(&spec.plan_path(bundle))];
        let one_name = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let spec_of = |spec: &CandidateSpec| {
            let mut spec = spec.clone();
            // However the folder was named; and a cost that was measured anew is no other network.
            spec.onnx = spec.onnx.as_deref().map(one_name);
            spec.plan = Some(one_name(&spec.plan_path(bundle)));
            spec.cost_ns = None;
            spec
        };
        Networks(bundle.candidates.iter().map(|spec| (spec_of(spec), stamps(spec))).collect())
    }
}

/// Refuses a premodel that was trained for something else where that is asked for, else warns.
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
    /// Takes another premodel of the same candidates, between two inputs. The networks stay as they are, and so do the deadline, the
    /// slots of the user's own signals, and their values. Allocates; what the old premodel held is freed. On an error nothing has
    /// changed.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use trt_select::{OpenConfig, Selector, bundle::Bundle, read_premodel};
    /// let bundle = Bundle::read("plans/fashion".as_ref())?;
    /// let (mut selector, _) = Selector::open(&bundle, &OpenConfig::default())?;
    /// // … inputs; then a premodel that was trained anew:
    /// selector.reload(read_premodel("premodel-of-today.json".as_ref())?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Selector::new`]; where the selector was opened with [`OpenConfig::strict`](crate::OpenConfig::strict), also where the
    /// premodel was trained for something else.
    pub fn reload(&mut self, premodel: Premodel) -> Result<()> {
        check_trained_for(&premodel, &self.set, self.strict)?;
        let (prepared, mut board) = Prepared::new(premodel, self.set.as_slice())?;
        self.settle()?;
        self.own.use_with(&prepared.premodel, &mut board);
        self.flight.walk = prepared.start;
        self.flight.answered = None;
        (self.prepared, self.board) = (prepared, board);
        Ok(())
    }

    /// [`Selector::reload`] with the premodel of a bundle that was read again, whose networks are those that were opened.
    ///
    /// # Errors
    /// As [`Selector::reload`], and where the bundle has no premodel, or names other networks than were opened: by their names,
    /// preprocessing or outputs, or files that were changed since.
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
