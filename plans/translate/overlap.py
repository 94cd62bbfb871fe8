#!/usr/bin/env python3
"""Checks a hand-written German-English test set, and that it is not in the training set. Needs nothing but Python.

usage: python3 overlap.py PAIRS TRAIN...

PAIRS  lines `German TAB English`; a sentence with two references stands on two lines that follow each other
TRAIN  lines `English TAB German` (the order of the training data), plain or gzip (*.gz)

A word is what blanks part, lower-cased, without punctuation ("E-Mail," is "email"). Printed are the sentences that share a run of
four words with the training set and their share of those that have four words. Each fault is a line on stderr; exit status 1 if
there is one, and above 5 %.
"""
import collections
import gzip
import sys
import unicodedata

from text import fail, say

SENTENCES, SHORTEST, LONGEST, PERCENT = 600, 3, 25, 5.0


def words(text):
    """Lower-cased words without punctuation; a dash that stands alone is no word."""
    bare = ("".join(c for c in word if c.isalnum()) for word in unicodedata.normalize("NFC", text).lower().split())
    return [word for word in bare if word]


def grams(tokens, n):
    return {tuple(tokens[i:i + n]) for i in range(len(tokens) - n + 1)}


def lines(path):
    """The lines of a plain or gzip file, without their ends."""
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="\n") as f:
            return f.read().removesuffix("\n").split("\n")
    except (OSError, EOFError, ValueError) as e:
        fail(f"{path}: expected UTF-8 lines, plain or gzip, got {e}; check the path and the file")


def ordered(path, sentences):
    """Fails where the column taken for German is English: the two files have opposite orders, and swapped ones share nothing."""
    seen = collections.Counter(word for sentence in sentences for word in sentence)
    if seen["the"] > seen["die"]:
        fail(f"{path}: expected German, got a column with {seen['the']} 'the' and {seen['die']} 'die'; swap the columns")


def read_test(path):
    """{German: [English, ...]} in the order of the file, and its faults."""
    test, faults, last = {}, [], None
    for number, line in enumerate(lines(path), 1):
        at = f"{path}:{number}"
        fields = line.split("\t")
        if len(fields) != 2 or not all(fields):
            faults.append(f"{at}: expected 'German TAB English', got {len(fields) - 1} tabs in '{line[:60]}'; write a pair a line")
            continue
        german, english = fields
        for name, text in (("German", german), ("English", english)):
            if unicodedata.normalize("NFC", text) != text:
                faults.append(f"{at}: expected {name} in NFC, got another form of '{text[:60]}'; normalise the file")
            if " ".join(text.split()) != text or not text.isprintable():
                faults.append(f"{at}: expected {name} with single spaces, got {text[:60]!r}; take the other spaces and controls out")
        if german in test and german != last:
            faults.append(f"{at}: expected a German sentence once, got '{german}' again; put its references on lines that follow")
        elif english in test.get(german, ()):
            faults.append(f"{at}: expected another reference, got '{english}' again; take the line out")
        test.setdefault(german, []).append(english)
        last = german
    ordered(path, map(words, test))
    return test, faults


def read_train(paths):
    """The sentences, as their words, and the 4-grams of the German column."""
    whole, four = set(), set()
    for path in paths:
        here = []
        for number, line in enumerate(lines(path), 1):
            fields = line.split("\t")
            if len(fields) != 2:
                fail(f"{path}:{number}: expected 'English TAB German', got {len(fields) - 1} tabs; give the training pairs")
            here.append(tuple(words(fields[1])))
            four |= grams(here[-1], 4)
        ordered(path, here)
        whole.update(here)
    return whole, four


def check(test, whole):
    """The faults of the set as a whole; sentences are compared by their words."""
    faults = []
    if len(test) < SENTENCES:
        faults.append(f"test set: expected at least {SENTENCES} German sentences, got {len(test)}; write more")
    twice = sum(len(english) > 1 for english in test.values())
    if 3 * twice < len(test):
        faults.append(f"test set: expected a third of {len(test)} sentences with two references, got {twice}; write more of them")
    same, five, hole = {}, {}, {}
    for german in test:
        tokens = tuple(words(german))
        if not SHORTEST <= len(tokens) <= LONGEST:
            faults.append(f"'{german}': expected {SHORTEST} to {LONGEST} words, got {len(tokens)}; shorten or lengthen it")
        if tokens in whole:
            faults.append(f"'{german}': expected a sentence that is not in the training set, got one that is; write another")
        other = same.setdefault(tokens, german)
        if other != german:
            faults.append(f"'{german}': expected no sentence twice, got '{other}' with the same words; take one out")
            continue
        shared = {five.setdefault(gram, german) for gram in grams(tokens, 5)} - {german}
        if shared:
            faults.append(f"'{german}': expected no run of five words shared, got one with '{min(shared)}'; rewrite one of them")
        slots = [tokens[:i] + (None,) + tokens[i + 1:] for i in range(len(tokens))]
        shared = {hole.setdefault(slot, german) for slot in slots} - {german}
        if shared:
            faults.append(f"'{german}': expected more than one word's difference, got '{min(shared)}'; rewrite one of them")
    return faults


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        fail(f"overlap.py: expected PAIRS TRAIN..., got {len(sys.argv) - 1} arguments; name the test pairs, then training files")
    test, faults = read_test(sys.argv[1])
    whole, four = read_train(sys.argv[2:])
    faults += check(test, whole)

    long = [german for german in test if len(words(german)) >= 4]
    shared = {german: grams(words(german), 4) & four for german in long}
    found = [german for german in long if shared[german]]
    percent = 100.0 * len(found) / max(1, len(long))
    for german in found:
        print(f"{german}  [{'; '.join(sorted(' '.join(gram) for gram in shared[german]))}]")
    lengths = collections.Counter(len(words(german)) for german in test)
    print("words: " + " ".join(f"{n}:{lengths[n]}" for n in sorted(lengths)))
    thirds = [sum(lengths[n] for n in range(low, high)) for low, high in ((3, 8), (8, 15), (15, 26))]
    print("3 to 7, 8 to 14, 15 to 25 words: %d, %d, %d" % tuple(thirds))
    print(f"sentences: {len(test)}, with two references: {sum(len(english) > 1 for english in test.values())}")
    print(f"shared with the training set: {len(found)} of {len(long)} sentences of at least four words, {percent:.1f} %")
    if percent > PERCENT:
        faults.append(f"test set: expected at most {PERCENT} % with a training 4-gram, got {percent:.2f} %; rewrite some listed")
    for line in faults:
        say(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
