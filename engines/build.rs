//! With the feature `tensorrt`: compiles the shim (tensorrt/shim.cpp) once for every ABI line of TensorRT whose headers are
//! found, and tells the crate which lines those are. A machine without headers, or without a C++ compiler, gets a crate
//! without lines, and one warning that says so.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "tensorrt")]
    shim::compile();
}

#[cfg(feature = "tensorrt")]
mod shim {
    use std::collections::HashMap;
    use std::env;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    const REMEDY: &str =
        "engines/get-tensorrt.sh brings headers, or set TENSORRT_INCLUDE_DIR to the folder of NvInfer.h";

    /// Folders where distributions and NVIDIA's packages put the headers.
    const SYSTEM: &[&str] = &[
        "/usr/include",
        "/usr/include/x86_64-linux-gnu",
        "/usr/include/aarch64-linux-gnu",
        "/usr/local/include",
        "/usr/local/tensorrt/include",
        "/usr/src/tensorrt/include",
        "/opt/tensorrt/include",
    ];

    /// The lines, in the order in which their libraries are looked for: (symbol, words).
    const LINES: &[(&str, &str)] = &[
        ("v11", "TensorRT 11"),
        ("v10", "TensorRT 10"),
        ("v8_5", "TensorRT 8.5-8.6"),
        ("v8_2", "TensorRT 8.2-8.4"),
        ("rtx1", "TensorRT-RTX 1"),
    ];

    /// A folder of headers.
    struct Headers {
        folder: PathBuf,
        line: &'static str,
        /// Whether the user named it: then it must do.
        named: bool,
    }

    pub(super) fn compile() {
        for variable in ["TENSORRT_INCLUDE_DIR", "TENSORRT_ROOT"] {
            println!("cargo::rerun-if-env-changed={variable}");
        }
        let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let sources = here.join("tensorrt");
        for file in ["shim.h", "shim.cpp", "shim_build.inc", "shim_runtime.inc", "cuda_stub/cuda_runtime_api.h"] {
            println!("cargo::rerun-if-changed={}", sources.join(file).display());
        }
        let found = find(&here);
        let mut compiled = Vec::new();
        if found.is_empty() {
            println!("cargo::warning=no headers of TensorRT were found, so this build cannot use it; {REMEDY}");
        } else if let Some(why) = compiler_is_missing() {
            println!(
                "cargo::warning={why}, so this build cannot use TensorRT; install a C++17 compiler (g++), or set CXX"
            );
        } else {
            for headers in &found {
                match compile_line(&sources, headers) {
                    Ok(()) => compiled.push(headers.line),
                    Err(why) if headers.named => panic!("{}: {why}", headers.folder.display()),
                    Err(why) => {
                        let why = why.lines().next().unwrap_or_default().to_owned();
                        println!(
                            "cargo::warning=TensorRT's headers in {} do not compile: {why}",
                            headers.folder.display()
                        );
                    }
                }
            }
        }
        write_lines(&compiled);
    }

    /// One folder a line; the first that is found wins.
    fn find(here: &Path) -> Vec<Headers> {
        let mut folders: Vec<(PathBuf, bool)> = Vec::new();
        if let Some(named) = env::var_os("TENSORRT_INCLUDE_DIR") {
            folders.extend(env::split_paths(&named).filter(|p| !p.as_os_str().is_empty()).map(|p| (p, true)));
        }
        if let Some(root) = env::var_os("TENSORRT_ROOT").filter(|r| !r.is_empty()) {
            folders.push((PathBuf::from(root).join("include"), true));
        }
        // get-tensorrt.sh touches this file when it has brought headers, so that they are seen.
        if let Ok(brought) = fs::read_dir(here.join("../target/tensorrt/include")) {
            let mut brought: Vec<PathBuf> = brought.flatten().map(|e| e.path()).collect();
            brought.sort();
            folders.extend(brought.into_iter().map(|p| (p, false)));
        }
        folders.extend(SYSTEM.iter().map(|p| (PathBuf::from(p), false)));

        let mut found: Vec<Headers> = Vec::new();
        for (folder, named) in folders {
            let header = folder.join("NvInferVersion.h");
            let Ok(text) = fs::read_to_string(&header) else {
                assert!(!named, "{}: expected TensorRT's headers, found no NvInferVersion.h", folder.display());
                continue;
            };
            println!("cargo::rerun-if-changed={}", header.display());
            match line_of(&text) {
                Ok(line) if found.iter().any(|h| h.line == line) => {}
                Ok(line) => found.push(Headers { folder, line, named }),
                Err(why) => println!("cargo::warning=TensorRT's headers in {}: {why}", folder.display()),
            }
        }
        found.sort_by_key(|h| LINES.iter().position(|l| l.0 == h.line));
        found
    }

    /// The ABI line that a version header belongs to.
    fn line_of(text: &str) -> Result<&'static str, String> {
        let mut defined: HashMap<&str, &str> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("#define"), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
                defined.insert(name, value);
            }
        }
        // Since 10.13 the numbers stand behind a second name.
        let number = |name: &str| -> Option<u32> {
            let value = defined.get(name)?;
            defined.get(value).unwrap_or(value).parse().ok()
        };
        let rtx = defined.contains_key("TRT_MAJOR_RTX");
        let (Some(major), Some(minor)) = (number("NV_TENSORRT_MAJOR"), number("NV_TENSORRT_MINOR")) else {
            return Err("NvInferVersion.h tells no version".to_owned());
        };
        match (rtx, major, minor) {
            (true, 1, 5..) => Ok("rtx1"),
            (false, 11, _) => Ok("v11"),
            (false, 10, _) => Ok("v10"),
            (false, 8, 5..) => Ok("v8_5"),
            (false, 8, 2..) => Ok("v8_2"),
            (true, ..) => Err(format!("expected RTX 1.5 or newer, found RTX {major}.{minor}")),
            (false, ..) => Err(format!("expected 8.2 to 8.6, 10 or 11, found {major}.{minor}")),
        }
    }

    fn compiler_is_missing() -> Option<String> {
        let compiler = match cc::Build::new().cpp(true).cargo_metadata(false).cargo_warnings(false).try_get_compiler() {
            Ok(compiler) => compiler,
            Err(why) => return Some(format!("no C++ compiler was found ({why})")),
        };
        let asked = Command::new(compiler.path()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match asked {
            Ok(status) if status.success() => None,
            _ => Some(format!("the C++ compiler {} cannot be run", compiler.path().display())),
        }
    }

    /// These flags are those of check-abi.sh.
    fn compile_line(sources: &Path, headers: &Headers) -> Result<(), String> {
        let line = headers.line;
        for entry in fs::read_dir(&headers.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("Nv") {
                println!("cargo::rerun-if-changed={}", entry.path().display());
            }
        }
        let mut build = cc::Build::new();
        build
            .cpp(true)
            // Nothing of the C++ runtime is used: see the head of shim.cpp.
            .cpp_link_stdlib(None)
            .std("c++17")
            .opt_level(2)
            .debug(false)
            .warnings(false)
            .flag("-fvisibility=hidden")
            .flag("-fno-exceptions")
            .flag("-fno-rtti")
            .flag("-fno-threadsafe-statics")
            .flag("-fno-asynchronous-unwind-tables")
            .flag("-fno-unwind-tables")
            .flag_if_supported("-fno-devirtualize-speculatively")
            .define("TRTSEL_LINE", line)
            .define("nvinfer1", format!("trtsel_nv_{line}").as_str())
            .define("nvonnxparser", format!("trtsel_onnx_{line}").as_str())
            .include(sources)
            .include(&headers.folder)
            // Last, so that a folder with CUDA's own header is taken at its word.
            .include(sources.join("cuda_stub"))
            .file(sources.join("shim.cpp"));
        build.try_compile(&format!("trtsel_shim_{line}")).map_err(|e| e.to_string())
    }

    /// What `src/tensorrt/library.rs` includes.
    fn write_lines(compiled: &[&str]) {
        let mut text = String::from("// Made by build.rs.\n");
        if !compiled.is_empty() {
            text.push_str("unsafe extern \"C\" {\n");
            for line in compiled {
                writeln!(text, "    fn trtsel_shim_{line}() -> *const bindings::trtsel_shim_table;").expect("a string");
            }
            text.push_str("}\n");
        }
        text.push_str("const TABLES: &[(&str, unsafe extern \"C\" fn() -> *const bindings::trtsel_shim_table)] = &[\n");
        for line in compiled {
            let words = LINES.iter().find(|l| l.0 == *line).map_or(*line, |l| l.1);
            writeln!(text, "    (\"{words}\", trtsel_shim_{line}),").expect("a string");
        }
        text.push_str("];\n");
        let to = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("tensorrt_lines.rs");
        fs::write(&to, text).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
    }
}
