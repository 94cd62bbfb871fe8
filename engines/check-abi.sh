#!/usr/bin/env bash
# Compiles the shim against each folder of TensorRT's headers, links all objects into one binary that calls each of them,
# and fails if two of them define the same symbol, or if one needs something of the C++ runtime.
# usage: engines/check-abi.sh [DIR...]     DIR holds NvInfer.h; several of one ABI line are fine; default: what get-tensorrt.sh brought
# Needs a C++17 compiler (CXX, g++ unless told), a C compiler and nm. Prints version and line of each folder.
set -euo pipefail
sources=$(cd "$(dirname "$0")/tensorrt" && pwd)
if [ $# = 0 ]; then
    set -- "$sources"/../../target/tensorrt/include/*/
    [ -e "$1/NvInfer.h" ] || { echo "check-abi: skipped: no headers of TensorRT; engines/get-tensorrt.sh brings some"; exit 0; }
fi
cxx=${CXX:-g++} cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The header is C99 and complete in itself.
echo '#include "shim.h"' >"$work/c99.c"
"$cc" -std=c99 -pedantic -Wall -Wextra -Werror -I"$sources" -fsyntax-only "$work/c99.c"

# The flags of build.rs.
flags=(-std=c++17 -O2 -fPIC -Wall -Wextra -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-asynchronous-unwind-tables -fno-unwind-tables)
if "$cxx" -fno-devirtualize-speculatively -Werror -xc++ -fsyntax-only /dev/null 2>/dev/null; then
    flags+=(-fno-devirtualize-speculatively)
fi

number=0
echo '#include "shim.h"
#include <stdio.h>' >"$work/main.c"
for dir in "$@"; do
    number=$((number + 1))
    name=n$number
    echo "const trtsel_shim_table *trtsel_shim_$name(void);" >>"$work/main.c"
    # An error is the folder's, not this script's.
    if ! "$cxx" "${flags[@]}" -DTRTSEL_LINE=$name -Dnvinfer1=trtsel_nv_$name -Dnvonnxparser=trtsel_onnx_$name \
        -I"$sources" -isystem "$dir" -isystem "$sources/cuda_stub" -c "$sources/shim.cpp" -o "$work/$name.o" 2>"$work/errors"; then
        echo "check-abi: $dir: does not compile: $(grep -m1 error "$work/errors" || head -1 "$work/errors")" >&2
        exit 1
    fi
    if [ -s "$work/errors" ]; then
        echo "check-abi: $dir: warnings: $(grep -m1 warning "$work/errors" || head -1 "$work/errors")" >&2
        exit 1
    fi
    # Weak references may stay unresolved; anything else must be the C library's.
    foreign=$(nm -u "$work/$name.o" | awk '$1 == "U" { print $2 }' |
        grep -v -x -e malloc -e calloc -e free -e snprintf -e memcpy -e memset -e __stack_chk_fail -e _GLOBAL_OFFSET_TABLE_ -e '__snprintf_chk' || true)
    if [ -n "$foreign" ]; then
        echo "check-abi: $dir: the shim needs $(echo $foreign), expected nothing but the C library" >&2
        exit 1
    fi
done
{
    echo 'static void show(const char *folder, const trtsel_shim_table *t) {
    const char *line = t->edition == TRTSEL_SHIM_RTX ? "rtx1" : t->major == 8 ? (t->minor < 5 ? "v8_2" : "v8_5") : t->major == 10 ? "v10" : "v11";
    printf("%-14s %-5s %d.%d.%d.%d  fp16 flag %s, other targets %s, progress %s, parser header %s\n", folder, line, t->major, t->minor,
        t->patch, t->build, t->has_fp16 ? "yes" : "no", t->has_targets ? "yes" : "no", t->has_progress ? "yes" : "no", t->has_parser ? "yes" : "no");
}
int main(void) {'
    number=0
    for dir in "$@"; do
        number=$((number + 1))
        echo "    show(\"$(basename "$dir")\", trtsel_shim_n$number());"
    done
    echo '    return 0;
}'
} >>"$work/main.c"

# A symbol that two objects define is one that the linker may take from the wrong one.
shared=$(nm -g --defined-only "$work"/n*.o | awk 'NF == 3 { print $3 }' | sort | uniq -d)
if [ -n "$shared" ]; then
    echo "check-abi: shared by two objects: $(echo $shared)" >&2
    exit 1
fi
# A C program: nothing of C++ is linked.
"$cc" -I"$sources" "$work/main.c" "$work"/n*.o -o "$work/all"
"$work/all"
echo "$# objects in one C program: no shared symbols, nothing needed but the C library"
