//! A premodel that is prepared for the candidates of a selector.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{
    Board, CandidateId, CandidateSignal, Mask, Node, Premodel, Program, Signal, SignalId, View, Walk,
};

use super::check_candidates;
use crate::backend::Wanted;
use crate::baked;
use crate::candidate::CandidateInfo;
use crate::error::{Error, ErrorKind, Result};
use crate::features::feature_index;

/// A premodel, and what is computed from it once, when it is put to use.
pub(super) struct Prepared {
    pub(super) premodel: Premodel,
    /// One for each program of the premodel.
    pub(super) programs: Vec<PreparedProgram>,
    /// What the backend has to compute for the features of all programs.
    pub(super) wanted_by_any: Wanted,
}

/// What is computed from one program.
pub(super) struct PreparedProgram {
    /// Whether the program's tests are those that were compiled into the library.
    pub(super) baked: bool,
    /// The walk that every input begins with. If the program begins with a Run, the walk already stands past it.
    pub(super) start: Walk,
    /// The candidate of that first Run, which depends on no signal; `None` if the program begins with a test.
    pub(super) first_run: Option<CandidateId>,
    /// The features that the program reads: for each its signal, and its index in [`FEATURES`](crate::features::FEATURES).
    pub(super) features: Vec<(SignalId, usize)>,
    /// What the backend has to compute for these features.
    pub(super) wanted: Wanted,
}

impl Prepared {
    /// Checks that a premodel and candidates fit each other, and prepares the premodel. Also returns the board that holds the
    /// signals of each input.
    pub(super) fn new(premodel: Premodel, candidates: &[CandidateInfo]) -> Result<(Prepared, Board)> {
        check_candidates(&premodel, candidates.iter().map(CandidateInfo::name))?;
        let classes = candidates.first().map_or(0, CandidateInfo::classes);
        if premodel.classes() != 0 && premodel.classes() as usize != classes {
            return Err(Error::expected(
                ErrorKind::Premodel,
                "premodel",
                format!("{classes} classes, as the networks have"),
                premodel.classes(),
                "train it anew for these networks",
            ));
        }
        let mut board = Board::new(&premodel, classes);
        for (at, candidate) in (0_u8..).zip(candidates) {
            if candidate.classes() != classes {
                board.resize(CandidateId(at), candidate.classes());
            }
        }
        let mut programs = Vec::with_capacity(premodel.programs().len());
        for (number, program) in premodel.programs().enumerate() {
            board.begin_for(number);
            let averaged = board.averages().fold(Mask::EMPTY, Mask::union);
            if let Some(other) = averaged.iter().map(|c| &candidates[c.index()]).find(|c| c.classes() != classes) {
                return Err(Error::expected(
                    ErrorKind::Premodel,
                    format_args!("premodel: average with candidate {}", other.name()),
                    format_args!("{classes} classes, as the others have"),
                    other.classes(),
                    "give candidates of one task",
                ));
            }
            programs.push(PreparedProgram::new(&program.program(), &premodel, board.values())?);
        }
        board.begin_for(premodel.chosen());
        let read = programs.iter().flat_map(|program| &program.features).map(|&(_, feature)| feature);
        let wanted_by_any = Wanted::of_features(read);
        Ok((Prepared { premodel, programs, wanted_by_any }, board))
    }
}

impl PreparedProgram {
    /// `unset` has the values of the premodel's signals before any is set.
    fn new(program: &Program<'_>, premodel: &Premodel, unset: &[f32]) -> Result<PreparedProgram> {
        let features = features_read(program, premodel)?;
        let mut start = program.start();
        let first_run = match program.nodes().first().map(Node::view) {
            Some(View::Run { candidate, .. }) => Some(candidate),
            _ => None,
        };
        if first_run.is_some() {
            program.step(&mut start, unset);
        }
        Ok(PreparedProgram {
            baked: baked::is_baked(program),
            start,
            first_run,
            wanted: Wanted::of_features(features.iter().map(|&(_, feature)| feature)),
            features,
        })
    }
}

/// The features that a program reads.
///
/// # Errors
/// If it reads a feature that this version does not compute, or a signal that no selector can compute.
fn features_read(program: &Program<'_>, premodel: &Premodel) -> Result<Vec<(SignalId, usize)>> {
    let mut features = Vec::new();
    for id in program.reads() {
        let signal = &premodel.signals()[id.index()];
        let fail = |expected: &str, remedy: &str| {
            let object = format!("premodel: signal '{}'", signal.name(premodel.candidates()));
            Err(Error::expected(ErrorKind::Premodel, object, expected, "another", remedy))
        };
        match signal {
            Signal::Feature(name) => match feature_index(name) {
                Some(feature) if !features.contains(&(id, feature)) => features.push((id, feature)),
                Some(_) => {}
                None => return fail("a feature that this version computes", "train it anew"),
            },
            Signal::Candidate(_, CandidateSignal::Other(_)) => {
                return fail("top1, margin, entropy or risk", "walk its program yourself with your signals");
            }
            // The board computes all other signals.
            _ => {}
        }
    }
    Ok(features)
}
