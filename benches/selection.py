#!/usr/bin/env python3
"""Selection quality by nested cross-validation: benches/selection.py PROFILE [--costs CSV] [--seeds N] -- GOAL...

For each seed `trt-select train PROFILE --nested 10 --seed S GOAL...` deals the rows into ten outer folds, trains and chooses on nine of
them and walks the premodel over the tenth. Prints what each seed gave and the mean over the seeds: the speed-up is that of the mean
cost. The trainer is the release build of this tree; `--label-free` and the like go behind `--` too.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile")
    parser.add_argument("--costs")
    parser.add_argument("--judge", help="a further profile, which all of training leaves alone")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trt-select", default=str(ROOT / "target/release/trt-select"))
    mine, goal = sys.argv[1:], []
    if "--" in mine:
        mine, goal = mine[: mine.index("--")], mine[mine.index("--") + 1 :]
    args = parser.parse_args(mine)
    over, cost = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, args.seeds + 1):
            command = [args.trt_select, "train", args.profile, "-o", f"{folder}/m.json", "--json", "--seed", str(seed)]
            command += ["--nested", "10", *goal]
            command += ["--costs", args.costs] if args.costs else []
            command += ["--judge", args.judge] if args.judge else []
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(done.stderr.strip().splitlines()[-1])
            found = json.loads(done.stdout)
            o, c = found["nested"]["over_best_single"], found["nested"]["times_cheaper"]
            print(
                f"seed {seed:2}: {c['mean']:.3f}x [{c['low']:.2f}, {c['high']:.2f}], {100 * o['mean']:+.2f} points "
                f"[{100 * o['low']:+.2f}, {100 * o['high']:+.2f}] over {found['best_single']}",
                flush=True,
            )
            if found["judged"]:
                print(f"         judged: {100 * found['judged']['reward']:.2f} % at {found['judged']['mean_ms']:.4f} ms", flush=True)
            over, cost = over + o["mean"] / args.seeds, cost + 1 / c["mean"] / args.seeds
    print(f"mean over {args.seeds} seeds: {1 / cost:.3f}x, {100 * over:+.3f} points")


if __name__ == "__main__":
    main()
