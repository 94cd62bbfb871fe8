//! Choosing an engine at run time, by name, and opening models with it.
//!
//! [`choose_and_open`] is the one place that says in which order engines are tried and why one was taken. The engines that run a single
//! model on the host come after TensorRT, which opens all candidates of a bundle together; [`resolve_host`] is that second part alone.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::null::NullEngine;
use crate::{Engine, Error, ErrorKind, OpenOptions, TensorInfo};

/// The engines by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// The fastest that this machine can run: TensorRT if every candidate has a plan and all of them open, else ONNX Runtime if its
    /// library is found, else tract. See [`choose_and_open`].
    #[default]
    Auto,
    /// tract, built in.
    Tract,
    /// ONNX Runtime.
    Ort,
    /// No network: outputs are zeros.
    Null,
    /// TensorRT.
    Tensorrt,
}

impl EngineKind {
    /// All of them, in the order in which help lists them.
    pub const ALL: [EngineKind; 5] =
        [EngineKind::Auto, EngineKind::Tract, EngineKind::Ort, EngineKind::Null, EngineKind::Tensorrt];

    /// The name by which users choose it.
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Auto => "auto",
            EngineKind::Tract => "tract",
            EngineKind::Ort => "ort",
            EngineKind::Null => "null",
            EngineKind::Tensorrt => "tensorrt",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Unsupported`] with the names that there are.
    fn from_str(name: &str) -> Result<EngineKind, Error> {
        EngineKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = EngineKind::ALL.map(EngineKind::name).join(", ");
            Error::new(ErrorKind::Unsupported, format!("engine `{name}`: expected one of {names}"))
        })
    }
}

/// An engine that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// Which; never [`EngineKind::Auto`].
    pub kind: EngineKind,
    /// Why it was chosen and others were not, in one line for people to read.
    pub reason: String,
}

impl Choice {
    /// A choice and its reason.
    pub fn new(kind: EngineKind, reason: String) -> Choice {
        Choice { kind, reason }
    }
}

/// Whether this build and this machine have what an engine needs: a line about it, or the reason why not.
type Availability = Result<String, Error>;

/// Chooses an engine for the candidates of a bundle and opens them with it. Answers what was opened, and which engine it was and why.
///
/// | asked for | what is done |
/// | --- | --- |
/// | [`EngineKind::Auto`] | where every candidate has a plan (`has_plans`), `open_tensorrt`; without plans, or where that fails, `open_host` with ONNX Runtime if its library is found, else with tract |
/// | [`EngineKind::Tensorrt`] | `open_tensorrt`, whether or not there are plans: its error says which one is missing |
/// | any other | `open_host` with it |
///
/// Trying is the only way to know whether TensorRT will do: driver, library, GPU and every plan have to fit. So `open_tensorrt` opens the
/// candidates; beside them it gives the reason for people to read. An automatic choice that had to do without TensorRT says in its
/// reason what TensorRT's error was.
///
/// ```
/// use trt_select_engines::registry::{EngineKind, choose_and_open};
/// use trt_select_engines::{Error, ErrorKind};
///
/// let no_driver = || Err(Error::new(ErrorKind::DriverMissing, "NVIDIA driver: expected libcuda.so.1, got none"));
/// let open_host = |kind| Ok(format!("two candidates on {kind}"));
/// let (opened, choice) = choose_and_open(EngineKind::Null, true, no_driver, open_host)?;
/// assert_eq!((opened.as_str(), choice.kind), ("two candidates on null", EngineKind::Null));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// That of `open_tensorrt` where TensorRT was asked for, those of [`resolve_host`], and that of `open_host`.
pub fn choose_and_open<T, E: From<Error> + fmt::Display>(
    kind: EngineKind,
    has_plans: bool,
    open_tensorrt: impl FnOnce() -> Result<(T, String), E>,
    open_host: impl FnOnce(EngineKind) -> Result<T, E>,
) -> Result<(T, Choice), E> {
    let mut no_tensorrt = None;
    if kind == EngineKind::Tensorrt || (kind == EngineKind::Auto && has_plans) {
        match open_tensorrt() {
            Ok((opened, reason)) => return Ok((opened, Choice { kind: EngineKind::Tensorrt, reason })),
            Err(error) if kind == EngineKind::Tensorrt => return Err(error),
            Err(error) => no_tensorrt = Some(error),
        }
    }
    let mut choice = resolve_host(kind)?;
    if let Some(error) = no_tensorrt {
        choice.reason = format!("{}; tensorrt: {error}", choice.reason);
    }
    Ok((open_host(choice.kind)?, choice))
}

/// Settles which engine runs single models on the host. For [`EngineKind::Ort`] and [`EngineKind::Auto`] this looks for ONNX Runtime's
/// library, which may take tens of milliseconds the first time (see `ort::find`).
///
/// ```
/// use trt_select_engines::registry::{EngineKind, resolve_host};
/// let choice = resolve_host(EngineKind::Null)?;
/// assert_eq!(choice.reason, "null: asked for; it runs no network");
/// # Ok::<(), trt_select_engines::Error>(())
/// ```
///
/// # Errors
/// - [`ErrorKind::Unsupported`] if the engine asked for is not compiled in, or runs no single models on the host;
/// - [`ErrorKind::LibraryMissing`] if its library is not on this machine.
pub fn resolve_host(kind: EngineKind) -> Result<Choice, Error> {
    resolve_with(kind, ort, tract)
}

fn resolve_with(
    kind: EngineKind,
    ort: impl FnOnce() -> Availability,
    tract: impl FnOnce() -> Availability,
) -> Result<Choice, Error> {
    let asked_for = |about: String| Choice { kind, reason: format!("{kind}: asked for; {about}") };
    match kind {
        EngineKind::Ort => ort().map(asked_for),
        EngineKind::Tract => tract().map(asked_for),
        EngineKind::Null => Ok(asked_for("it runs no network".to_owned())),
        EngineKind::Tensorrt => tensorrt().map(asked_for),
        EngineKind::Auto => match (ort(), tract) {
            (Ok(about), _) => Ok(Choice {
                kind: EngineKind::Ort,
                reason: format!("ort: {about}; faster than tract on most networks"),
            }),
            (Err(no_ort), tract) => match tract() {
                Ok(about) => Ok(Choice { kind: EngineKind::Tract, reason: format!("tract: {about}; {no_ort}") }),
                // The kind is that of the missing library: people can install one, but not change how this program was built.
                Err(no_tract) => Err(Error::new(no_ort.kind(), format!("engine auto: {no_ort}; {no_tract}"))),
            },
        },
    }
}

/// Opens the model of the candidate `name` with an engine that runs on the host; [`EngineKind::Auto`] is the one that [`resolve_host`]
/// names.
/// The line of an error begins with the candidate's name.
///
/// # Errors
/// Those of [`resolve_host`], and those of the engine's own `open`. [`EngineKind::Null`] runs no model:
/// [`ErrorKind::Unsupported`]; see [`open_null`].
pub fn open(kind: EngineKind, path: &Path, name: &str, options: &OpenOptions) -> Result<Box<dyn Engine>, Error> {
    let kind = if kind == EngineKind::Auto { resolve_host(kind)?.kind } else { kind };
    let opened = match kind {
        #[cfg(feature = "tract")]
        EngineKind::Tract => crate::tract::TractEngine::open(path, options).map(|e| Box::new(e) as Box<dyn Engine>),
        #[cfg(feature = "ort")]
        EngineKind::Ort => crate::ort::OrtEngine::open(path, options).map(|e| Box::new(e) as Box<dyn Engine>),
        EngineKind::Null => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{}: the null engine reads no model; open it with its tensors", path.display()),
        )),
        other => {
            let _ = options;
            Err(resolve_host(other).err().unwrap_or_else(|| not_compiled(other)))
        }
    };
    opened.map_err(|e| e.within(name))
}

/// Opens an engine that runs no network and answers zeros.
///
/// # Errors
/// [`ErrorKind::Shape`] if a tensor is not of type f32.
pub fn open_null(inputs: Vec<TensorInfo>, outputs: Vec<TensorInfo>) -> Result<Box<dyn Engine>, Error> {
    Ok(Box::new(NullEngine::new(inputs, outputs)?))
}

/// The error for an engine that is not compiled into this build.
pub fn not_compiled(kind: EngineKind) -> Error {
    Error::new(ErrorKind::Unsupported, format!("engine {kind}: not compiled in (build with --features {kind})"))
}

fn tract() -> Availability {
    if cfg!(feature = "tract") { Ok("built in".to_owned()) } else { Err(not_compiled(EngineKind::Tract)) }
}

fn tensorrt() -> Availability {
    if !cfg!(feature = "tensorrt") {
        return Err(not_compiled(EngineKind::Tensorrt));
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        "engine tensorrt: expected a session, which opens all plans of a bundle together, got one model; see tensorrt::Session",
    ))
}

#[cfg(feature = "ort")]
fn ort() -> Availability {
    crate::ort::find().map(|found| found.to_string())
}

#[cfg(not(feature = "ort"))]
fn ort() -> Availability {
    Err(not_compiled(EngineKind::Ort))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Availability {
        Err(Error::new(ErrorKind::LibraryMissing, "no libonnxruntime found"))
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.to_string().parse::<EngineKind>(), Ok(kind));
        }
        let error = "TensorRT".parse::<EngineKind>().expect_err("no such name");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "engine `TensorRT`: expected one of auto, tract, ort, null, tensorrt");
    }

    #[test]
    fn auto_takes_ort_then_tract_and_says_why() {
        let both = resolve_with(EngineKind::Auto, || Ok("ONNX Runtime 1.20.1".to_owned()), tract).expect("ort");
        assert_eq!(both.kind, EngineKind::Ort);
        assert!(both.reason.contains("1.20.1"), "{}", both.reason);

        let built_in = || Ok("built in".to_owned());
        let no_library = resolve_with(EngineKind::Auto, missing, built_in).expect("tract");
        assert_eq!(no_library.kind, EngineKind::Tract);
        assert_eq!(no_library.reason, "tract: built in; no libonnxruntime found");

        let not_built = resolve_with(EngineKind::Auto, || Err(not_compiled(EngineKind::Ort)), built_in).expect("tract");
        assert_eq!(not_built.reason, "tract: built in; engine ort: not compiled in (build with --features ort)");

        let neither = resolve_with(EngineKind::Auto, missing, || Err(not_compiled(EngineKind::Tract)))
            .expect_err("nothing to run it");
        assert_eq!(neither.kind(), ErrorKind::LibraryMissing);
        assert!(neither.to_string().contains("--features tract"), "{neither}");
    }

    #[test]
    fn tensorrt_comes_first_where_there_are_plans_and_it_opens() {
        let ours = |reason: &str| Ok::<_, Error>(("on the GPU", reason.to_owned()));
        let unasked = || -> Result<(&str, String), Error> { panic!("not to be tried") };
        let fails = || Err::<(&str, String), _>(Error::new(ErrorKind::DriverMissing, "no driver"));
        let host = |kind: EngineKind| Ok::<_, Error>(if kind == EngineKind::Null { "null" } else { "on the host" });

        let (opened, choice) =
            choose_and_open(EngineKind::Auto, true, || ours("tensorrt: here"), host).expect("it opens");
        assert_eq!((opened, choice), ("on the GPU", Choice::new(EngineKind::Tensorrt, "tensorrt: here".to_owned())));
        // Whoever asks for TensorRT gets it or its error, with plans or without.
        for has_plans in [true, false] {
            assert!(choose_and_open(EngineKind::Tensorrt, has_plans, || ours("asked for"), host).is_ok());
            let error =
                choose_and_open(EngineKind::Tensorrt, has_plans, fails, host).expect_err("nothing takes its place");
            assert_eq!(error.kind(), ErrorKind::DriverMissing);
        }
        // Other engines that are asked for are not replaced by it.
        assert_eq!(choose_and_open(EngineKind::Null, true, unasked, host).expect("null").0, "null");
        if cfg!(feature = "tract") {
            assert_eq!(
                choose_and_open(EngineKind::Auto, false, unasked, host).expect("a host's engine").0,
                "on the host"
            );
            let (opened, choice) = choose_and_open(EngineKind::Auto, true, fails, host).expect("a host's engine");
            assert_eq!(opened, "on the host");
            assert!(choice.reason.ends_with("; tensorrt: no driver"), "{}", choice.reason);
        }
    }

    #[test]
    fn what_is_asked_for_is_not_replaced() {
        let unasked = || -> Availability { panic!("not to be looked for") };
        assert_eq!(
            resolve_with(EngineKind::Tract, unasked, || Ok(String::new())).map(|c| c.kind),
            Ok(EngineKind::Tract)
        );
        assert_eq!(resolve_with(EngineKind::Null, unasked, unasked).map(|c| c.kind), Ok(EngineKind::Null));
        let no_ort = resolve_with(EngineKind::Ort, missing, unasked).expect_err("no library");
        assert_eq!(no_ort.kind(), ErrorKind::LibraryMissing);
        let tensorrt = resolve_with(EngineKind::Tensorrt, unasked, unasked).expect_err("not yet");
        assert_eq!(tensorrt.kind(), ErrorKind::Unsupported);
        let expected = if cfg!(feature = "tensorrt") { "tensorrt::Session" } else { "--features tensorrt" };
        assert!(tensorrt.to_string().contains(expected), "{tensorrt}");
    }

    #[test]
    fn errors_of_open_begin_with_the_candidate() {
        for kind in [EngineKind::Null, EngineKind::Tensorrt] {
            let error = open(kind, Path::new("small.onnx"), "small", &OpenOptions::default()).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().starts_with("small: "), "{error}");
        }
    }
}
