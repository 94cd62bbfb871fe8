//! A plan in memory, page-locked where that is of use, while TensorRT reads it.

use std::path::PathBuf;
use std::sync::Arc;

use trt_select_cuda::driver::{Owner, PinnedBuffer, Registered};

use super::plan::sidecar::Sidecar;
use super::plan::{self, Here, PlanFile};
use super::runtime::CudaEngine;
use super::shared::Shared;
use super::{Edition, Version};
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

/// A plan while TensorRT reads it.
pub(super) struct HeldPlan {
    bytes: Bytes,
    /// The version that built it, if its sidecar says that it is version-compatible.
    compatible: Option<Version>,
}

/// A plan's bytes. Where page-locked memory is of use, they are never copied to other memory.
enum Bytes {
    /// The file's mapping, registered with the driver.
    Mapping { _registered: Registered, file: Arc<PlanFile> },
    /// A copy in page-locked memory, where the driver refused to lock the mapping.
    Block { block: PinnedBuffer, bytes: usize },
    /// A copy in ordinary memory, for a device that cannot page-lock a mapping. The processor would read page-locked memory uncached there,
    /// which is several times slower.
    Ordinary(Vec<u8>),
}

impl HeldPlan {
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapping { file, .. } => file.bytes(),
            Bytes::Block { block, bytes } => &block.as_slice()[..*bytes],
            Bytes::Ordinary(bytes) => bytes,
        }
    }

    /// Whether the bytes are page-locked.
    pub(super) fn is_locked(&self) -> bool {
        !matches!(self.bytes, Bytes::Ordinary(_))
    }

    /// Looks that the file has not changed since it was checked. A copy cannot have changed.
    fn check_unchanged(&self) -> Result<(), Error> {
        match &self.bytes {
            Bytes::Mapping { file, .. } => file.check_unchanged(),
            Bytes::Block { .. } | Bytes::Ordinary(_) => Ok(()),
        }
    }

    /// Checks a plan against its sidecar, the library and the GPU, and page-locks it or reads it.
    pub(super) fn open(shared: &Shared, spec: &PlanSpec) -> Result<HeldPlan, Error> {
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
        let compatible = sidecar.filter(|sidecar| sidecar.version_compatible).map(|sidecar| sidecar.version);
        Ok(HeldPlan { bytes: Bytes::of(shared, file, &spec.name)?, compatible })
    }
}

impl Bytes {
    /// Page-locks a plan's file, or reads it.
    fn of(shared: &Shared, file: Arc<PlanFile>, name: &str) -> Result<Bytes, Error> {
        let bytes = file.bytes().len();
        if !shared.context.device().can_register_host {
            let mut ordinary = vec![0; bytes];
            file.read_into(&mut ordinary)?;
            return Ok(Bytes::Ordinary(ordinary));
        }
        match Registered::new(&shared.context, Arc::clone(&file) as Owner) {
            Ok(registered) => Ok(Bytes::Mapping { _registered: registered, file }),
            Err(refused) => {
                log::debug!("{name}: the mapping was not page-locked ({refused}); read once into a pinned block");
                let mut block = PinnedBuffer::new(&shared.context, bytes, false)?;
                file.read_into(&mut block.as_mut_slice()[..bytes])?;
                Ok(Bytes::Block { block, bytes })
            }
        }
    }
}

/// Lets TensorRT deserialize a plan, with the runtime that is for it.
pub(super) fn deserialize(shared: &Shared, held: &HeldPlan, name: &str) -> Result<Arc<CudaEngine>, Error> {
    let Some(own) = &shared.runtime else {
        return Err(Error::new(
            ErrorKind::Run,
            "TensorRT's runtime: expected it open, got it closed; open a new session",
        ));
    };
    drop(shared.allocator.take_error());
    let engine = match held.compatible {
        None => own.deserialize(held.bytes(), name),
        Some(version) => shared.compatible.deserialize(own, &shared.allocator, version, held.bytes(), name),
    };
    let engine = engine.map_err(|e| match shared.allocator.take_error() {
        Some(cause) => e.caused_by(cause),
        None => e,
    })?;
    held.check_unchanged()?;
    Ok(engine)
}
