#!/usr/bin/env python3
"""Write a trained network as the ONNX models and tables that the bundle's engines run, and check them.

    export.py --data DIR --checkpoint WORK/d256/best.pt --out WORK/onnx [--check 500]

NAME is the network's name; S the source's pieces with its end, padded to a size of the engine's choice; M the decoder's layers:

    NAME.encoder.onnx    emb [1, S, d], mask [1, S] -> k [M, S, d], v [M, S, d]            once a sentence
    NAME.decoder.onnx    emb [1, d], state [M, d], k, v, mask -> logits [1, V], state_out  once a target piece
    NAME.embeddings.npy  [V, d], as --weights says
    NAME.scales.npy      [V] float16, with --weights int8: row p is embeddings[p] * scales[p]
    NAME.positions.npy   [64, d] float32

The host looks rows up: emb of piece p at place t (from 0, in the source and in the target) is embeddings[p] + positions[t]. The
mask is 0 at pieces and -10000 at padding; the state starts as zeros; the first target piece is <s> (2), the last one </s> (3).
Opset 13, float32 within: no integers but constant shapes, no Gather, If or Loop, so that tract, ONNX Runtime and TensorRT-RTX take
it with S fixed at open. --weights says how matrices are stored: float32, float16 (a Cast each), or int8 rows with a float16 scale
each (a DequantizeLinear each); norms and biases stay float32.

Two constants are folded into weights. The embeddings are scaled already, and the decoder's last norm divides by that scale, so
that the decoder's output layer (initializer `embeddings.weight`) and the table are one matrix, which a bundle may store once. And
the queries are scaled by their projection.

--check N translates N sentences of dev greedily with ONNX Runtime, sizes 16, 32 and 64, and compares with PyTorch's by the
same stored weights; dev's BLEU and chrF by these weights stand beside, so that a loss by storing shows.

Needs what train.py needs and onnx (PyPI); for --check also onnxruntime.
"""
import argparse
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when PyTorch is loaded; sentences are short

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

import model  # noqa: E402
from text import BOS, EOS, LONGEST, Vocabulary, fail, read_pairs, write  # noqa: E402
from train import Dev  # noqa: E402

SIZES = (16, 32, 64)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="folder of uni4000.vocab, and of dev.tsv.gz for --check")
    p.add_argument("--checkpoint", required=True, help="best.pt of the network")
    p.add_argument("--out", required=True, help="folder for the models and tables")
    p.add_argument("--weights", choices=["float32", "float16", "int8"], default="float32", help="how matrices are stored")
    p.add_argument("--check", type=int, default=0, metavar="N", help="compare so many sentences of dev with PyTorch")
    return p.parse_args()


@torch.no_grad()
def fold(network):
    """Scales of embeddings and queries go into the weights; the network computes what it did before."""
    network.embedding.weight.mul_(network.scale)
    network.decoder_norm.weight.div_(network.scale)
    network.decoder_norm.bias.div_(network.scale)
    network.scale = 1.0
    for layer in list(network.encoder) + list(network.decoder):
        a = layer.attention
        for x in (a.kv.weight, a.kv.bias) if a.own else (a.q.weight, a.q.bias):
            x[: network.d].mul_(a.scale)
        a.scale = 1.0


def rows_int8(matrix):
    """int8 rows and their float16 scales: the row's largest entry becomes 127."""
    scale = (np.abs(matrix).max(1) / 127).astype(np.float16)
    scale[scale == 0] = np.float16(2.0**-14)
    return np.clip(np.rint(matrix / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8), scale


class Graph:
    """An ONNX graph written node by node. Tracing the modules instead would compute shapes at run time (Shape, Gather, Cast), which
    not every engine takes."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.known = weights, [], [], {}

    def node(self, op, inputs, outputs=1, name=None, **attributes):
        """The node's output, or the list of them; `name` names the only one."""
        names = [name] if name else [f"{op}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, f"{op}{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, name, value):
        if name not in self.known:
            self.known[name] = value
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def integers(self, *values):
        return self.constant("i" + "_".join(map(str, values)), np.array(values, np.int64))

    def matrix(self, name, tensor):
        """A weight [out, in] as it is stored, and the nodes that make it float32 (constant, so engines do that once)."""
        value = tensor.detach().numpy()
        if self.weights == "float32":
            return self.constant(name, value)
        if self.weights == "float16":
            return self.node("Cast", [self.constant(name, value.astype(np.float16))], to=TensorProto.FLOAT)
        rows, scale = rows_int8(value)
        scale = self.node("Cast", [self.constant(name + ".scale", scale)], to=TensorProto.FLOAT)
        zero = self.constant(name + ".zero", np.zeros(len(rows), np.int8))
        return self.node("DequantizeLinear", [self.constant(name, rows), scale, zero], axis=0)

    def linear(self, x, name, weight, bias, out=None):
        bias = self.constant(name + ".bias", bias.detach().numpy())
        return self.node("Gemm", [x, self.matrix(name + ".weight", weight), bias], name=out, transB=1)

    def norm(self, x, name, norm):
        """Layer norm of opset 13, in the nodes that ONNX Runtime knows to fuse."""
        centred = self.node("Sub", [x, self.node("ReduceMean", [x], axes=[-1])])
        square = self.node("Pow", [centred, self.constant("two", np.float32(2))])
        variance = self.node("ReduceMean", [square], axes=[-1])
        deviation = self.node("Sqrt", [self.node("Add", [variance, self.constant("epsilon", np.float32(norm.eps))])])
        weight, bias = (self.constant(f"{name}.{end}", getattr(norm, end).detach().numpy()) for end in ("weight", "bias"))
        return self.node("Add", [self.node("Mul", [self.node("Div", [centred, deviation]), weight]), bias])

    def split(self, x, parts, width, axis=1):
        if parts == 1:
            return [x]
        return self.node("Split", [x, self.integers(*[width] * parts)], parts, axis=axis)

    def attend(self, name, a, d, q, k, v, one):
        """Attention of rows q [T, d] over k and v [S, d] or [1, S, d]; T is 1 if `one`."""
        heads = self.integers(-1, a.heads, d // a.heads)
        if one:
            q = self.node("Reshape", [q, self.integers(a.heads, 1, d // a.heads)])
        else:
            q = self.node("Transpose", [self.node("Reshape", [q, heads])], perm=[1, 0, 2])
        k = self.node("Transpose", [self.node("Reshape", [k, heads])], perm=[1, 2, 0])
        v = self.node("Transpose", [self.node("Reshape", [v, heads])], perm=[1, 0, 2])
        scores = self.node("Add", [self.node("MatMul", [q, k]), "mask"])
        out = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), v])
        if not one:
            out = self.node("Transpose", [out], perm=[1, 0, 2])
        return self.linear(self.node("Reshape", [out, self.integers(1 if one else -1, d)]), name + ".o", a.o.weight, a.o.bias)

    def feed(self, x, name, feed):
        inner = self.node("Relu", [self.linear(x, name + ".in", feed[0].weight, feed[0].bias)])
        return self.linear(inner, name + ".out", feed[3].weight, feed[3].bias)

    def save(self, path, inputs, outputs):
        def value(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(self.nodes, os.path.basename(path), [value(*x) for x in inputs], [value(*x) for x in outputs],
                                  self.constants)
        file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="trt-select")
        onnx.checker.check_model(file, full_check=True)
        write(path, lambda part: onnx.save(file, part))
        operators = " ".join(sorted({node.op_type for node in self.nodes}))
        print(f"{path}: {os.path.getsize(path)} bytes, {len(self.nodes)} nodes, {operators}")


def encoder(network, weights, path):
    g, d, layers = Graph(weights), network.d, len(network.decoder)
    x = g.node("Reshape", ["emb", g.integers(-1, d)])
    for i, layer in enumerate(network.encoder):
        name = f"encoder{i}"
        qkv = g.linear(g.norm(x, name + ".n1", layer.n1), name + ".qkv", layer.attention.kv.weight, layer.attention.kv.bias)
        x = g.node("Add", [x, g.attend(name, layer.attention, d, *g.split(qkv, 3, d), False)])
        x = g.node("Add", [x, g.feed(g.norm(x, name + ".n2", layer.n2), name + ".feed", layer.feed)])
    x = g.norm(x, "norm", network.encoder_norm)
    ks, vs = [], []
    for i, layer in enumerate(network.decoder):
        pair = g.split(g.linear(x, f"memory{i}", layer.attention.kv.weight, layer.attention.kv.bias), 2, d)
        for rows, out, part in ((ks, "k", pair[0]), (vs, "v", pair[1])):
            rows.append(g.node("Reshape", [part, g.integers(1, -1, d)], name=out if layers == 1 else None))
    if layers > 1:
        g.node("Concat", ks, name="k", axis=0)
        g.node("Concat", vs, name="v", axis=0)
    g.save(path, [("emb", [1, "S", d]), ("mask", [1, "S"])], [("k", [layers, "S", d]), ("v", [layers, "S", d])])


def decoder(network, weights, path):
    g, d, layers = Graph(weights), network.d, len(network.decoder)
    x, after = "emb", []
    before, ks, vs = (g.split(name, layers, 1, axis=0) for name in ("state", "k", "v"))
    for i, layer in enumerate(network.decoder):
        name = f"decoder{i}"
        w = layer.recurrent.w
        f, z = g.split(g.linear(g.norm(x, name + ".n1", layer.n1), name + ".w", w.weight, w.bias), 2, d)
        kept = g.node("Mul", [g.node("Sigmoid", [f]), g.node("Sub", [before[i], z])])
        after.append(g.node("Add", [z, kept], name="state_out" if layers == 1 else None))
        x = g.node("Add", [x, g.node("Relu", [after[i]])])
        q = g.linear(g.norm(x, name + ".n2", layer.n2), name + ".q", layer.attention.q.weight, layer.attention.q.bias)
        x = g.node("Add", [x, g.attend(name, layer.attention, d, q, ks[i], vs[i], True)])
        if layer.feed is not None:
            x = g.node("Add", [x, g.feed(g.norm(x, name + ".n3", layer.n3), name + ".feed", layer.feed)])
    if layers > 1:
        g.node("Concat", after, name="state_out", axis=0)
    g.linear(g.norm(x, "norm", network.decoder_norm), "embeddings", network.embedding.weight, network.bias, out="logits")
    memory = [layers, "S", d]
    g.save(path, [("emb", [1, d]), ("state", [layers, d]), ("k", memory), ("v", memory), ("mask", [1, "S"])],
           [("logits", [1, len(network.bias)]), ("state_out", [layers, d])])


def export(network, weights, base):
    encoder(network, weights, f"{base}.encoder.onnx")
    decoder(network, weights, f"{base}.decoder.onnx")
    table = network.embedding.weight.detach().numpy()
    tables = {"embeddings": table.astype(weights), "positions": network.positions[:LONGEST].numpy()}
    if weights == "int8":
        tables["embeddings"], tables["scales"] = rows_int8(table)
    for name, value in tables.items():
        def fill(part):
            with open(part, "wb") as f:
                np.save(f, np.ascontiguousarray(value))

        write(f"{base}.{name}.npy", fill)
        print(f"{base}.{name}.npy: {value.nbytes} bytes of {value.dtype} {list(value.shape)}")


@torch.no_grad()
def as_stored(network, weights):
    """The network that the stored weights describe, which is what ONNX Runtime's output is compared with."""
    for parameter in network.parameters():
        if parameter.dim() == 2 and weights == "float16":
            parameter.copy_(parameter.half())
        elif parameter.dim() == 2 and weights == "int8":
            rows, scale = rows_int8(parameter.numpy())
            parameter.copy_(torch.from_numpy(rows * scale.astype(np.float32)[:, None]))


class Host:
    """The host's part with ONNX Runtime: an encoder for each size, a decoder of the largest one."""

    def __init__(self, base):
        import onnxruntime as ort

        self.embeddings, self.positions = np.load(f"{base}.embeddings.npy"), np.load(f"{base}.positions.npy")
        if self.embeddings.dtype == np.int8:
            self.embeddings = self.embeddings * np.load(f"{base}.scales.npy").astype(np.float32)[:, None]
        self.embeddings = self.embeddings.astype(np.float32)

        def session(path, size):
            options = ort.SessionOptions()
            # Otherwise int8 weights are made float32 again at each run: 2.7 times slower a step for d256.
            options.add_session_config_entry("session.disable_quant_qdq", "1")
            options.intra_op_num_threads = 1
            options.add_free_dimension_override_by_name("S", size)
            return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        self.encoders = {size: session(f"{base}.encoder.onnx", size) for size in SIZES}
        self.decoder = session(f"{base}.decoder.onnx", LONGEST)

    def greedy(self, ids):
        n, d = len(ids), self.embeddings.shape[1]
        size = next(size for size in SIZES if n <= size)
        emb, mask = np.zeros((1, size, d), np.float32), np.full((1, LONGEST), model.MASKED, np.float32)
        emb[0, :n] = self.embeddings[ids] + self.positions[:n]
        mask[0, :n] = 0
        memory = []
        for part in self.encoders[size].run(None, {"emb": emb, "mask": mask[:, :size]}):
            memory.append(np.zeros((part.shape[0], LONGEST, d), np.float32))
            memory[-1][:, :size] = part
        state, token, out = np.zeros((memory[0].shape[0], d), np.float32), BOS, []
        for step in range(model.limit(n)):
            row = (self.embeddings[token] + self.positions[step])[None]
            feed = {"emb": row, "state": state, "k": memory[0], "v": memory[1], "mask": mask}
            logits, state = self.decoder.run(None, feed)
            token = int(logits[0].argmax())
            if token == EOS:
                break
            out.append(token)
        return out


def check(network, name, base, args, vocabulary):
    pairs = read_pairs(os.path.join(args.data, "dev.tsv.gz"))
    loss, bleu, chrf = Dev(pairs, vocabulary, "cpu").score(network)
    print(f"{name}: dev with the stored weights: loss {loss:.4f}, BLEU {bleu}, chrF {chrf}")
    sources = [vocabulary.encode(german) + [EOS] for german in sorted({german for german, _ in pairs})]
    sources = [ids for ids in sources if len(ids) <= LONGEST][: args.check]
    host = Host(base)
    same = sum(host.greedy(ids) == model.greedy(network, torch.tensor([ids]))[0] for ids in sources)
    print(f"{name}: ONNX Runtime's output is PyTorch's on {same} of {len(sources)} sentences")
    if same < 0.99 * len(sources):
        fail(f"{base}: expected PyTorch's output on 99 % of {len(sources)} sentences, got {same}; look at export.py's graphs")


def main():
    args = arguments()
    torch.set_num_threads(1)
    vocabulary = Vocabulary(os.path.join(args.data, "uni4000.vocab"))
    network, name, about = model.load(args.checkpoint, len(vocabulary))
    print(f"{args.checkpoint}: {about}")
    os.makedirs(args.out, exist_ok=True)
    base = os.path.join(args.out, name)
    fold(network)
    export(network, args.weights, base)
    if args.check:
        as_stored(network, args.weights)
        check(network, name, base, args, vocabulary)


if __name__ == "__main__":
    main()
