"""Text of the translation bundle: vocabulary, unigram tokenizer, pairs, batches. Needs nothing but Python.

The tokenizer gives SentencePiece's unigram pieces for text that is NFKC already (identity normalisation, a space before the
first word). No piece of the vocabulary reaches over a space, so a sentence's best cut is the best cut of each word, and a word is
cut once and remembered. (SentencePiece adds its scores in f32 along the whole sentence, so a tie between two cuts may fall out the
other way: 1 of the 301,274 sentences of train and dev.)
"""
import fcntl
import gzip
import os
import random
import sys

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPACE = "\u2581"
LONGEST = 64  # pieces of a source with its end, and of a target with its end: the encoder's largest size


def say(line):
    print(f"plans/translate: {line}", file=sys.stderr)


def fail(line):
    say(line)
    sys.exit(1)


def write(path, fill):
    """`fill(part)` writes the file beside its place, then it is renamed: a kill leaves the old file or the new one."""
    part = f"{path}.part"
    fill(part)
    os.replace(part, path)


def alone(path):
    """A lock that the caller holds as long as it keeps what this gives back: two runs would overwrite each other's checkpoints."""
    held = open(path, "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fail(f"{path}: expected no other run in this folder, got one; let it end or name another folder")
    return held


class Vocabulary:
    """Pieces and scores of a file with lines `piece TAB score`; the first four are padding, unknown, begin and end."""

    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                rows = [line.rstrip("\n").split("\t") for line in f]
            self.pieces = [piece for piece, _ in rows]
            scores = [float(score) for _, score in rows]
        except (OSError, ValueError) as e:
            fail(f"vocabulary {path}: expected lines 'piece TAB score', got {e}; give the folder of uni4000.vocab with --data")
        if self.pieces[:4] != ["<pad>", "<unk>", "<s>", "</s>"]:
            fail(f"vocabulary {path}: expected <pad> <unk> <s> </s> first, got {self.pieces[:4]}; use uni4000.vocab")
        if any(SPACE in piece[1:] for piece in self.pieces):
            fail(f"vocabulary {path}: expected pieces within a word, got one over a space; train it with split_by_whitespace")
        self.score = {piece: (scores[i], i) for i, piece in enumerate(self.pieces) if i >= 4}
        self.longest = max(map(len, self.score))
        self.unknown = min(scores[4:]) - 10.0  # SentencePiece's penalty of a character that no piece has
        self.memory = {}

    def __len__(self):
        return len(self.pieces)

    def _word(self, word):
        """The best cut of one word (Viterbi); characters that no piece has become UNK, and neighbours of them one UNK."""
        n = len(word)
        best = [(0.0, 0, UNK)] + [(-float("inf"), 0, UNK)] * n
        for start in range(n):
            here, single = best[start][0], False
            for end in range(start + 1, min(n, start + self.longest) + 1):
                found = self.score.get(word[start:end])
                if found is None:
                    continue
                single = single or end == start + 1
                if here + found[0] > best[end][0]:
                    best[end] = (here + found[0], start, found[1])
            if not single and here + self.unknown > best[start + 1][0]:
                best[start + 1] = (here + self.unknown, start, UNK)
        ids, end = [], n
        while end:
            _, end, piece = best[end]
            if piece != UNK or not ids or ids[-1] != UNK:
                ids.append(piece)
        return ids[::-1]

    def encode(self, text):
        ids = []
        for word in text.split(" "):
            if not word:
                continue
            cut = self.memory.get(word)
            if cut is None:
                cut = self.memory[word] = self._word(SPACE + word)
            ids += cut
        return ids

    def decode(self, ids):
        text = "".join(" \u2047 " if i == UNK else self.pieces[i] for i in ids if i >= 4 or i == UNK)
        return text.removeprefix(SPACE).replace(SPACE, " ")


def read_pairs(path):
    """The lines `English TAB German` of a gzip file, as (German, English)."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        return [(german, english) for english, german in rows]
    except (OSError, EOFError, ValueError) as e:
        fail(f"pairs {path}: expected gzip lines 'English TAB German', got {e}; give the folder of the data with --data")


def encode_pairs(pairs, vocabulary):
    """(source pieces with EOS, target pieces between BOS and EOS) of each pair that fits; the others are counted and left out."""
    out = [(vocabulary.encode(s) + [EOS], [BOS] + vocabulary.encode(t) + [EOS]) for s, t in pairs]
    fit = [(s, t) for s, t in out if len(s) <= LONGEST and len(t) - 1 <= LONGEST]
    if not fit:
        fail(f"pairs: expected at least one of at most {LONGEST} pieces, got {len(out)} pairs and none; check --data")
    return fit, len(out) - len(fit)


def batches(data, tokens, seed):
    """One epoch's batches, as lists of indices: pairs of like length together, at most `tokens` padded pieces on either side.
    A function of its arguments alone, so that an epoch that was interrupted can be cut the same way again."""
    rng = random.Random(seed)
    order = list(range(len(data)))
    rng.shuffle(order)
    out = []
    for first in range(0, len(order), 20_000):
        part = sorted(order[first : first + 20_000], key=lambda i: (len(data[i][1]), len(data[i][0])))
        batch, width = [], 0
        for i in part:
            longer = max(width, len(data[i][0]), len(data[i][1]))
            if batch and longer * (len(batch) + 1) > tokens:
                out.append(batch)
                batch, longer = [], max(len(data[i][0]), len(data[i][1]))
            batch.append(i)
            width = longer
        out.append(batch)
    rng.shuffle(out)
    return out


def padded(rows):
    width = max(map(len, rows))
    return [row + [PAD] * (width - len(row)) for row in rows]
