//! The version of this library, and what was built into it.

use std::ffi::c_char;

/// Major version of the header.
pub const TRTSEL_VERSION_MAJOR: u32 = 0;
/// Minor version of the header.
pub const TRTSEL_VERSION_MINOR: u32 = 1;
/// Patch version of the header.
pub const TRTSEL_VERSION_PATCH: u32 = 0;

/// The library has TensorRT.
pub const TRTSEL_HAS_TENSORRT: u32 = 1;
/// The library has ONNX Runtime, whose own library is looked for at run time.
pub const TRTSEL_HAS_ORT: u32 = 2;
/// The library has tract.
pub const TRTSEL_HAS_TRACT: u32 = 4;
/// A premodel was compiled into the library.
pub const TRTSEL_HAS_BAKED_PREMODEL: u32 = 8;

/// The library's version as a static text, for example "0.1.0". Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_version_text() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The library's version as a number: major << 16 | minor << 8 | patch. Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_version() -> u32 {
    const NUMBER: u32 = {
        parse(env!("CARGO_PKG_VERSION_MAJOR")) << 16
            | parse(env!("CARGO_PKG_VERSION_MINOR")) << 8
            | parse(env!("CARGO_PKG_VERSION_PATCH"))
    };
    NUMBER
}

/// The number that decimal digits spell; `str::parse` cannot be called in a constant.
const fn parse(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut number = 0;
    while at < bytes.len() {
        number = 10 * number + (bytes[at] - b'0') as u32;
        at += 1;
    }
    number
}

/// What was built into the library: the sum of the `TRTSEL_HAS_` flags that apply. The null engine is always built in. Any
/// thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_built_in() -> u32 {
    let flag = |there: bool, flag: u32| if there { flag } else { 0 };
    flag(cfg!(feature = "tensorrt"), TRTSEL_HAS_TENSORRT)
        | flag(cfg!(feature = "ort"), TRTSEL_HAS_ORT)
        | flag(cfg!(feature = "tract"), TRTSEL_HAS_TRACT)
        | flag(crate::BAKED_PROGRAM.is_some(), TRTSEL_HAS_BAKED_PREMODEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_of_this_version() {
        assert_eq!(trtsel_version(), TRTSEL_VERSION_MAJOR << 16 | TRTSEL_VERSION_MINOR << 8 | TRTSEL_VERSION_PATCH);
    }
}
