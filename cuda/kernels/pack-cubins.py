"""Packs cubins for the library, or holds the packed ones against new ones: what build-ptx does with what ptxas wrote.

pack-cubins.py write|check HERE SCRATCH VERSION sm_53 [more architectures]

SCRATCH has a file sm_NN.cubin of each architecture. HERE/cubins has sm_NN.cubin.z, the same as a zlib stream (a third of the size), and
made-by.txt: the version of ptxas, and size and CRC-32 of the PTX, by which a test of the crate sees cubins of another PTX.
"""

import pathlib
import sys
import zlib


def made_by(here, version):
    ptx = (here / "kernels.ptx").read_bytes()
    return f"ptxas {version}\nkernels.ptx {len(ptx)} {zlib.crc32(ptx):08x}\n"


def main():
    mode, here, scratch, version, *archs = sys.argv[1:]
    here, scratch = pathlib.Path(here), pathlib.Path(scratch)
    folder = here / "cubins"
    new = {arch: (scratch / f"{arch}.cubin").read_bytes() for arch in archs}
    if mode == "write":
        packed = {arch: zlib.compress(cubin, 9) for arch, cubin in new.items()}
        for arch, data in packed.items():
            (folder / f"{arch}.cubin.z").write_bytes(data)
        (folder / "made-by.txt").write_text(made_by(here, version))
        total = sum(map(len, packed.values()))
        print(f"build-ptx: wrote {len(packed)} cubins of {sum(map(len, new.values()))} bytes, packed {total}")
        return 0
    differ = []
    for arch, cubin in new.items():
        try:
            # Unpacked, since versions of zlib pack differently.
            old = zlib.decompress((folder / f"{arch}.cubin.z").read_bytes())
        except (OSError, zlib.error) as error:
            old = str(error)
        if old != cubin:
            differ.append(f"{arch}.cubin.z")
    if (folder / "made-by.txt").read_text() != made_by(here, version):
        differ.append("made-by.txt")
    if differ:
        print(f"build-ptx: {', '.join(differ)}: expected what ptxas {version} makes of kernels.ptx, got another file; "
              "run build-ptx and commit", file=sys.stderr)
        return 1
    print(f"build-ptx: {len(new)} cubins are what ptxas {version} makes of kernels.ptx")
    return 0


sys.exit(main())
