#!/usr/bin/env python3
"""Compares a half-precision model with the single-precision one that it was made of, on Fashion-MNIST's test images.

    check_fp16.py MODEL.onnx HALF.onnx IMAGES.idx.gz COUNT

Prints `agree N of COUNT, type of inputs T, fp16 weights`, and exits 0 if at least 99 % of the answers agree. Labels are not
read: this is about the conversion, not about the network.
"""
import gzip
import sys

import numpy as np
import onnx
import onnxruntime as ort

model, half, images, count = sys.argv[1:4] + [int(sys.argv[4])]
with gzip.open(images) as file:
    head = file.read(16)
    assert head[:4] == b"\0\0\x08\x03", head
    pixels = np.frombuffer(file.read(count * 28 * 28), np.uint8).reshape(count, 1, 28, 28)
inputs = ((pixels / np.float32(255) - np.float32(0.2860)) / np.float32(0.3530)).astype(np.float32)


def answers(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tensor = session.get_inputs()[0]
    kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16}[tensor.type]
    return tensor.type, [int(session.run(None, {tensor.name: x[None].astype(kind)})[0].argmax()) for x in inputs]


(_, expected), (kind, got) = answers(model), answers(half)
agree = sum(a == b for a, b in zip(expected, got))
types = {tensor.data_type for tensor in onnx.load(half).graph.initializer}
assert types <= {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64}, types
assert len(set(expected)) > 5, "the images are not all of one class"
print(f"agree {agree} of {count}, type of inputs {kind}, fp16 weights")
sys.exit(0 if agree >= 0.99 * count else 1)
