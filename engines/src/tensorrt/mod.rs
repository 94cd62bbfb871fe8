//! TensorRT: plans, and what is known about them before TensorRT sees them.

pub mod plan;
pub mod sidecar;
pub mod weights;

use std::fmt;

/// A version of TensorRT or TensorRT-RTX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Patch number.
    pub patch: u32,
    /// Build number.
    pub build: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.major, self.minor, self.patch, self.build)
    }
}

/// Which of NVIDIA's two products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edition {
    /// TensorRT.
    Enterprise,
    /// TensorRT-RTX.
    Rtx,
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Edition::Enterprise => "TensorRT",
            Edition::Rtx => "TensorRT-RTX",
        })
    }
}
