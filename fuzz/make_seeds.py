#!/usr/bin/env python3
"""Writes the seed corpus of every fuzz target, from the files of tests/golden.

Usage: make_seeds.py FOLDER; makes FOLDER/TARGET/... .
"""
import pathlib
import shutil
import struct
import sys
import zipfile

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/golden"
OUT = pathlib.Path(sys.argv[1])
MAX_BYTES = 1 << 16


def write(target, name, data):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def copy(target, pattern):
    for path in sorted(GOLDEN.glob(pattern)):
        if path.stat().st_size <= MAX_BYTES:
            write(target, str(path.relative_to(GOLDEN)).replace("/", "-"), path.read_bytes())


def safetensors(header, data):
    return struct.pack("<Q", len(header)) + header + data


def llama2c(is_legacy):
    sizes = struct.pack("<7i", 4, 6, 2, 2, 1, 5, 3)
    weights = bytes(4 * 280)
    if is_legacy:
        return sizes + weights + bytes(4 * 6)
    return (b"24ka" + struct.pack("<i", 1) + sizes + b"\1").ljust(256, b"\0") + weights


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    copy("json", "**/*.json")
    copy("safetensors", "**/*.safetensors")
    write("safetensors", "small", safetensors(
        b'{"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},"__metadata__":{"format":"pt"},'
        b'"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}', bytes(8)))
    copy("gguf", "**/*.gguf")
    copy("npy", "**/*.npy")
    copy("npz", "**/*.npz")
    copy("torch_archive", "torch/*.pt")
    for path in sorted(GOLDEN.glob("torch/*.pt")):
        if not zipfile.is_zipfile(path):
            continue
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    write("torch_pickle", path.name, archive.read(name))
    write("llama2c", "legacy", llama2c(True))
    write("llama2c", "version_1", llama2c(False))


main()
