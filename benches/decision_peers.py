#!/usr/bin/env python3
"""The decision tree of benches/decision.rs in other libraries: their native code, their public calls, and the table.

    decision_peers.py build PREMODEL DIR              writes DIR/NAME.so and prints NAME=LIBRARY[:f64], one a line
    decision_peers.py table PREMODEL ROWS TIMES.csv   times public single-row calls, prints the table beside TIMES.csv

Called by benches/compare-decision. Needs numpy, scikit-learn, onnx, onnxruntime, treelite, tl2cgen and lleaves from PyPI; a
peer that cannot be had is left out with its reason on stderr.
"""

import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

SIGNALS = 16
# The libraries print messages, from Python and from C: they go to stderr, and stdout is the result's alone.
RESULT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.stdout = sys.stderr


def say(text=""):
    print(text, file=RESULT, flush=True)


def read_tree(path):
    """Nodes of the tests in the premodel's order: signal, threshold, then, else; leaves are -1 - candidate."""
    model = json.loads(pathlib.Path(path).read_text())
    program, signals, candidates = model["program"], model["signals"], model["candidates"]
    number = {}
    for at, node in enumerate(program):
        if "test" in node:
            number[at] = len(number)
    child = lambda at: number[at] if at in number else -1 - candidates.index(program[at]["run"])
    return [
        (signals.index(program[at]["test"]), program[at]["threshold"], child(program[at]["then"]), child(program[at]["else"]))
        for at in number
    ]


def with_leaves(tree):
    """The same with leaves as nodes of their own: tests first, then (candidate,)."""
    nodes, leaves = [], []

    def place(child):
        if child >= 0:
            return child
        leaves.append((-1 - child,))
        return len(tree) + len(leaves) - 1

    for signal, threshold, then, otherwise in tree:
        nodes.append((signal, threshold, place(then), place(otherwise)))
    return nodes + leaves


def lightgbm_text(tree):
    """The tree as a LightGBM model file, which is what lleaves reads."""
    values, children = [], []
    for _, _, *pair in tree:
        for child in pair:
            if child >= 0:
                children.append(child)
            else:
                values.append(float(-1 - child))
                children.append(-len(values))
    n, leaves = len(tree), len(values)
    row = lambda name, items: f"{name}={' '.join(map(str, items))}"
    body = "\n".join([
        "Tree=0", f"num_leaves={leaves}", "num_cat=0",
        row("split_feature", [t[0] for t in tree]), row("split_gain", [1] * n), row("threshold", [repr(t[1]) for t in tree]),
        row("decision_type", [0] * n), row("left_child", children[0::2]), row("right_child", children[1::2]),
        row("leaf_value", values), row("leaf_weight", [1] * leaves), row("leaf_count", [1] * leaves),
        row("internal_value", [0] * n), row("internal_weight", [1] * n), row("internal_count", [1] * n),
        "is_linear=0", "shrinkage=1", "", "",
    ])
    names = " ".join(f"Column_{i}" for i in range(SIGNALS))
    head = "\n".join([
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0", f"max_feature_idx={SIGNALS - 1}",
        "objective=regression", f"feature_names={names}", "feature_infos=" + " ".join(["[0:1]"] * SIGNALS),
        f"tree_sizes={len(body)}", "", "",
    ])
    return head + body + "\nend of trees\n\nparameters:\n[boosting: gbdt]\nend of parameters\n\npandas_categorical:null\n"


def treelite_model(tree):
    import treelite
    from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

    builder = ModelBuilder(
        threshold_type="float32", leaf_output_type="float32",
        metadata=Metadata(num_feature=SIGNALS, task_type="kRegressor", average_tree_output=False, num_target=1, num_class=[1],
                          leaf_vector_shape=(1, 1)),
        tree_annotation=TreeAnnotation(num_tree=1, target_id=[0], class_id=[0]),
        postprocessor=PostProcessorFunc(name="identity"), base_scores=[0.0],
    )
    builder.start_tree()
    for at, node in enumerate(with_leaves(tree)):
        builder.start_node(at)
        if len(node) == 1:
            builder.leaf(float(node[0]))
        else:
            builder.numerical_test(feature_id=node[0], threshold=node[1], default_left=False, opname="<=",
                                   left_child_key=node[2], right_child_key=node[3])
        builder.end_node()
    builder.end_tree()
    return builder.commit()


def sklearn_model(tree):
    """A fitted tree whose arrays are replaced by ours."""
    from sklearn.tree import DecisionTreeRegressor

    nodes = with_leaves(tree)
    model = DecisionTreeRegressor(max_leaf_nodes=len(tree) + 1)
    rng = np.random.default_rng(0)
    model.fit(rng.random((4096, SIGNALS), dtype=np.float32), rng.random(4096))
    state = model.tree_.__getstate__()
    if len(state["nodes"]) != len(nodes):
        raise RuntimeError(f"scikit-learn grew {len(state['nodes'])} nodes, expected {len(nodes)}")
    for at, node in enumerate(nodes):
        test = len(node) == 4
        state["nodes"]["left_child"][at] = node[2] if test else -1
        state["nodes"]["right_child"][at] = node[3] if test else -1
        state["nodes"]["feature"][at] = node[0] if test else -2
        state["nodes"]["threshold"][at] = node[1] if test else -2.0
        state["nodes"]["missing_go_to_left"][at] = 0
        state["values"][at] = 0.0 if test else node[0]
    state["max_depth"] = 8
    model.tree_.__setstate__(state)
    return model


def onnx_session(tree):
    import onnxruntime
    from onnx import TensorProto, helper

    nodes = with_leaves(tree)
    tests = range(len(tree))
    leaves = range(len(tree), len(nodes))
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=[0] * len(nodes), nodes_nodeids=list(range(len(nodes))),
        nodes_featureids=[n[0] if len(n) == 4 else 0 for n in nodes],
        nodes_values=[n[1] if len(n) == 4 else 0.0 for n in nodes],
        nodes_modes=["BRANCH_LEQ"] * len(tests) + ["LEAF"] * len(leaves),
        nodes_truenodeids=[n[2] if len(n) == 4 else 0 for n in nodes],
        nodes_falsenodeids=[n[3] if len(n) == 4 else 0 for n in nodes],
        target_treeids=[0] * len(leaves), target_nodeids=list(leaves), target_ids=[0] * len(leaves),
        target_weights=[float(nodes[i][0]) for i in leaves],
    )
    graph = helper.make_graph([node], "tree", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SIGNALS])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def build_tl2cgen(tree, out, compiler):
    import tl2cgen

    folder = out / "tl2cgen"
    tl2cgen.generate_c_code(treelite_model(tree), folder, params={})
    # The shim stands in the same file, so that the compiler may merge the two.
    shim = '#include "main.c"\nint decide(const float *row) { float y = 0; predict((union Entry *)row, 0, &y); return (int)y; }\n'
    (folder / "shim.c").write_text(shim)
    library = out / f"tl2cgen-{compiler}.so"
    run(compiler, "-O3", "-shared", "-fPIC", "-w", "-o", library, folder / "shim.c", "-lm")
    return f"tl2cgen, {compiler} -O3={library}"


def build_lleaves(tree, out, compiler):
    import lleaves

    (out / "lightgbm.txt").write_text(lightgbm_text(tree))
    cache = out / "lleaves.o"
    cache.unlink(missing_ok=True)
    lleaves.Model(model_file=out / "lightgbm.txt").compile(cache=cache, fcodemodel="small")
    (out / "lleaves.c").write_text(
        "void forest_root(const double *, double *, int, int);\n"
        "int decide(const double *row) { double y; forest_root(row, &y, 0, 1); return (int)y; }\n"
    )
    library = out / "lleaves.so"
    run(compiler, "-O3", "-shared", "-fPIC", "-o", library, out / "lleaves.c", cache)
    return f"lleaves={library}:f64"


def run(*command):
    subprocess.run([str(c) for c in command], check=True)


def build(premodel, out):
    tree, out = read_tree(premodel), pathlib.Path(out).resolve()
    compilers = [c for c in ("gcc", "clang", "clang-14") if subprocess.run(["sh", "-c", f"command -v {c}"], capture_output=True).returncode == 0]
    for compiler in compilers[:2]:
        attempt(f"tl2cgen with {compiler}", lambda: say(build_tl2cgen(tree, out, compiler)))
    if compilers:
        attempt("lleaves", lambda: say(build_lleaves(tree, out, compilers[0])))


def attempt(name, action):
    try:
        return action()
    except Exception as error:  # A peer that is not there, or has changed, must not hide the others.
        print(f"decision_peers: {name} is left out: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
        return None


def public_calls(tree, out):
    """(name, function of one row)."""

    def sklearn():
        model = sklearn_model(tree)
        return lambda row: model.predict(row)[0]

    def ort():
        session = onnx_session(tree)
        return lambda row: session.run(None, {"x": row})[0][0, 0]

    def treelite():
        import treelite

        model = treelite_model(tree)
        return lambda row: treelite.gtil.predict(model, row, nthread=1).reshape(-1)[0]

    def tl2cgen():
        import tl2cgen

        library = out / "tl2cgen-public.so"
        tl2cgen.export_lib(treelite_model(tree), toolchain="gcc", libpath=library, params={})
        predictor = tl2cgen.Predictor(library, nthread=1)
        return lambda row: predictor.predict(tl2cgen.DMatrix(row)).reshape(-1)[0]

    def lleaves():
        import lleaves

        model = lleaves.Model(model_file=out / "lightgbm.txt")
        model.compile(cache=out / "lleaves.o", fcodemodel="small")
        return lambda row: model.predict(row, n_jobs=1)[0]

    for name, make in [("scikit-learn", sklearn), ("onnxruntime", ort), ("treelite", treelite), ("tl2cgen", tl2cgen), ("lleaves", lleaves)]:
        call = attempt(f"{name}'s public call", make)
        if call:
            yield name, call


def leaf_of(tree, row):
    at = 0
    while at >= 0:
        signal, threshold, then, otherwise = tree[at]
        at = then if row[signal] <= np.float32(threshold) else otherwise
    return -1 - at


def table(premodel, rows_file, times_file):
    tree = read_tree(premodel)
    rows = np.fromfile(rows_file, dtype="<f4").reshape(-1, SIGNALS)
    native = [line.rsplit(",", 4) for line in pathlib.Path(times_file).read_text().splitlines()[1:]]
    calls = list(public_calls(tree, pathlib.Path(premodel).resolve().parent))
    singles = [rows[i : i + 1] for i in range(2000)]
    for name, call in calls:
        for row in singles[:500]:
            if int(call(row)) != leaf_of(tree, row[0]):
                raise SystemExit(f"decision_peers: {name}: expected {leaf_of(tree, row[0])}, got {call(row)} on {row}")
    times = {name: [] for name, _ in calls}
    for _ in range(7):
        for name, call in calls:
            started = time.perf_counter_ns()
            for row in singles:
                call(row)
            times[name].append((time.perf_counter_ns() - started) / len(singles))

    ours = [n for n in native if not n[0].startswith(("tl2cgen", "lleaves"))]
    peers = [n for n in native if n not in ours]
    say("| native code, one row a call | free ns: median | minimum | chained ns: median | minimum |")
    say("| --- | ---: | ---: | ---: | ---: |")
    for name, *numbers in native:
        say(f"| {name} | " + " | ".join(numbers) + " |")
    say("\n| public call of one row | ns: median | minimum |\n| --- | ---: | ---: |")
    for name, values in times.items():
        say(f"| {name} {importlib.metadata.version(name)} | {statistics.median(values):.0f} | {min(values):.0f} |")
    say()
    for column, what in [(1, "free, median"), (2, "free, minimum"), (3, "chained, median"), (4, "chained, minimum")]:
        best = min(ours, key=lambda n: float(n[column]))
        if peers:
            peer = min(peers, key=lambda n: float(n[column]))
            ratio = float(best[column]) / float(peer[column])
            say(f"- {what}: best of ours ({best[0]}) takes {ratio:.2f} of the fastest peer's native code ({peer[0]}).")
    if times:
        best = min(ours, key=lambda n: float(n[3]))
        peer = min(times, key=lambda n: statistics.median(times[n]))
        ratio = statistics.median(times[peer]) / float(best[3])
        say(f"- The fastest public call of one row ({peer}) takes {ratio:.0f} times as long as the best of ours, chained ({best[0]}); medians.")
    say("\nVersions: " + ", ".join(f"{n} {version(n)}" for n in ["scikit-learn", "onnxruntime", "treelite", "tl2cgen", "lleaves", "numpy"]) + ".")


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", premodel, out]:
            build(premodel, out)
        case ["table", premodel, rows, times]:
            table(premodel, rows, times)
        case _:
            sys.exit(__doc__)
