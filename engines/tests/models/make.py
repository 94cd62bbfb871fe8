#!/usr/bin/env python3
"""Makes the tiny networks of this folder and `cases.json`, which says what each must answer or how it must be refused.

Needs the packages `numpy`, `onnx` and `onnxruntime`:

    python3 -m venv venv && venv/bin/pip install numpy onnx onnxruntime && venv/bin/python make.py

Answers come from onnx's own reference evaluator (numpy) and are compared with ONNX Runtime's before they are written.
Weights and inputs are drawn from a fixed seed, so a second run writes the same files.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).resolve().parent
FLOAT = TensorProto.FLOAT
rng = np.random.default_rng(20250214)
cases = []


def weights(name, *shape):
    return numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)


def value(name, shape, data_type=FLOAT):
    return helper.make_tensor_value_info(name, data_type, shape)


def save(name, nodes, inputs, outputs, initializers=(), value_info=(), domains=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers), value_info=list(value_info))
    opsets = [helper.make_opsetid("", 13)] + [helper.make_opsetid(domain, 1) for domain in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="make.py")
    if not domains:
        onnx.checker.check_model(model)
    path = HERE / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    assert path.stat().st_size < 20_000, path
    return path


def tensor(info, array):
    return {"name": info.name, "shape": list(array.shape), "data": [float(x) for x in array.ravel()]}


def answers(path, shapes, tolerance):
    """A case that must run: the batch is one wherever the model leaves it open."""
    model = onnx.load(path)
    feeds = {i.name: rng.uniform(-1, 1, s).astype(np.float32) for i, s in zip(model.graph.input, shapes, strict=True)}
    expected = ReferenceEvaluator(model).run(None, feeds)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for ours, theirs in zip(expected, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    cases.append({
        "model": path.name,
        "inputs": [tensor(i, feeds[i.name]) for i in model.graph.input],
        "outputs": [tensor(o, np.asarray(a)) for o, a in zip(model.graph.output, expected, strict=True)],
        "tolerance": tolerance,
    })


def refused(path, kind, *words):
    """A case that must be refused with an error of this kind whose line holds all these words."""
    cases.append({"model": path.name, "refused": kind, "words": list(words)})


def classifier(name, input_shape, batch, **more):
    nodes = [
        helper.make_node("Conv", ["image", "conv_w", "conv_b"], ["conv"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "gemm_w", "gemm_b"], ["logits"], transB=1),
    ]
    initializers = [weights("conv_w", 4, 3, 3, 3), weights("conv_b", 4), weights("gemm_w", 5, 4), weights("gemm_b", 5)]
    return save(name, nodes, [value("image", input_shape)], [value("logits", [batch, 5])], initializers, **more)


# A classifier in little, its batch fixed.
answers(classifier("classifier", [1, 3, 8, 8], 1), [(1, 3, 8, 8)], 1e-5)
# The same with its batch left open: by name, also within the graph, and without a name.
answers(
    classifier("batch_named", ["N", 3, 8, 8], "N", value_info=[value("conv", ["N", 4, 8, 8]), value("flat", ["N", 4])]),
    [(1, 3, 8, 8)],
    1e-5,
)
answers(classifier("batch_unnamed", [None, 3, 8, 8], None), [(1, 3, 8, 8)], 1e-5)
# Extents that the exporter left open though they follow from the input.
answers(classifier("output_unnamed", [1, 3, 8, 8], "unk__7"), [(1, 3, 8, 8)], 1e-5)
# Two inputs, two outputs of different shapes. Subtraction shows an exchange of the inputs.
answers(
    save(
        "two_in_two_out",
        [
            helper.make_node("Sub", ["a", "b"], ["difference"]),
            helper.make_node("MatMul", ["a", "w"], ["product"]),
        ],
        [value("a", [1, 4]), value("b", [1, 4])],
        [value("difference", [1, 4]), value("product", [1, 3])],
        [weights("w", 4, 3)],
    ),
    [(1, 4), (1, 4)],
    1e-6,
)
# Every operator could work in place: the input's buffer must survive.
answers(
    save(
        "in_place",
        [
            helper.make_node("Sub", ["x", "mean"], ["centred"]),
            helper.make_node("Relu", ["centred"], ["positive"]),
            helper.make_node("Mul", ["positive", "scale"], ["y"]),
        ],
        [value("x", [1, 6])],
        [value("y", [1, 6])],
        [weights("mean", 1, 6), weights("scale", 1, 6)],
    ),
    [(1, 6)],
    1e-6,
)
# The input itself is an output.
answers(
    save("identity", [helper.make_node("Identity", ["x"], ["y"])], [value("x", [1, 6])], [value("y", [1, 6])]),
    [(1, 6)],
    0.0,
)
# A recurrent network: its state must not pass from one run to the next.
answers(
    save(
        "lstm",
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["steps", "last", ""], hidden_size=4)],
        [value("x", [5, 1, 3])],
        [value("steps", [5, 1, 1, 4]), value("last", [1, 1, 4])],
        [weights("w", 1, 16, 3), weights("r", 1, 16, 4), weights("b", 1, 32)],
    ),
    [(5, 1, 3)],
    1e-5,
)

refused(classifier("spatial_open", ["N", 3, "height", "width"], "N"), "Shape", "image", "[N,3,height,width]", "fixed")
refused(
    save(
        "input_int64",
        [helper.make_node("Cast", ["ids"], ["y"], to=FLOAT)],
        [value("ids", [1, 4], TensorProto.INT64)],
        [value("y", [1, 4])],
    ),
    "Shape",
    "ids",
    "f32",
    "i64",
)
refused(
    save(
        "output_int64",
        [helper.make_node("ArgMax", ["x"], ["class"], axis=1)],
        [value("x", [1, 4])],
        [value("class", [1, 1], TensorProto.INT64)],
    ),
    "Shape",
    "class",
    "f32",
    "i64",
)
refused(
    save(
        "input_half",
        [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)],
        [value("x", [1, 4], TensorProto.FLOAT16)],
        [value("y", [1, 4])],
    ),
    "Shape",
    "x",
    "f32",
    "f16",
)
refused(
    save(
        "unknown_operator",
        [helper.make_node("Nonesuch", ["x"], ["y"], domain="example.org")],
        [value("x", [1, 4])],
        [value("y", [1, 4])],
        domains=["example.org"],
    ),
    "Model",
    "Nonesuch",
)
refused(
    save(
        "shapes_clash",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [value("x", [1, 4])],
        [value("y", [1, 3])],
        [weights("w", 5, 3)],
        domains=["example.org"],
    ),
    "Model",
)

lines = ",\n".join(json.dumps(case) for case in cases)
(HERE / "cases.json").write_text(f"[\n{lines}\n]\n")
print(f"{len(cases)} cases")
