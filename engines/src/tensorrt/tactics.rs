//! Where the builder may take kernels from.

use std::fmt;
use std::str::FromStr;

use super::bindings;

/// A source of tactics: a library, or a group of kernels of TensorRT's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TacticSource {
    /// cuBLAS; gone in TensorRT 11 and RTX.
    Cublas,
    /// cuBLAS LT; gone in TensorRT 11 and RTX.
    CublasLt,
    /// cuDNN; gone in TensorRT 11 and RTX.
    Cudnn,
    /// Convolutions with masks at the edges; from 8.4 on.
    EdgeMaskConvolutions,
    /// Convolutions that are compiled while the plan is built; from 8.5 on.
    JitConvolutions,
}

impl TacticSource {
    /// Every source.
    pub const ALL: [TacticSource; 5] = [
        TacticSource::Cublas,
        TacticSource::CublasLt,
        TacticSource::Cudnn,
        TacticSource::EdgeMaskConvolutions,
        TacticSource::JitConvolutions,
    ];

    /// The name that trtexec gives it, e.g. `CUBLAS_LT`.
    pub const fn name(self) -> &'static str {
        match self {
            TacticSource::Cublas => "CUBLAS",
            TacticSource::CublasLt => "CUBLAS_LT",
            TacticSource::Cudnn => "CUDNN",
            TacticSource::EdgeMaskConvolutions => "EDGE_MASK_CONVOLUTIONS",
            TacticSource::JitConvolutions => "JIT_CONVOLUTIONS",
        }
    }

    const fn bit(self) -> u32 {
        match self {
            TacticSource::Cublas => bindings::TRTSEL_SHIM_TACTICS_CUBLAS as u32,
            TacticSource::CublasLt => bindings::TRTSEL_SHIM_TACTICS_CUBLAS_LT as u32,
            TacticSource::Cudnn => bindings::TRTSEL_SHIM_TACTICS_CUDNN as u32,
            TacticSource::EdgeMaskConvolutions => bindings::TRTSEL_SHIM_TACTICS_EDGE_MASK_CONVOLUTIONS as u32,
            TacticSource::JitConvolutions => bindings::TRTSEL_SHIM_TACTICS_JIT_CONVOLUTIONS as u32,
        }
    }
}

/// What to change in the sources that TensorRT takes by itself. Written as for trtexec's `--tacticSources`: sources with `+` or `-` before
/// them, parted by commas. To leave out what a version does not have is no error.
///
/// ```
/// use trt_select_engines::tensorrt::{TacticSource, Tactics};
/// let tactics: Tactics = "-CUDNN,+CUBLAS".parse()?;
/// assert_eq!(tactics, Tactics::default().without(TacticSource::Cudnn).with(TacticSource::Cublas));
/// assert_eq!(tactics.to_string(), "+CUBLAS,-CUDNN");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tactics {
    on: u32,
    off: u32,
}

impl Tactics {
    /// Adds a source.
    #[must_use]
    pub fn with(self, source: TacticSource) -> Tactics {
        Tactics { on: self.on | source.bit(), off: self.off & !source.bit() }
    }

    /// Leaves a source out.
    #[must_use]
    pub fn without(self, source: TacticSource) -> Tactics {
        Tactics { on: self.on & !source.bit(), off: self.off | source.bit() }
    }

    /// What to add, and what to leave out, as the shim counts them.
    pub(super) fn bits(self) -> (u32, u32) {
        (self.on, self.off)
    }
}

impl FromStr for Tactics {
    /// What was expected, as a part of a sentence.
    type Err = String;

    fn from_str(text: &str) -> Result<Tactics, String> {
        text.split(',').try_fold(Tactics::default(), |tactics, part| {
            let source = |name: &str| TacticSource::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name));
            match part.split_at_checked(1) {
                Some(("+", name)) => source(name).map(|s| tactics.with(s)),
                Some(("-", name)) => source(name).map(|s| tactics.without(s)),
                _ => None,
            }
            .ok_or_else(|| {
                let names = TacticSource::ALL.map(TacticSource::name).join(", ");
                format!("expected + or - before each of {names}, parted by commas, got '{part}'")
            })
        })
    }
}

impl fmt::Display for Tactics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |bits: u32, sign| {
            TacticSource::ALL.into_iter().filter(move |s| bits & s.bit() != 0).map(move |s| (sign, s.name()))
        };
        for (at, (sign, name)) in signed(self.on, '+').chain(signed(self.off, '-')).enumerate() {
            write!(f, "{}{sign}{name}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["-CUDNN", "+CUBLAS,-CUBLAS_LT", "+EDGE_MASK_CONVOLUTIONS,+JIT_CONVOLUTIONS,-CUBLAS"] {
            assert_eq!(text.parse::<Tactics>().expect("right").to_string(), text);
        }
        assert_eq!("-cudnn,+cudnn".parse(), Ok(Tactics::default().with(TacticSource::Cudnn)), "the last one stands");
        for wrong in ["", "CUDNN", "-", "-CUDN", "-CUDNN,", "-CUDNN;+CUBLAS", "é"] {
            let error = wrong.parse::<Tactics>().expect_err(wrong);
            assert!(error.contains("JIT_CONVOLUTIONS"), "{error}");
        }
    }
}
