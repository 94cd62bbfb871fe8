"""Compiles the kernels to machine code with NVRTC, which needs no GPU: compile-nvrtc.py sm_62 [more architectures].

The library is taken from the PyPI package nvidia-cuda-nvrtc-cu12 of the Python that runs this, or from the system.
Without one it says so and exits with 0; an error of the compiler exits with 1.
"""

import ctypes
import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def library():
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec else []:
        for path in sorted(pathlib.Path(root).glob("cuda_nvrtc/lib/libnvrtc.so.*")):
            return ctypes.CDLL(str(path))
    for name in ["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so"]:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def text(nvrtc, program, size_of, get):
    size = ctypes.c_size_t()
    getattr(nvrtc, size_of)(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value + 1)
    getattr(nvrtc, get)(program, buffer)
    return buffer.raw[: size.value]


def compile_for(nvrtc, arch):
    program = ctypes.c_void_p()
    source = (HERE / "kernels.cu").read_bytes()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None)
    flags = [f"--gpu-architecture={arch}", f"-I{HERE}", "--std=c++17", "--fmad=false"]
    array = (ctypes.c_char_p * len(flags))(*[f.encode() for f in flags])
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), array)
    log = text(nvrtc, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").rstrip(b"\0").decode().strip()
    if failed:
        print(f"nvrtc: kernels.cu: expected machine code for {arch}, got error {failed}:\n{log}", file=sys.stderr)
        return False
    if log:
        print(log)
    code = text(nvrtc, program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if not code.startswith(b"\x7fELF"):
        print(f"nvrtc: {arch}: expected an ELF file, got {len(code)} other bytes", file=sys.stderr)
        return False
    print(f"nvrtc: {arch:6} compiled kernels.cu, {len(code)} bytes")
    return True


def main():
    nvrtc = library()
    if nvrtc is None:
        print("nvrtc: skipped: libnvrtc not found; build-ptx --install brings it")
        return 0
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    print(f"nvrtc: version {major.value}.{minor.value}")
    return 0 if all([compile_for(nvrtc, arch) for arch in sys.argv[1:]]) else 1


sys.exit(main())
