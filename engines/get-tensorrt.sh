#!/usr/bin/env bash
# Brings TensorRT for development and CI from PyPI and crates.io. Nothing of it is committed.
# usage: engines/get-tensorrt.sh [--lean] [--all] [DEST]     DEST is target/tensorrt unless told
#   always   headers of RTX 1.7 and of TensorRT 11.4, the RTX library and its ONNX parser (builds plans with no GPU)
#   --lean   libnvinfer_lean 11.4 (a runtime without a builder)
#   --all    --lean, and libnvinfer 8.4.1 with the cuDNN 8 and cuBLAS 11 that it loads (2 GB)
# What is there already is left alone. Needs pip and cargo.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dest="$root/target/tensorrt"
lean=0 all=0
for word in "$@"; do
    case $word in
    --lean) lean=1 ;;
    --all) lean=1 all=1 ;;
    -*) echo "get-tensorrt.sh: $word: expected --lean, --all or a folder" >&2; exit 2 ;;
    *) dest=$(realpath -m "$word") ;;
    esac
done
rtx=1.7.1.116 lean_version=11.4.0.106 old=8.4.1.5 crate=0.9.1+rtx1.7
python=${PYTHON:-python3}
mkdir -p "$dest/include" "$dest/lib"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# wheel NAME==VERSION [pip's options]: unpacks a wheel to $work/NAME
wheel() {
    local name=${1%%==*}
    "$python" -m pip download -q --disable-pip-version-check --no-deps -d "$work/wheels-$name" "$@"
    mkdir -p "$work/$name"
    for file in "$work/wheels-$name"/*.whl; do "$python" -m zipfile -e "$file" "$work/$name"; done
    rm -rf "$work/wheels-$name"
}

if [ ! -e "$dest/include/rtx-1.7/NvInfer.h" ] || [ ! -e "$dest/include/11.4/NvInfer.h" ]; then
    mkdir -p "$work/scratch/src"
    : >"$work/scratch/src/lib.rs"
    cat >"$work/scratch/Cargo.toml" <<EOF
[package]
name = "scratch"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
trtx-sys = { version = "=$crate", default-features = false }
EOF
    (cd "$work/scratch" && cargo vendor -q vendor >/dev/null)
    headers=$(find "$work/scratch/vendor" -type d -name TensorRT-Headers)
    for pair in rtx-1.7:TRT-RTX-1.7 11.4:TRT-Enterprise-11.4; do
        rm -rf "$dest/include/${pair%%:*}"
        cp -r "$headers/${pair#*:}" "$dest/include/${pair%%:*}"
    done
    # Cargo looks for headers again.
    touch "$root/engines/build.rs"
fi
echo "headers of RTX 1.7 and 11.4: $dest/include"

if [ ! -e "$dest/lib/rtx/libtensorrt_rtx.so.1" ]; then
    wheel "tensorrt-rtx-cu13-libs==$rtx"
    mkdir -p "$dest/lib/rtx"
    cp "$work"/tensorrt-rtx-cu13-libs/tensorrt_rtx_libs/*.so* "$dest/lib/rtx/"
fi
echo "TensorRT-RTX $rtx: $dest/lib/rtx"

if [ $lean = 1 ]; then
    if [ ! -e "$dest/lib/lean/libnvinfer_lean.so.11" ]; then
        wheel "tensorrt-lean-cu13-libs==$lean_version"
        mkdir -p "$dest/lib/lean"
        find "$work/tensorrt-lean-cu13-libs" -name '*.so*' -exec cp {} "$dest/lib/lean/" \;
    fi
    echo "TensorRT lean $lean_version: $dest/lib/lean"
fi

if [ $all = 1 ]; then
    if [ ! -e "$dest/lib/8.4/libnvinfer.so.8" ]; then
        # Its wheels are for old Pythons; only the libraries in them are wanted.
        wheel "nvidia-tensorrt==$old" --only-binary=:all: --python-version 3.10 --implementation cp --abi cp310 \
            --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform linux_x86_64
        wheel "nvidia-cudnn-cu11==8.9.6.50"
        wheel "nvidia-cublas-cu11==11.11.3.6"
        wheel "nvidia-cuda-runtime-cu11==11.8.89"
        mkdir -p "$dest/lib/8.4"
        for name in nvidia-cudnn-cu11 nvidia-cublas-cu11 nvidia-cuda-runtime-cu11 nvidia-tensorrt; do
            find "$work/$name" -name '*.so*' -exec mv {} "$dest/lib/8.4/" \;
        done
    fi
    echo "TensorRT $old with cuDNN 8 and cuBLAS 11: $dest/lib/8.4"
fi
