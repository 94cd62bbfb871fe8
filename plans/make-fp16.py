#!/usr/bin/env python3
"""Make a half-precision ONNX model of a single-precision one.

    make-fp16.py MODEL.onnx -o MODEL-fp16.onnx [--io fp32|fp16] [--keep OP ...]

TensorRT-RTX and TensorRT 11 take the type of every tensor from the model and have no switch for half precision, so there
an fp16 plan is a plan of an fp16 model:

    python3 plans/make-fp16.py small.onnx -o small-fp16.onnx
    trt-select build small-fp16.onnx -o small.plan --fp16

In a bundle, name the new file as the candidate's `onnx` and set `precision = "fp16"`.

Every weight and tensor of type float becomes float16. With --io fp32 (the default) inputs and outputs stay float, and the
model converts them itself, so that it takes and gives what it did before; with --io fp16 they become float16 too, which
saves the conversion and half of the copy. Operators that ONNX defines for float alone, and those named with --keep, stay as
they are, between conversions. Weights beyond float16's range (65504) are refused, since they would change what the model
computes; ones too small for it become its smallest number or 0, and the largest relative error is printed.

Needs: onnx, onnxconverter-common and numpy (PyPI). Exit codes: 0, 1 (failed), 2 (usage).
"""
import argparse
import os
import pathlib
import sys
import warnings

FLOAT16_MAX = 65504.0
FLOAT16_TINY = 2.0**-24


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="the single-precision ONNX model")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="the half-precision model to write")
    parser.add_argument("--io", choices=["fp32", "fp16"], default="fp32", help="type of inputs and outputs (default fp32)")
    parser.add_argument("--keep", metavar="OP", nargs="+", default=[], help="operators that stay in single precision")
    args = parser.parse_args()
    if args.output.exists() and args.output.samefile(args.model):
        parser.error(f"{args.output}: expected another file than the model; choose another with -o")
    return args


def fail(line):
    print(f"make-fp16: {line}", file=sys.stderr)
    sys.exit(1)


def weights(model, onnx, kept):
    """Every constant tensor of the graph that will be float16: initializers, and the values of Constant nodes, but for those
    that only operators in `kept` read."""
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)

    def stays(name):
        return name in readers and readers[name] <= kept

    for tensor in model.graph.initializer:
        if not stays(tensor.name):
            yield tensor.name, tensor
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and not stays(node.output[0]):
                yield f"{node.op_type} {node.output[0]}", attribute.t


def main():
    args = arguments()
    try:
        import numpy as np
        import onnx
        from onnxconverter_common import float16
    except ImportError as e:
        fail(f"expected the Python packages onnx, onnxconverter-common and numpy, got {e}; install them with pip")
    try:
        model = onnx.load(args.model)
        onnx.checker.check_model(model)
    except Exception as e:  # onnx and protobuf raise what they like
        fail(f"{args.model}: expected an ONNX model, got {str(e).splitlines()[0] if str(e) else type(e).__name__}; export it again")

    blocked = float16.DEFAULT_OP_BLOCK_LIST + args.keep
    count, worst = 0, 0.0
    for name, tensor in weights(model, onnx, set(blocked)):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor).astype(np.float64).ravel()
        count += values.size
        # -inf and inf stand in masks, and float16 has them as well.
        finite = values[np.isfinite(values)]
        if finite.size and np.abs(finite).max() > FLOAT16_MAX:
            most = np.abs(finite).max()
            fail(f"{args.model}: {name}: expected weights of at most {FLOAT16_MAX:.0f}, got {most:g}; keep its operators in fp32 with --keep")
        normal = finite[np.abs(finite) >= 2.0**-14]
        if normal.size:
            worst = max(worst, float(np.abs(normal.astype(np.float16) / normal - 1).max()))
    if count == 0:
        fail(f"{args.model}: expected float weights, got none; the model needs no conversion")

    with warnings.catch_warnings():
        # The converter warns of every weight that it rounds up to the smallest number.
        warnings.simplefilter("ignore")
        try:
            half = float16.convert_float_to_float16(
                model,
                min_positive_val=FLOAT16_TINY,
                max_finite_val=FLOAT16_MAX,
                keep_io_types=args.io == "fp32",
                op_block_list=blocked,
            )
            onnx.checker.check_model(half, full_check=True)
        except Exception as e:
            first = str(e).splitlines()[0] if str(e) else type(e).__name__
            fail(f"{args.model}: expected a model that float16 can hold, got {first}; keep the operators concerned with --keep")

    # Beside its place first, then renamed: a kill leaves no half file.
    part = args.output.with_name(f".{args.output.name}.{os.getpid()}.part")
    try:
        onnx.save(half, part)
        os.replace(part, args.output)
    except OSError as e:
        fail(f"{args.output}: expected a file that can be written, got {e.strerror}; choose another with -o")
    finally:
        part.unlink(missing_ok=True)
    print(f"{args.output}: {count} weights as float16 (largest relative error {worst:.2g}), inputs and outputs {args.io}")


if __name__ == "__main__":
    main()
