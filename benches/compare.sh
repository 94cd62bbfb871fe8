#!/usr/bin/env bash
# Everything that trt-select adds around a network, beside what others take for the same, in one table with the machine's facts:
# features against memcpy and OpenCV, decision against five libraries, dispatch against a bare call of the engine, instruction
# counts. Writes benches/record/MACHINE/DATE-compare.md, and prints where.
#
#     benches/compare.sh MACHINE [--rounds N]        for example: benches/compare.sh orin-nx
#
# Needs Rust, a C compiler, and Python 3 with venv and pip (the peers come from PyPI); what is missing is named in the table.
# Ratios are taken side by side in one run; times are those of a machine that may have other work.
set -euo pipefail
cd "$(dirname "$0")/.."
usage() { echo "compare.sh: expected MACHINE [--rounds N], got '$*'; see its head" >&2; exit 2; }
machine=${1:-} rounds=101
[[ $machine =~ ^[a-z0-9][a-z0-9-]*$ ]] || usage "$@"
case ${2:-} in
    "") ;;
    --rounds) [[ ${3:-} =~ ^[1-9][0-9]*$ ]] || usage "$@"; rounds=$3 ;;
    *) usage "$@" ;;
esac
out=benches/record/$machine/$(date +%F)-compare.md
work=target/compare
mkdir -p "$work" "$(dirname "$out")"

# section TITLE COMMAND...: what the command prints, or why there is nothing.
section() {
    local title=$1
    shift
    echo "compare: $title" >&2
    printf '\n## %s\n\n`%s`, load before it %s\n\n' "$title" "$*" "$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)"
    if "$@" >"$work/out" 2>"$work/err"; then
        # Tables in Markdown stay as they are; others keep their columns.
        if grep -q '^| ---' "$work/out"; then cat "$work/out"; else printf '```\n'; cat "$work/out"; printf '```\n'; fi
    else
        echo "failed: $(tail -n 1 "$work/err")"
    fi
}

venv=$PWD/target/decision/venv
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet numpy scikit-learn onnx onnxruntime treelite tl2cgen lleaves 'llvmlite<0.45'
fi
"$venv/bin/python" -c 'import cv2' 2>/dev/null || "$venv/bin/pip" install --quiet opencv-python-headless
# trt-select looks for ONNX Runtime in the Python that is first on the path.
export PATH=$venv/bin:$PATH

bench="cargo bench -q --bench"
{
    echo "# $(date +%F), $machine: the hot path beside others"
    echo
    echo "\`benches/compare.sh $machine --rounds $rounds\` wrote this. $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -sm);"
    echo "$(rustc --version); $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null)."
    section "Features against memcpy" $bench features -- --ratios --rounds "$rounds"
    section "Features against OpenCV" python3 benches/opencv_features.py --rounds "$((rounds / 2 + 1))"
    section "Decision" benches/compare-decision
    section "Dispatch" $bench hot_path -- --ratios
    section "Instructions" benches/count-instructions
} >"$work/record.md"
# Nothing of this machine's folders belongs into a record.
sed "s|$PWD/||g" "$work/record.md" >"$out"
echo "compare: wrote $out"
