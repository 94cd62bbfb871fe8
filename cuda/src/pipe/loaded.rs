//! The kernels, loaded: as machine code where there is some for the device, else as PTX that the driver compiles.

use std::ffi::CString;

use crate::driver::{Context, Error, ErrorKind, Function, Module};
use crate::kernels::{self, Cubin};

/// The environment variable that says which form of the kernels the driver is given: `cubin`, machine code that was made beforehand;
/// `ptx`, which the driver compiles at the first open, and keeps in its cache on disk; or `auto`, the default: the machine code where
/// there is some for the device and the driver takes it, else the PTX. A pipe reads the variable when it is opened. Another value is
/// ignored with a warning.
pub const KERNELS_VARIABLE: &str = "TRT_SELECT_KERNELS";

/// What [`KERNELS_VARIABLE`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Auto,
    Cubin,
    Ptx,
}

impl Form {
    fn of(value: Option<&str>) -> Form {
        match value {
            None | Some("" | "auto") => Form::Auto,
            Some("cubin") => Form::Cubin,
            Some("ptx") => Form::Ptx,
            Some(other) => {
                log::warn!("{KERNELS_VARIABLE}: expected auto, cubin or ptx, got {other}; taking auto");
                Form::Auto
            }
        }
    }
}

/// The kernels, loaded.
pub(crate) struct Kernels {
    pub(super) whole: Function,
    pub(super) grid: Function,
    pub(crate) preprocess: Function,
    pub(crate) signals: Function,
    /// `ptx`, or the cubin's name.
    pub(super) form: &'static str,
    _module: Module,
}

impl Kernels {
    /// Loads the form that [`KERNELS_VARIABLE`] asks for.
    pub(super) fn load(context: &Context) -> Result<Kernels, Error> {
        let form = Form::of(std::env::var(KERNELS_VARIABLE).ok().as_deref());
        let capability = context.device().compute_capability;
        let cubin = if form == Form::Ptx { None } else { kernels::cubin_for(capability) };
        match (form, cubin) {
            (Form::Cubin, None) => Err(no_cubin(capability)),
            (Form::Cubin, Some(cubin)) => Kernels::of_cubin(context, cubin),
            (_, None) => Kernels::of_ptx(context),
            (_, Some(cubin)) => Kernels::of_cubin(context, cubin).or_else(|error| {
                // A driver that is older than the tools which made the cubin may not know its format. That is no failure.
                log::debug!("kernels: the driver does not take {}, so it compiles the PTX: {error}", cubin.name());
                Kernels::of_ptx(context)
            }),
        }
    }

    fn of_ptx(context: &Context) -> Result<Kernels, Error> {
        Kernels::of(Module::load_ptx(context, kernels::PTX)?, "ptx")
    }

    fn of_cubin(context: &Context, cubin: &Cubin) -> Result<Kernels, Error> {
        Kernels::of(Module::load_cubin(context, cubin)?, cubin.name())
    }

    /// Looks the kernels up. A driver that loads them one by one (`CUDA_MODULE_LOADING`) may refuse a module's code here only.
    fn of(module: Module, form: &'static str) -> Result<Kernels, Error> {
        let function = |name: &str| module.function(&CString::new(name).unwrap_or_default());
        Ok(Kernels {
            whole: function(kernels::FEATURES_WHOLE)?,
            grid: function(kernels::FEATURES_GRID)?,
            preprocess: function(kernels::PREPROCESS)?,
            signals: function(kernels::SIGNALS)?,
            form,
            _module: module,
        })
    }
}

fn no_cubin((major, minor): (u32, u32)) -> Error {
    let message = format!(
        "kernels: expected machine code for compute capability {major}.{minor}, got none; unset {KERNELS_VARIABLE}, and \
         the driver compiles them"
    );
    Error::new(ErrorKind::Unsupported, "kernels", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_name() {
        assert_eq!([None, Some(""), Some("auto"), Some("CUBIN")].map(Form::of), [Form::Auto; 4]);
        assert_eq!([Some("cubin"), Some("ptx")].map(Form::of), [Form::Cubin, Form::Ptx]);
    }
}
