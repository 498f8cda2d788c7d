#!/usr/bin/env python3
"""Writes the .npy and .npz files of this folder with numpy, and golden.json with what they hold.

Usage: make_npy.py [FOLDER]. The README names the version used.
"""
import json
import pathlib
import sys

import numpy as np
from numpy.lib import format as npy

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
NAMES = {"f8": "F64", "f4": "F32", "f2": "F16", "i8": "I64", "i4": "I32", "i2": "I16", "i1": "I8",
         "u8": "U64", "u4": "U32", "u2": "U16", "u1": "U8", "b1": "BOOL"}


def described(array):
    return {"dtype": NAMES[array.dtype.str[1:]], "shape": list(array.shape),
            "hex": np.ascontiguousarray(array).tobytes().hex()}


def main():
    arrays = {code: np.array([[0, 1, 2], [100, 3, 1]]).astype(code) for code in NAMES}
    arrays["scalar"] = np.array(2.5, dtype="f4")
    arrays["empty"] = np.zeros((0, 3), dtype="i4")
    arrays["fortran"] = np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4))
    arrays["fortran_vector"] = np.asfortranarray(np.arange(3, dtype="f8"))
    arrays["large"] = np.arange(1000, dtype="i2").reshape(50, 20)
    np.savez(OUT / "stored.npz", **arrays)
    np.savez_compressed(OUT / "deflated.npz", **arrays)
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(OUT / f"version{version[0]}.npy", "wb") as file:
            npy.write_array(file, arrays["fortran"], version=version)
    refused = {
        "big_endian": np.arange(3, dtype=">f4"), "complex": np.ones(2, dtype="c8"),
        "text": np.array(["a", "bc"]), "record": np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]),
        "object": np.array([{}, None], dtype=object), "date": np.zeros(2, dtype="M8[s]"),
    }
    for name, array in refused.items():
        np.save(OUT / f"{name}.npy", array)
    golden = {name: described(array) for name, array in arrays.items()}
    (OUT / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
