//! A plan in memory, page-locked where that is of use, while TensorRT reads it.

use std::path::PathBuf;
use std::sync::Arc;

use trt_select_cuda::driver::{Owner, PinnedBuffer, Registered};

use super::Edition;
use super::plan::sidecar::Sidecar;
use super::plan::{self, Here, PlanFile};
use super::runtime::CudaEngine;
use super::shared::Shared;
use crate::{Error, ErrorKind, Precision};

/// A plan to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanSpec {
    /// The candidate's name, for messages.
    pub name: String,
    /// The plan's file.
    pub plan: PathBuf,
    /// The ONNX file that it was built from, where there is one: its hash must be the sidecar's.
    pub onnx: Option<PathBuf>,
    /// The arithmetic that the bundle names.
    pub precision: Precision,
    /// Name of the input, where the network has several.
    pub input: Option<String>,
    /// Name of the output, where the network has several.
    pub output: Option<String>,
}

/// A plan's bytes while TensorRT reads them. Where page-locked memory is of use, they are never copied to other memory.
pub(super) enum Pinned {
    /// The file's mapping, registered with the driver.
    Mapping { _registered: Registered, file: Arc<PlanFile> },
    /// A copy in page-locked memory, where the driver refused to lock the mapping.
    Block { block: PinnedBuffer, bytes: usize },
    /// A copy in ordinary memory, for a device that cannot page-lock a mapping. The processor would read page-locked memory uncached there,
    /// which is several times slower.
    Ordinary(Vec<u8>),
}

impl Pinned {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Pinned::Mapping { file, .. } => file.bytes(),
            Pinned::Block { block, bytes } => &block.as_slice()[..*bytes],
            Pinned::Ordinary(bytes) => bytes,
        }
    }

    /// Whether the bytes are page-locked.
    pub(super) fn is_locked(&self) -> bool {
        !matches!(self, Pinned::Ordinary(_))
    }

    /// Looks that the file has not changed since it was checked. A copy cannot have changed.
    fn check_unchanged(&self) -> Result<(), Error> {
        match self {
            Pinned::Mapping { file, .. } => file.check_unchanged(),
            Pinned::Block { .. } | Pinned::Ordinary(_) => Ok(()),
        }
    }

    /// Checks a plan against its sidecar, the library and the GPU, and page-locks it or reads it.
    pub(super) fn open(shared: &Shared, spec: &PlanSpec) -> Result<Pinned, Error> {
        let file = Arc::new(PlanFile::open(&spec.plan)?);
        let sidecar = Sidecar::read(&spec.plan)?;
        let here = Here {
            edition: shared.library.edition(),
            version: shared.library.version(),
            // TensorRT-RTX has no lean runtime.
            lean: shared.library.is_runtime_only() && shared.library.edition() == Edition::Enterprise,
            compute_capability: Some(shared.context.device().compute_capability),
            library_path: shared.library.path().to_owned(),
        };
        for notice in plan::check(&file, sidecar.as_ref(), &here, spec.onnx.as_deref())? {
            log::warn!("{}: {notice}", spec.name);
        }
        let bytes = file.bytes().len();
        if !shared.context.device().can_register_host {
            let mut ordinary = vec![0; bytes];
            file.read_into(&mut ordinary)?;
            return Ok(Pinned::Ordinary(ordinary));
        }
        match Registered::new(&shared.context, Arc::clone(&file) as Owner) {
            Ok(registered) => Ok(Pinned::Mapping { _registered: registered, file }),
            Err(refused) => {
                log::debug!(
                    "{}: the mapping was not page-locked ({refused}); read once into a pinned block",
                    spec.name
                );
                let mut block = PinnedBuffer::new(&shared.context, bytes, false)?;
                file.read_into(&mut block.as_mut_slice()[..bytes])?;
                Ok(Pinned::Block { block, bytes })
            }
        }
    }
}

/// Lets TensorRT deserialize a plan.
pub(super) fn deserialize(shared: &Shared, pinned: &Pinned, name: &str) -> Result<Arc<CudaEngine>, Error> {
    let Some(runtime) = &shared.runtime else {
        return Err(Error::new(
            ErrorKind::Run,
            "TensorRT's runtime: expected it open, got it closed; open a new session",
        ));
    };
    drop(shared.allocator.take_error());
    let engine = runtime.deserialize(pinned.bytes(), name).map_err(|e| match shared.allocator.take_error() {
        Some(cause) => e.caused_by(cause),
        None => e,
    })?;
    pinned.check_unchanged()?;
    Ok(engine)
}
