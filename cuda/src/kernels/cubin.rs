//! The kernels as machine code, so that the driver has nothing to compile.

/// The kernels as machine code for one kind of GPU, as `cuda/kernels/build-ptx` made them of [`PTX`](super::PTX).
///
/// Only [`cubin_for`] gives one, so that the driver is never handed other bytes as machine code.
#[derive(Clone, Copy)]
pub struct Cubin {
    name: &'static str,
    capability: (u32, u32),
    /// A zlib stream of the ELF file.
    #[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "the driver is what reads it"))]
    packed: &'static [u8],
}

macro_rules! cubins {
    ($($name:literal: $major:literal, $minor:literal;)*) => {
        const CUBINS: &[Cubin] = &[$(Cubin {
            name: $name,
            capability: ($major, $minor),
            packed: include_bytes!(concat!("../../kernels/cubins/", $name, ".cubin.z")),
        }),*];
    };
}

cubins! {
    "sm_53": 5, 3;
    "sm_62": 6, 2;
    "sm_72": 7, 2;
    "sm_87": 8, 7;
    "sm_90": 9, 0;
    "sm_120": 12, 0;
}

/// The machine code for a GPU of this compute capability (major, minor), if there is some.
///
/// Code runs on later GPUs of the same major number too, except code for a Jetson, and on a Jetson other code than its own: NVIDIA
/// promises nothing there.
///
/// ```
/// use trt_select_cuda::kernels::cubin_for;
/// assert_eq!(cubin_for((6, 2)).map(|c| c.name()), Some("sm_62"));
/// assert_eq!(cubin_for((12, 1)).map(|c| c.name()), Some("sm_120"));
/// // Not the Orin's, 8.7.
/// assert!(cubin_for((8, 9)).is_none());
/// ```
pub fn cubin_for(capability: (u32, u32)) -> Option<&'static Cubin> {
    let runs = |cubin: &&Cubin| {
        let ((major, minor), wanted) = (cubin.capability, capability);
        let older = !is_jetson((major, minor)) && !is_jetson(wanted) && major == wanted.0 && minor < wanted.1;
        (major, minor) == wanted || older
    };
    CUBINS.iter().filter(runs).max_by_key(|cubin| cubin.capability.1)
}

/// Compute capabilities of Jetsons up to the Orin.
fn is_jetson(capability: (u32, u32)) -> bool {
    matches!(capability, (5, 3) | (6, 2) | (7, 2) | (8, 7))
}

impl Cubin {
    /// Its name, such as `sm_62`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The GPU that it was made for, as major and minor compute capability.
    pub fn capability(&self) -> (u32, u32) {
        self.capability
    }

    /// The ELF file, at an address that is a multiple of 8; `None` where what was built in is damaged.
    #[cfg(feature = "driver")]
    pub(crate) fn image(&self) -> Option<Vec<u64>> {
        /// More than any of them.
        const LIMIT: usize = 1 << 20;
        let bytes = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(self.packed, LIMIT).ok()?;
        let mut image = vec![0_u64; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut image)[..bytes.len()].copy_from_slice(&bytes);
        Some(image)
    }
}

impl std::fmt::Debug for Cubin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cubin").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_by_capability() {
        let name = |major, minor| cubin_for((major, minor)).map(Cubin::name);
        for cubin in CUBINS {
            assert_eq!(name(cubin.capability.0, cubin.capability.1), Some(cubin.name()));
        }
        // Desktops are no Jetsons, however near their numbers are.
        for (major, minor) in [(5, 0), (5, 2), (6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (10, 0), (0, 0)]
        {
            assert_eq!(name(major, minor), None, "{major}.{minor}");
        }
        assert_eq!([name(12, 1), name(9, 1), name(13, 0)], [Some("sm_120"), Some("sm_90"), None]);
    }

    /// CRC-32 as zlib has it.
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
    }

    /// Machine code of earlier kernels would be launched with arguments and blocks that it does not know.
    #[test]
    fn made_of_this_ptx() {
        let made_by = include_str!("../../kernels/cubins/made-by.txt");
        let ptx = crate::kernels::PTX.as_bytes();
        let line = format!("kernels.ptx {} {:08x}", ptx.len(), crc32(ptx));
        assert!(made_by.lines().any(|l| l == line), "{line}: run cuda/kernels/build-ptx; {made_by}");
    }

    #[cfg(feature = "driver")]
    #[test]
    fn each_is_an_elf_file_for_its_gpu_with_every_kernel() {
        for cubin in CUBINS {
            let image = cubin.image().unwrap();
            let bytes: &[u8] = bytemuck::cast_slice(&image);
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            // EM_CUDA.
            assert!(bytes.starts_with(b"\x7fELF") && bytes[18..20] == [190, 0], "{}", cubin.name());
            // Which bits of the flags say the GPU depends on the version of the format.
            let (_, version, flags) = (bytes[7], bytes[8], &bytes[48..52]);
            let sm = if version < 8 { flags[0] } else { flags[1] };
            assert_eq!(u32::from(sm), 10 * cubin.capability.0 + cubin.capability.1, "{}", cubin.name());
            for kernel in crate::kernels::NAMES {
                assert!(has(&format!(".text.{kernel}\0")), "{}: {kernel}", cubin.name());
            }
        }
        let damaged = Cubin { packed: &CUBINS[0].packed[..100], ..CUBINS[0] };
        assert!(damaged.image().is_none());
    }
}
