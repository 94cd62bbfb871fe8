//! Prints the Rust bindings of the header that it is given.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let header = std::env::args().nth(1).ok_or("usage: trt-select-shim-bindings shim.h")?;
    let bindings = bindgen::Builder::default()
        .header(header)
        .allowlist_item("(trtsel_shim|TRTSEL_SHIM)_.*")
        .clang_args(["-x", "c", "-std=c99"])
        .use_core()
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .layout_tests(true)
        .merge_extern_blocks(true)
        .disable_header_comment()
        .generate_comments(false)
        .rust_target(bindgen::RustTarget::stable(85, 0).map_err(|_| "this bindgen knows no Rust 1.85")?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::Prettyplease)
        .raw_line("// Made from shim.h by engines/tensorrt/make-bindings. Do not edit.")
        .generate()?;
    print!("{bindings}");
    Ok(())
}
