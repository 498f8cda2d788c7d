#!/usr/bin/env python3
"""Writes the .pt files of this folder with PyTorch, and golden.json with what they hold.

Usage: make_torch.py [FOLDER]. Needs torch and numpy; the README names the versions used.
"""
import collections
import json
import os
import pathlib
import sys
import zipfile

import torch

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
}


def described(tensor):
    """dtype, shape and the bytes in C order."""
    flat = tensor.detach().contiguous().reshape(-1).clone()
    data = bytes(flat.untyped_storage()) if flat.numel() else b""
    return {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "hex": data.hex()}


def flattened(value, path=""):
    if isinstance(value, torch.Tensor):
        yield path or "data", value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flattened(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from flattened(item, f"{path}.{i}" if path else str(i))


def state_dict():
    model = torch.nn.Sequential(
        collections.OrderedDict(
            first=torch.nn.Linear(3, 4), norm=torch.nn.BatchNorm1d(4), second=torch.nn.Linear(4, 2)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def values():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    pool = torch.arange(10, dtype=torch.int64)
    model, optimizer = state_dict()
    yield "containers", {
        "weights": {"a": torch.ones(2, 3), "list": [torch.zeros(1), {"deep": torch.full((2,), 7.0)}],
                    "tuple": (torch.tensor(1.5), 3, None)},
        7: torch.tensor([7]),
        "epoch": 3, "loss": 0.1, "name": "tiny \u6c34", "best": True, "nothing": None, "big": 2**40,
        "negative": -5, "shape": torch.Size([2, 3]), "tags": {"x", "y"}, "frozen": frozenset([1]),
        "dtype": torch.float32, "order": collections.OrderedDict(z=1), "raw": b"\x00\xff",
        "seed": 2**63 + 11, "wide": [70000, -70000, 2**31, 255, 256], "device": torch.device("cpu"),
    }
    yield "strided", {
        "transposed": base.t(), "columns": base[:, 1:5:2], "offset": base[2:], "scalar": base[1, 2],
        "expanded": torch.tensor([2.0]).expand(3, 4), "empty": torch.zeros(0, 5),
        "permuted": torch.arange(24, dtype=torch.int16).reshape(2, 3, 4).permute(2, 0, 1),
        "row": base[:1].t(), "halves": torch.arange(6, dtype=torch.float16).reshape(2, 3).t(),
        "bytes": torch.arange(6, dtype=torch.uint8).reshape(2, 3).t(),
    }
    yield "dtypes", {
        **{name: torch.tensor([0, 1, 2, 100]).to(dtype) for dtype, name in NAMES.items()},
        "F32_special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-40]),
    }
    yield "shared", {"whole": pool, "head": pool[:4], "tail": pool[4:], "again": pool}
    yield "state_dict", model.state_dict()
    yield "training", {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 1}
    yield "parameter", {"p": torch.nn.Parameter(torch.ones(2)), "b": torch.nn.Buffer(torch.ones(1))}
    yield "bare", torch.tensor([[1.0, 2.0]])


class Evil:
    def __reduce__(self):
        return os.system, ("echo the pickle ran > /tmp/weir-pickle-ran",)


def save(name, value, **options):
    torch.save(value, OUT / f"{name}.pt", **options)


def without_big_endian():
    """The file of 'bare' with its byte order changed in name."""
    with zipfile.ZipFile(OUT / "bare.pt") as source, zipfile.ZipFile(OUT / "big_endian.pt", "w") as out:
        for info in source.infolist():
            data = source.read(info)
            out.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else data)


def main():
    torch.manual_seed(7)
    golden = {}
    for name, value in values():
        save(name, value)
        golden[name] = {key: described(tensor) for key, tensor in flattened(value)}
        if name in ("containers", "dtypes"):
            for protocol in (3, 4, 5):
                save(f"{name}_protocol{protocol}", value, pickle_protocol=protocol)
    save("hostile", {"w": torch.ones(1), "x": Evil()})
    save("module", torch.nn.Linear(2, 2))
    save("sparse", {"s": torch.eye(2).to_sparse()})
    save("complex", {"c": torch.ones(2, dtype=torch.complex64)})
    save("legacy", {"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(2, 2)).save(OUT / "script.pt")
    without_big_endian()

    shards = {"pytorch_model-00001-of-00002.bin": {"a": torch.ones(2), "b": torch.zeros(2, 2)},
              "pytorch_model-00002-of-00002.bin": {"c": torch.full((3,), 2.0)}}
    for file, tensors in shards.items():
        torch.save(tensors, OUT / file)
    index = {"metadata": {"total_size": 36},
             "weight_map": {key: file for file, tensors in shards.items() for key in tensors}}
    (OUT / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
    (OUT / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
