//! `compile`: writes a premodel's program as Rust or C.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use trt_select::{Error, ErrorKind, Result};
use trt_select_base::{file, text::hex};
use trt_select_premodel::Premodel;
use trt_select_premodel::compile::{Options, Style, Target, compile};

use crate::common::print;

/// Arguments of `compile`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The premodel (premodel.json)
    premodel: PathBuf,
    /// Where to write: NAME.rs, NAME.c (NAME.h, which declares its functions, is written beside it), or NAME.h (everything in
    /// one header). In C every name begins with NAME
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// branchless (look-ups and arithmetic: faster where inputs differ) or nested (one `if` for each test: easier to read)
    #[arg(long, default_value = Style::default().name(), value_parser = |s: &str| s.parse::<Style>().map_err(|e| e.to_string()))]
    style: Style,
    /// Number of the program, if the premodel has several [default: the chosen one]
    #[arg(long, value_name = "K")]
    program: Option<usize>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let target = match args.output.extension().and_then(|e| e.to_str()) {
        Some("rs") => Target::Rust,
        Some("c") => Target::C,
        Some("h") => Target::Header,
        _ => {
            let remedy = "choose the ending of the language that you want";
            let object = format!("--output {}", args.output.display());
            return Err(Error::expected(
                ErrorKind::Usage,
                object,
                "a name that ends with .rs, .c or .h",
                "another",
                remedy,
            ));
        }
    };
    let Some(name) = args.output.file_stem().and_then(|s| s.to_str()) else {
        let object = format!("--output {}", args.output.display());
        return Err(Error::expected(ErrorKind::Usage, object, "a name in UTF-8", "another", "name it otherwise"));
    };
    let io = |path: &Path, expected: &str, e: std::io::Error, remedy: &str| {
        Error::expected(ErrorKind::Io, path.display(), expected, e, remedy)
    };
    let text = std::fs::read_to_string(&args.premodel)
        .map_err(|e| io(&args.premodel, "a premodel", e, "make one with trt-select train"))?;
    let model = Premodel::from_json(&text)
        .map_err(|e| Error::new(ErrorKind::Premodel, format!("{}: {e}", args.premodel.display())))?;
    let model = match args.program {
        Some(number) => model.with_chosen(number).map_err(|e| Error::new(ErrorKind::Usage, format!("--{e}")))?,
        None => model,
    };
    let name_of_premodel = args.premodel.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let sha256 = hex(&Sha256::digest(text.as_bytes()));
    let of_several = match model.programs().len() {
        1 => String::new(),
        count => format!(" (program {} of 0 to {})", model.chosen(), count - 1),
    };
    let origin = format!(
        "Compiled by trt-select {} from {name_of_premodel}{of_several},\nSHA-256 {sha256}.",
        env!("CARGO_PKG_VERSION")
    );
    let code = compile(&model, &Options { target, style: args.style, name, origin: &origin })
        .map_err(|e| Error::new(ErrorKind::Premodel, format!("{}: {e}", args.premodel.display())))?;
    let write = |path: &Path, text: &str| {
        file::write(path, text.as_bytes())
            .map_err(|e| io(path, "to be written", e, "write to a folder that is there and has room"))
            .and_then(|()| print(&format!("{}\n", path.display())))
    };
    if let Some(header) = &code.header {
        write(&args.output.with_extension("h"), header)?;
    }
    write(&args.output, &code.text)
}
