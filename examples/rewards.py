#!/usr/bin/env python3
"""A task other than plain accuracy: rewards of one's own in a profile.

examples/rewards.py plans/fashion/profile.csv weighted.csv [CLASS=WEIGHT ...]
    [default: 6=1.0, every other class 0.4: only shirts, the class that is missed most, count in full]
trt-select train weighted.csv --at-least best-single

`trt-select train` maximises whatever stands in the columns CANDIDATE.reward, from 0 to 1. Here a right answer is worth the weight of the
true class, and a wrong one nothing. Detection scores (the F1 of a frame's boxes, say) go into the same columns.
"""
import csv
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit("rewards.py: expected a profile and the file to write, got fewer arguments; see its first lines")
    weights = {int(c): float(w) for c, w in (a.split("=") for a in sys.argv[3:] or ["6=1.0"])}
    with open(sys.argv[1], newline="", encoding="utf-8") as source, open(sys.argv[2], "w", newline="", encoding="utf-8") as to:
        writer, header = csv.writer(to, lineterminator="\n"), None
        for row in csv.reader(source):
            if row and row[0].startswith("#"):
                # What the rows were judged by is no longer the labels alone.
                to.write("# judged_by: weighted labels\n" if row[0].startswith("# judged_by") else ",".join(row) + "\n")
            elif header is None:
                header = row
                rewards = [i for i, name in enumerate(row) if name.endswith(".reward")]
                label = row.index("label")
                writer.writerow(row)
            elif row != header:
                weight = weights.get(int(row[label]), 0.4)
                for i in rewards:
                    row[i] = f"{float(row[i]) * weight:g}"
                writer.writerow(row)


if __name__ == "__main__":
    main()
