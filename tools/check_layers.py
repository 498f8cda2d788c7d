#!/usr/bin/env python3
"""Checks that modules only include what tools/layers.txt allows, and a few rules of the house.

Prints one line a finding and exits 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TORCH_FREE = {"base", "io", "text", "store", "report"}
# <torch/...> headers outside training, each with its reason.
TORCH_ALLOWED = {"torch/csrc/autograd/autograd.h",  # gradients of activations and parameters
                 "torch/csrc/autograd/custom_function.h",  # tensor/hand_gradient.cpp
                 "torch/csrc/api/include/torch/version.h"}  # compat.cpp
EDGE_ONLY = re.compile(r'#include <(spdlog/|nlohmann/json\.hpp|CLI/|pybind11/)')
# Libraries inside a module; who may include the module may link them.
SUBLIBRARIES = {"kernels"}
BAD_NAMES = {"util", "utils", "common", "misc", "helpers"}
BAD_CALLS = re.compile(r'\b(std::cout|std::cerr|printf\(|std::exit\(|std::abort\(|getenv\()')
MAX_LINES = 800


def read_layers():
    allowed = {}
    for line in (ROOT / "tools/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        module, _, names = line.partition(":")
        for name in names.split():
            if name not in allowed:
                sys.exit(f"layers.txt: {module} names {name}, which does not stand above it")
        allowed[module.strip()] = set(names.split())
    return allowed


def check_file(path, module, allowed):
    text = path.read_text()
    where = path.relative_to(ROOT)
    for number, line in enumerate(text.splitlines(), 1):
        at = f"{where}:{number}"
        own = re.match(r'\s*#include "weir/([a-z0-9_]+)/', line)
        if own and own.group(1) != module and own.group(1) not in allowed[module]:
            yield f"{at}: {module} may not include {own.group(1)} (tools/layers.txt)"
        torch = re.match(r"\s*#include <((torch|ATen|c10)/[^>]*)>", line)
        if torch and (module in TORCH_FREE or SUBLIBRARIES.intersection(path.parts)):
            yield f"{at}: {module} is torch-free, it may not include <{torch.group(1)}>"
        if torch and torch.group(2) == "torch" and torch.group(1) not in TORCH_ALLOWED:
            yield f"{at}: <{torch.group(1)}> is not allowed here; include <ATen/...>"
        if path.suffix == ".h" and EDGE_ONLY.match(line.strip()):
            yield f"{at}: this dependency belongs in a .cpp, not in a header"
        if module != "base" and BAD_CALLS.search(line.split("//")[0]):
            yield f"{at}: the library does not print, exit or read the environment"
    if len(text.splitlines()) > MAX_LINES:
        yield f"{where}: longer than {MAX_LINES} lines; split it by topic"
    if path.stem in BAD_NAMES or module in BAD_NAMES:
        yield f"{where}: name it by its topic"


def check_depends(path, module, allowed):
    depends = re.search(r"weir_library\(\w+[^)]*DEPENDS ([a-z ]+)", path.read_text())
    extra = set(depends.group(1).split() if depends else []) - allowed[module] - SUBLIBRARIES
    for name in sorted(extra):
        yield f"{path.relative_to(ROOT)}: DEPENDS names {name}, tools/layers.txt does not"


def main():
    allowed = read_layers()
    findings = []
    for path in sorted((ROOT / "weir").glob("*/CMakeLists.txt")):
        findings += check_depends(path, path.parent.name, allowed)
    for path in sorted((ROOT / "weir").rglob("*")):
        if path.suffix not in {".h", ".cpp"}:
            continue
        module = path.relative_to(ROOT / "weir").parts[0]
        if module not in allowed:
            findings.append(f"{path.relative_to(ROOT)}: module {module} is not in tools/layers.txt")
            continue
        findings += check_file(path, module, allowed)
    print("\n".join(findings) if findings else "layers: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
