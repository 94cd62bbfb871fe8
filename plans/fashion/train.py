#!/usr/bin/env python3
"""Train the four candidate networks of this bundle on Fashion-MNIST and export them to ONNX.

Needs: PyTorch 1.13 or newer on CPU and numpy (Debian: python3-torch python3-numpy), and the
gzip IDX files of Fashion-MNIST (Debian: dataset-fashion-mnist).

    python3 train.py                    # everything: split, teacher, students, ONNX, report
    python3 train.py --only large       # one network; --only can be given several times
    python3 train.py --export           # ONNX files and report from finished checkpoints only

What is seen by whom (the whole point of the split):

    60,000 training images, shuffled once with --seed
      first 50,000   the candidates' weights are fitted on these, and on nothing else
      last  10,000   "premodel" split: written as gzip IDX files to --work, so that
                     `trt-select profile` can make the table the premodel is trained on
    10,000 test images   never opened by this script

The largest network is trained on labels alone. The smaller ones learn from the labels and from the
largest one's softened outputs (knowledge distillation, Hinton et al. 2015, arXiv 1503.02531).
A checkpoint is written after each epoch; a run that is killed goes on from the last one.
Seeded: the same versions, thread count and machine give the same weights.
"""
import argparse
import gzip
import json
import os
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

MEAN, STD = 0.2860, 0.3530  # of the training images, in units of 1/255
N_FIT = 50_000
PART = f".{os.getpid()}.part"  # files are written beside their place and renamed: a kill leaves no half file


def conv(i, o, stride=1):
    return [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]


def head(i):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 10)]


def build(name):
    """The candidates: each costs a multiple of the one before, and is a point or so better."""
    pool = nn.MaxPool2d(2)
    if name == "nano":  # 0.08 M multiply-adds
        layers = conv(1, 8, 2) + conv(8, 16, 2) + [nn.Flatten(), nn.Linear(16 * 49, 10)]
    elif name == "tiny":  # 0.4 M
        layers = conv(1, 12, 2) + conv(12, 24, 2) + conv(24, 32) + [nn.Flatten(), nn.Linear(32 * 49, 10)]
    elif name == "small":  # 1.8 M
        layers = conv(1, 24, 2) + conv(24, 24) + [pool] + conv(24, 48) + conv(48, 48) + [nn.Flatten(), nn.Linear(48 * 49, 10)]
    elif name == "large":  # 29 M
        layers = conv(1, 32) + conv(32, 32) + [pool] + conv(32, 64) + conv(64, 64) + [pool]
        layers += conv(64, 128) + conv(128, 128) + head(128)
    else:
        sys.exit(f"train.py: network: expected one of {list(PLAN)}, got '{name}'")
    return nn.Sequential(*layers)


# name: (epochs, batch, peak learning rate)
PLAN = {"large": (18, 128, 0.2), "small": (20, 128, 0.2), "tiny": (24, 128, 0.2), "nano": (24, 128, 0.2)}
SEEDS = {"large": 1, "small": 3, "tiny": 4, "nano": 5}


def read_idx(path):
    with gzip.open(path, "rb") as f:
        data = f.read()
    rank = data[3]
    dims = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims)


def write_idx(path, array):
    """Gzip IDX with no time stamp, so that the same array always gives the same bytes."""
    payload = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    with open(path + PART, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as f:
        f.write(payload)
    os.replace(path + PART, path)


def to_input(images):
    x = torch.from_numpy(np.ascontiguousarray(images)).float().div(255).sub(MEAN).div(STD)
    return x.unsqueeze(1)


def shifted(x, generator):
    """Random shift by -2..2 pixels in x and in y, one draw per image; the border repeats the background."""
    n = x.shape[0]
    padded = F.pad(x, (2, 2, 2, 2), value=-MEAN / STD)
    dx = torch.randint(0, 5, (n,), generator=generator)
    dy = torch.randint(0, 5, (n,), generator=generator)
    out = torch.empty_like(x)
    for a in range(5):
        for b in range(5):
            m = (dx == a) & (dy == b)
            if m.any():
                out[m] = padded[m, :, b : b + 28, a : a + 28]
    return out


@torch.no_grad()
def logits_of(net, x, batch=500):
    net.eval()
    return torch.cat([net(x[i : i + batch].to(memory_format=torch.channels_last)) for i in range(0, len(x), batch)])


class Average:
    """Exponential moving average of the weights: it is what is exported."""

    def __init__(self, net, decay=0.998):
        self.decay = decay
        self.state = {k: v.clone() for k, v in net.state_dict().items()}

    def update(self, net, step):
        d = min(self.decay, (1 + step) / (10 + step))
        for k, v in net.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].mul_(d).add_(v, alpha=1 - d)
            else:
                self.state[k].copy_(v)


def fit(name, x, y, soft, held_x, held_y, work):
    epochs, batch, peak = PLAN[name]
    torch.manual_seed(SEEDS[name])
    generator = torch.Generator().manual_seed(1000 + SEEDS[name])
    net = build(name).to(memory_format=torch.channels_last)
    optim = torch.optim.SGD(net.parameters(), peak, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = (len(x) + batch - 1) // batch
    plan = torch.optim.lr_scheduler.OneCycleLR(optim, peak, total_steps=epochs * steps, pct_start=0.2)
    average, first = Average(net), 0
    path = os.path.join(work, f"{name}.pt")
    if os.path.exists(path):
        saved = torch.load(path)
        net.load_state_dict(saved["net"])
        optim.load_state_dict(saved["optim"])
        plan.load_state_dict(saved["plan"])
        generator.set_state(saved["generator"])
        average.state, first = saved["average"], saved["epoch"]
    for epoch in range(first, epochs):
        net.train()
        began, total = time.time(), 0.0
        order = torch.randperm(len(x), generator=generator)
        for i in range(0, len(x), batch):
            pick = order[i : i + batch]
            flip = torch.rand(len(pick), generator=generator) < 0.5
            xb = x[pick]
            xb[flip] = xb[flip].flip(3)
            xb = shifted(xb, generator) if soft is None else xb
            out = net(xb.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(out, y[pick])
            if soft is not None:  # distillation: temperature 3, three parts teacher to one part label
                target = F.softmax(soft[flip.long(), pick] / 3, 1)
                loss = 0.25 * loss + 0.75 * 9 * F.kl_div(F.log_softmax(out / 3, 1), target, reduction="batchmean")
            optim.zero_grad()
            loss.backward()
            optim.step()
            plan.step()
            average.update(net, epoch * steps + i // batch)
            total += loss.item() * len(pick)
        saved = {"net": net.state_dict(), "optim": optim.state_dict(), "plan": plan.state_dict(),
                 "generator": generator.get_state(), "average": average.state, "epoch": epoch + 1}
        torch.save(saved, path + PART)
        os.replace(path + PART, path)
        print(f"{name} epoch {epoch + 1}/{epochs} loss {total / len(x):.4f} {time.time() - began:.0f} s", flush=True)
    net.load_state_dict(average.state)
    correct = (logits_of(net, held_x).argmax(1) == held_y).float().mean().item()
    print(f"{name}: top-1 {100 * correct:.2f} % on the 10,000 images of the premodel split", flush=True)
    return net, correct


def export(net, path):
    net = net.to(memory_format=torch.contiguous_format).eval()
    example = torch.zeros(1, 1, 28, 28)
    torch.onnx.export(net, example, path + PART, opset_version=13, input_names=["input"], output_names=["logits"])
    os.replace(path + PART, path)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder of the gzip IDX files")
    p.add_argument("--work", default=os.path.join(here, "..", "..", "target", "fashion"), help="checkpoints and the premodel split")
    p.add_argument("--out", default=here, help="where the ONNX files go")
    p.add_argument("--only", action="append", help="train only this network (repeatable)")
    p.add_argument("--export", action="store_true", help="train nothing: export finished checkpoints")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--seed", type=int, default=2018, help="of the split")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)

    source = os.path.join(a.data, "train-images-idx3-ubyte.gz")
    if not os.path.exists(source):
        sys.exit(f"train.py: Fashion-MNIST: expected {source}, found none; install the Debian package dataset-fashion-mnist or give --data DIR")
    images = read_idx(source)
    labels = read_idx(os.path.join(a.data, "train-labels-idx1-ubyte.gz"))
    order = np.random.default_rng(a.seed).permutation(len(images))
    fit_rows, held_rows = order[:N_FIT], order[N_FIT:]
    write_idx(os.path.join(a.work, "premodel-images-idx3-ubyte.gz"), images[held_rows])
    write_idx(os.path.join(a.work, "premodel-labels-idx1-ubyte.gz"), labels[held_rows])
    x, y = to_input(images[fit_rows]), torch.from_numpy(labels[fit_rows].astype(np.int64))
    held_x, held_y = to_input(images[held_rows]), torch.from_numpy(labels[held_rows].astype(np.int64))

    soft, report = None, {}
    for name in PLAN:
        done = os.path.exists(os.path.join(a.work, f"{name}.pt"))
        if name != "large" and a.only and name not in a.only:
            continue
        if a.export and not done:
            sys.exit(f"train.py: {name}: expected a checkpoint in {a.work}, found none; run without --export first")
        net, correct = fit(name, x, y, soft, held_x, held_y, a.work)
        if name == "large":
            soft = torch.stack([logits_of(net, x), logits_of(net, x.flip(3))])
        export(net, os.path.join(a.out, f"{name}.onnx"))
        report[name] = {"parameters": sum(p.numel() for p in net.parameters()), "premodel_split_top1": round(correct, 4)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
