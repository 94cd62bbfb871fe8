//! The implementations of the features, and the choice between them.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::OnceLock;

use trt_select_cuda::Accumulators;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::generic::Scratch;
use super::grid::Buffers;
use super::needs::Needs;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::reference;
use crate::frame::Frame;

/// The environment variable that chooses an implementation: `scalar`, `avx2` or `neon`. A process reads it once, when it makes its first
/// [`Workspace`](super::Workspace). If this CPU cannot run the implementation, a warning is logged and the variable is ignored.
pub const SIMD_VARIABLE: &str = "TRT_SELECT_SIMD";

/// One way to compute the features. All implementations give the same integers.
///
/// A value can only be made where the CPU supports the implementation, so whoever holds one may run it.
///
/// ```
/// use trt_select::features::Implementation;
/// assert_eq!(Implementation::available().next(), Some(Implementation::SCALAR));
/// assert_eq!(Implementation::SCALAR.name(), "scalar");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Implementation(InstructionSet);

#[derive(Clone, Copy, PartialEq, Eq)]
enum InstructionSet {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

/// The memory that one implementation works in.
pub(super) enum Memory {
    Scalar(Buffers),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2, Box<Scratch>),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon, Box<Scratch>),
}

impl Implementation {
    /// The scalar reference, which runs everywhere.
    pub const SCALAR: Implementation = Implementation(InstructionSet::Scalar);

    /// The implementations that this CPU can run, the slowest first.
    pub fn available() -> impl Iterator<Item = Implementation> {
        let vector = {
            #[cfg(target_arch = "x86_64")]
            {
                Avx2::detect().map(InstructionSet::Avx2)
            }
            #[cfg(target_arch = "aarch64")]
            {
                Neon::detect().map(InstructionSet::Neon)
            }
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            {
                None
            }
        };
        [Some(InstructionSet::Scalar), vector].into_iter().flatten().map(Implementation)
    }

    /// The fastest implementation that this CPU can run, or the one that [`SIMD_VARIABLE`] names. A process chooses once.
    pub fn chosen() -> Implementation {
        static CHOSEN: OnceLock<Implementation> = OnceLock::new();
        *CHOSEN.get_or_init(|| fastest_unless_named(std::env::var(SIMD_VARIABLE).ok().as_deref()))
    }

    /// The implementation's name: `scalar`, `avx2` or `neon`.
    pub fn name(self) -> &'static str {
        match self.0 {
            InstructionSet::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(_) => "neon",
        }
    }

    /// Allocates the memory that the implementation works in.
    pub(super) fn memory(self) -> Memory {
        match self.0 {
            InstructionSet::Scalar => Memory::Scalar(Buffers::new()),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(v) => Memory::Avx2(v, Box::new(Scratch::new())),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(v) => Memory::Neon(v, Box::new(Scratch::new())),
        }
    }
}

/// The fastest implementation, unless `wanted` names another one that this CPU can run.
fn fastest_unless_named(wanted: Option<&str>) -> Implementation {
    let best = Implementation::available().last().unwrap_or(Implementation::SCALAR);
    let Some(wanted) = wanted.filter(|name| !name.is_empty()) else { return best };
    Implementation::available().find(|i| i.name() == wanted).unwrap_or_else(|| {
        let names: Vec<&str> = Implementation::available().map(Implementation::name).collect();
        log::warn!("{SIMD_VARIABLE}: expected one of {}, got {wanted}; using {}", names.join(", "), best.name());
        best
    })
}

impl Memory {
    /// The implementation that this memory belongs to.
    pub(super) fn implementation(&self) -> Implementation {
        Implementation(match self {
            Memory::Scalar(_) => InstructionSet::Scalar,
            #[cfg(target_arch = "x86_64")]
            Memory::Avx2(v, _) => InstructionSet::Avx2(*v),
            #[cfg(target_arch = "aarch64")]
            Memory::Neon(v, _) => InstructionSet::Neon(*v),
        })
    }

    /// Computes the accumulators that are needed; the others are 0.
    pub(super) fn compute(&mut self, frame: &Frame<'_>, needs: Needs) -> Accumulators {
        let mut out = Accumulators::default();
        match self {
            Memory::Scalar(buffers) => {
                if needs.intersects(Needs::WHOLE) {
                    reference::whole(frame, &mut out);
                }
                if needs.intersects(Needs::GRID) {
                    reference::grid(frame, buffers, &mut out);
                }
                return needs.only(&out);
            }
            #[cfg(target_arch = "x86_64")]
            Memory::Avx2(v, scratch) => v.compute(frame, needs, scratch, &mut out),
            #[cfg(target_arch = "aarch64")]
            Memory::Neon(v, scratch) => v.compute(frame, needs, scratch, &mut out),
        }
        out
    }
}

impl fmt::Debug for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_unless_another_is_named() {
        let best = Implementation::available().last().unwrap();
        assert_eq!(Implementation::available().next(), Some(Implementation::SCALAR));
        assert_eq!(fastest_unless_named(None), best);
        assert_eq!(fastest_unless_named(Some("")), best);
        assert_eq!(fastest_unless_named(Some("scalar")), Implementation::SCALAR);
        assert_eq!(fastest_unless_named(Some("altivec")), best);
        for i in Implementation::available() {
            assert_eq!(fastest_unless_named(Some(i.name())), i);
            assert_eq!(i.memory().implementation(), i);
        }
    }
}
