#!/usr/bin/env python3
"""Train one network of this bundle, German to English, on a CPU (or a GPU with --device cuda).

    train.py --data DIR --network d256 --out WORK/d256                          # the largest, on the pairs alone
    distil.py --data DIR --checkpoint WORK/d256/best.pt --out WORK/teacher.tsv.gz
    train.py --data DIR --network d64 --out WORK/d64 --teacher WORK/teacher.tsv.gz

DIR holds train.tsv.gz, dev.tsv.gz (lines `English TAB German`) and uni4000.vocab; no other file is opened.

A run that was killed goes on when it is started again with the same arguments: last.pt holds weights, optimizer, random state and
the place in the epoch, is written every few minutes, and the run goes on from it to the same curve. The schedule counts steps,
never time. Seeded: the same versions, arguments and machine give the same weights, with one thread.

Written to --out: last.pt (to go on), best.pt (averaged weights of the best epoch so far on dev), log.csv (one row a few hundred
steps, with the training loss; one row an epoch, with dev's loss, BLEU and chrF of greedy translations by the averaged weights).

With --teacher, an epoch holds the pairs and, for each distinct source, the teacher's translation (sequence-level distillation,
Kim and Rush 2016, arXiv 1606.07947).

Needs: PyTorch 1.13 or newer (Debian: python3-torch with libopenblas0-pthread, which trains four times faster than with the BLAS
that comes by default); sacrebleu for BLEU and chrF, which stay empty without it.
"""
import argparse
import csv
import math
import os
import sys
import time

from text import EOS, Vocabulary, alone, batches, encode_pairs, fail, padded, read_pairs, write

ROWS = ["epoch", "step", "cpu_seconds", "rate", "train_loss", "dev_loss", "dev_bleu", "dev_chrf"]

# Epochs and highest learning rate. The smaller ones see each source about twice an epoch, since they are distilled.
PLAN = {"d256": (24, 1e-3), "d192": (10, 1.5e-3), "d128": (12, 2e-3), "d64": (16, 3e-3)}
WARM_UP = 2000  # steps up to the highest rate, and a tenth of the run at most
AVERAGE = 0.999  # of the weights: about the last thousand steps


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="folder of train.tsv.gz, dev.tsv.gz and uni4000.vocab")
    p.add_argument("--network", required=True, choices=list(PLAN))
    p.add_argument("--out", required=True, help="folder for checkpoints and the log; a run in it goes on")
    p.add_argument("--teacher", help="translations to learn beside the pairs: a file of distil.py")
    p.add_argument("--epochs", type=int, help="instead of the network's own number")
    p.add_argument("--rate", type=float, help="highest learning rate, instead of the network's own")
    p.add_argument("--tokens", type=int, default=1200, help="padded pieces a batch on either side (default 1200)")
    p.add_argument("--smoothing", type=float, default=0.1, help="label smoothing (default 0.1)")
    p.add_argument("--bf16", action="store_true", help="products in bfloat16: 1.6 times faster where the CPU has AVX512_BF16")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every", type=int, default=180, help="seconds between checkpoints (default 180)")
    p.add_argument("--limit", type=int, help="only so many pairs of train and of dev: for a trial")
    return p.parse_args()


def write_log(path, rows):
    def fill(part):
        with open(part, "w", newline="", encoding="utf-8") as f:
            csv.writer(f, lineterminator="\n").writerows([ROWS] + rows)

    write(path, fill)


def rate_at(step, steps, highest):
    """Linear warm-up, then half a cosine to a hundredth."""
    warm = max(1, min(WARM_UP, steps // 10))
    if step < warm:
        return highest * (step + 1) / warm
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


class Dev:
    """Loss, BLEU and chrF on dev. A source that stands several times is translated once and has several references."""

    def __init__(self, pairs, vocabulary, device):
        self.vocabulary, self.device = vocabulary, device
        self.data, _ = encode_pairs(pairs, vocabulary)
        references = {}
        for source, target in pairs:
            references.setdefault(source, []).append(target)
        self.sources = [vocabulary.encode(source) + [EOS] for source in references]
        widest = max(map(len, references.values()))
        self.references = [[r[i] if i < len(r) else None for r in references.values()] for i in range(widest)]
        try:
            from sacrebleu.metrics import BLEU, CHRF

            self.metrics = [BLEU(), CHRF()]
        except ImportError:
            self.metrics = []
            print("train.py: sacrebleu: not found, so BLEU and chrF stay empty; pip install sacrebleu", file=sys.stderr)

    def score(self, network):
        """(loss a piece, BLEU, chrF), the latter two empty without sacrebleu."""
        import torch

        import model

        network.eval()
        with torch.no_grad():
            total = count = 0
            for batch in batches(self.data, 4000, 0):
                rows = [self.data[i] for i in batch]
                loss, n = network.loss(*tensors(rows, self.device), 0.0)
                total, count = total + loss.item(), count + n
            texts = [""] * len(self.sources)
            order = sorted(range(len(texts)), key=lambda i: len(self.sources[i])) if self.metrics else []
            for first in range(0, len(order), 64):
                part = order[first : first + 64]
                source = torch.tensor(padded([self.sources[i] for i in part]), device=self.device)
                for i, ids in zip(part, model.greedy(network, source)):
                    texts[i] = self.vocabulary.decode(ids)
        return [total / count] + ([m.corpus_score(texts, self.references).score for m in self.metrics] or ["", ""])


def tensors(rows, device):
    import torch

    return [torch.tensor(padded([row[side] for row in rows]), device=device) for side in (0, 1)]


def load_data(args, vocabulary):
    pairs = read_pairs(os.path.join(args.data, "train.tsv.gz"))[: args.limit]
    if args.teacher:
        known = {source for source, _ in pairs}
        taught = [pair for pair in read_pairs(args.teacher) if pair[0] in known]
        if not taught:
            fail(f"teacher {args.teacher}: expected translations of the training sources, got none; make it with distil.py")
        pairs = pairs + taught
    data, dropped = encode_pairs(pairs, vocabulary)
    print(f"{args.network}: {len(data)} pairs, {dropped} left out as too long", flush=True)
    return data


def train(args):
    import torch

    import model

    torch.set_num_threads(args.threads)
    epochs, highest = PLAN[args.network]
    epochs, highest = args.epochs or epochs, args.rate or highest
    vocabulary = Vocabulary(os.path.join(args.data, "uni4000.vocab"))
    data = load_data(args, vocabulary)
    dev = Dev(read_pairs(os.path.join(args.data, "dev.tsv.gz"))[: args.limit], vocabulary, args.device)
    os.makedirs(args.out, exist_ok=True)
    held = alone(os.path.join(args.out, "lock"))  # noqa: F841 (held until the process ends)
    last, best, log = (os.path.join(args.out, name) for name in ("last.pt", "best.pt", "log.csv"))

    torch.manual_seed(args.seed)
    network = model.Network(args.network, len(vocabulary)).to(args.device)
    average = model.Network(args.network, len(vocabulary)).to(args.device)
    average.load_state_dict(network.state_dict())
    parameters, averaged = list(network.parameters()), list(average.parameters())
    optimizer = torch.optim.Adam(parameters, highest, betas=(0.9, 0.98))
    # What must be the same for the run to go on to the same curve.
    run = {"network": args.network, "epochs": epochs, "rate": highest, "tokens": args.tokens, "smoothing": args.smoothing,
           "seed": args.seed, "bf16": args.bf16, "pairs": len(data)}
    at = {"epoch": 0, "batch": 0, "step": 0, "steps": 0, "cpu": 0.0, "loss": 0.0, "count": 0, "best": [-math.inf, -math.inf],
          "rows": []}
    if os.path.exists(last):
        saved = model.read(last)
        if saved.get("run") != run:
            different = {k: v for k, v in saved.get("run", saved).items() if k not in run or run[k] != v}
            fail(f"{last}: expected a run of the same arguments, got one with {different}; give these, or another --out")
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        at = saved["at"]
        print(f"{args.network}: goes on at step {at['step']}, epoch {at['epoch']}", flush=True)
    else:
        size = sum(p.numel() for p in parameters)
        print(f"{args.network}: {size} parameters, {size - network.embedding.weight.numel()} beside the embedding", flush=True)
    began_cpu = time.process_time() - at["cpu"]

    def save():
        at["cpu"] = time.process_time() - began_cpu
        state = {"run": run, "at": at, "network": network.state_dict(), "average": average.state_dict(),
                 "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        write(last, lambda part: torch.save(state, part))
        write_log(log, at["rows"])

    def row(epoch, *rest):
        cpu = time.process_time() - began_cpu
        numbers = [f"{epoch:.3f}", at["step"], f"{cpu:.0f}", f"{optimizer.param_groups[0]['lr']:.3g}"]
        at["rows"].append(numbers + [f"{x:.4f}" if x != "" else "" for x in rest])

    saved_at = time.time()
    while at["epoch"] < epochs:
        plan = batches(data, args.tokens, 1_000_003 * args.seed + at["epoch"])
        # Epochs differ by a batch or two, so the schedule is laid on the first one's count.
        at["steps"] = at["steps"] or epochs * len(plan)
        network.train()
        while at["batch"] < len(plan):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(min(at["step"], at["steps"]), at["steps"], highest)
            source, target = tensors([data[i] for i in plan[at["batch"]]], args.device)
            with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
                loss, count = network.loss(source, target, args.smoothing)
            optimizer.zero_grad(set_to_none=True)
            (loss / count).backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            if not math.isfinite(norm):
                fail(f"{args.network}: step {at['step']}: expected a finite gradient, got {float(norm)}; lower --rate")
            optimizer.step()
            decay = min(AVERAGE, (1 + at["step"]) / (10 + at["step"]))
            with torch.no_grad():
                torch._foreach_mul_(averaged, decay)
                torch._foreach_add_(averaged, parameters, alpha=1 - decay)
            at["loss"], at["count"] = at["loss"] + loss.item(), at["count"] + count
            at["step"], at["batch"] = at["step"] + 1, at["batch"] + 1
            if at["step"] % 250 == 0:
                row(at["epoch"] + at["batch"] / len(plan), at["loss"] / at["count"], "", "", "")
                at["loss"], at["count"] = 0.0, 0
            if time.time() - saved_at > args.every:
                save()
                saved_at = time.time()
        dev_loss, bleu, chrf = dev.score(average)
        at["epoch"], at["batch"] = at["epoch"] + 1, 0
        row(at["epoch"], at["loss"] / at["count"] if at["count"] else "", dev_loss, bleu, chrf)
        at["loss"], at["count"] = 0.0, 0
        # BLEU chooses, where it is known; else the loss.
        reached = [bleu if bleu != "" else -math.inf, -dev_loss]
        if reached > at["best"]:
            at["best"] = reached
            state = {"network": args.network, "weights": average.state_dict(), "epoch": at["epoch"], "dev_loss": dev_loss,
                     "dev_bleu": bleu, "dev_chrf": chrf}
            write(best, lambda part: torch.save(state, part))
        save()
        saved_at = time.time()
        print(f"{args.network}: epoch {at['epoch']}/{epochs} {dict(zip(ROWS, at['rows'][-1]))}", flush=True)


def main():
    args = arguments()
    # The BLAS reads these when PyTorch is loaded, which is why it is imported within functions.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    train(args)


if __name__ == "__main__":
    main()
