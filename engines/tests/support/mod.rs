//! What the tests of engines share.
#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;

use trt_select_engines::registry::{self, EngineKind};
use trt_select_engines::{Engine, Error, OpenOptions};

/// The engines that run ONNX files here. Those that are not here are named, with the reason.
pub(crate) fn onnx_engines() -> Vec<EngineKind> {
    [EngineKind::Tract, EngineKind::Ort]
        .into_iter()
        .filter(|&kind| match registry::resolve_host(kind) {
            Ok(choice) => {
                eprintln!("{}", choice.reason);
                true
            }
            Err(why) => {
                eprintln!("skipped: {why}");
                false
            }
        })
        .collect()
}

pub(crate) fn model(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

pub(crate) fn open(kind: EngineKind, name: &str) -> Result<Box<dyn Engine>, Error> {
    registry::open(kind, &model(name), "candidate", &OpenOptions::default())
}

pub(crate) fn input(engine: &mut dyn Engine, index: usize) -> &mut [f32] {
    engine.input(index)
}

pub(crate) fn output(engine: &dyn Engine, index: usize) -> &[f32] {
    engine.output(index)
}
