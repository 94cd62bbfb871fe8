#!/usr/bin/env python3
"""Translate the training sources with a trained network, for the smaller ones to learn from.

    distil.py --data DIR --checkpoint WORK/d256/best.pt --out WORK/teacher.tsv.gz

Each distinct German sentence of train.tsv.gz is translated once, by beam search (--beam 1: greedily). The result has the lines
`English TAB German` of the data, for train.py's --teacher. A run that was killed goes on when it is started again with the same
arguments: finished batches stand in OUT.lines. About ten minutes on one core for d256 and four beams.

Needs what train.py needs.
"""
import argparse
import gzip
import hashlib
import os
import time

from text import EOS, LONGEST, Vocabulary, alone, padded, read_pairs, write

BATCH = 64  # sources at a time, of like length


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="folder of train.tsv.gz and uni4000.vocab")
    p.add_argument("--checkpoint", required=True, help="best.pt of the network that teaches")
    p.add_argument("--out", required=True, help="the file to write, .tsv.gz")
    p.add_argument("--beam", type=int, default=4, help="beams (default 4)")
    p.add_argument("--bf16", action="store_true", help="products in bfloat16: faster where the CPU has AVX512_BF16")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--limit", type=int, help="only so many pairs of train: for a trial")
    return p.parse_args()


def finished(path, title):
    """Lines of whole batches that an earlier run of the same title left, and the file to append to."""
    rows = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", newline="\n") as f:
            lines = f.read().split("\n")[:-1]  # what follows the last line end is a line cut short
        if lines and lines[0] == title:
            rows = lines[1 : 1 + (len(lines) - 1) // BATCH * BATCH]

    def fill(beside):
        with open(beside, "w", encoding="utf-8", newline="\n") as f:
            f.write("\n".join([title] + rows) + "\n")

    write(path, fill)
    return rows, open(path, "a", encoding="utf-8", newline="\n")


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    import torch

    import model

    torch.set_num_threads(args.threads)
    vocabulary = Vocabulary(os.path.join(args.data, "uni4000.vocab"))
    network, name, _ = model.load(args.checkpoint, len(vocabulary))
    network = network.to(args.device)
    held = alone(args.out + ".lock")  # noqa: F841 (held until the process ends)

    texts = sorted({german for german, _ in read_pairs(os.path.join(args.data, "train.tsv.gz"))[: args.limit]})
    sources = [(vocabulary.encode(german) + [EOS], german) for german in texts]
    sources = [s for s in sources if len(s[0]) <= LONGEST]
    sources.sort(key=lambda s: len(s[0]))  # stable: the same order each time
    with open(args.checkpoint, "rb") as f:
        title = f"# {name} {hashlib.sha256(f.read()).hexdigest()} beam {args.beam} of {len(sources)} sources"
    rows, file = finished(args.out + ".lines", title)
    began, first = time.process_time(), len(rows)
    with file:
        for at in range(first, len(sources), BATCH):
            batch = sources[at : at + BATCH]
            ids = torch.tensor(padded([s for s, _ in batch]), device=args.device)
            with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
                out = model.beam(network, ids, args.beam) if args.beam > 1 else model.greedy(network, ids)
            new = [f"{vocabulary.decode(t)}\t{german}" for t, (_, german) in zip(out, batch)]
            file.write("\n".join(new) + "\n")
            file.flush()
            rows += new
            if at // BATCH % 100 == 0:
                print(f"{name}: {len(rows)} of {len(sources)} sources, {time.process_time() - began:.0f} CPU s", flush=True)
    rows = [row for row in rows if not row.startswith("\t")]  # an empty translation teaches nothing

    def fill(beside):
        with open(beside, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as f:
            f.write(("\n".join(rows) + "\n").encode())

    write(args.out, fill)
    os.remove(args.out + ".lines")
    print(f"{args.out}: {len(rows)} translations, {time.process_time() - began:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
