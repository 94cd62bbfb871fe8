#!/usr/bin/env python3
"""Write the tables of embeddings that are stored once, in the decoders.

    tables.py NAME...        writes NAME.embeddings.npy and NAME.scales.npy from NAME.decoder.onnx, as export.py wrote them

The decoder's output layer (initializers `embeddings.weight`, [V, d] int8, and `embeddings.weight.scale`, [V] float16) is the table, to
the bit. A megabyte for each network, which the repository need not hold twice. Needs numpy and onnx (PyPI).
"""
import argparse

import numpy as np
import onnx
from onnx import numpy_helper

from text import fail


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a network, or its files' path without what follows the name")
    for name in parser.parse_args().names:
        try:
            decoder = onnx.load(f"{name}.decoder.onnx")
        except OSError as error:
            fail(f"{name}.decoder.onnx: expected a decoder, got {error.strerror}; name a network that export.py has written")
        stored = {tensor.name: tensor for tensor in decoder.graph.initializer}
        for initializer, table in (("embeddings.weight", "embeddings"), ("embeddings.weight.scale", "scales")):
            if initializer not in stored:
                fail(f"{name}.decoder.onnx: expected an initializer {initializer}, got none; write it with export.py --weights int8")
            np.save(f"{name}.{table}.npy", numpy_helper.to_array(stored[initializer]))


main()
