#!/usr/bin/env python3
"""Checks that modules only include what tools/layers.txt allows, and a few rules of the house.

Prints one line a finding and exits 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# <torch/...> headers outside training, each with its reason.
TORCH_ALLOWED = {"torch/csrc/autograd/autograd.h",  # gradients of activations and parameters
                 "torch/csrc/autograd/custom_function.h",  # tensor/hand_gradient.cpp
                 "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp",  # train/process_group.cpp
                 "torch/csrc/distributed/c10d/TCPStore.hpp",
                 "torch/csrc/api/include/torch/version.h"}  # compat.cpp
EDGE_ONLY = re.compile(r'#include <(spdlog/|nlohmann/json\.hpp|CLI/|pybind11/)')
BAD_NAMES = {"util", "utils", "common", "misc", "helpers"}
BAD_CALLS = re.compile(r'\b(std::cout|std::cerr|printf\(|std::exit\(|std::abort\(|getenv\()')
MAX_LINES = 800


class Layers:
    """The rooms of layers.txt: modules (`lm`) and listed sub-folders of modules (`sae/kinds`)."""

    def __init__(self, text):
        self.allowed = {}
        for line in text.splitlines():
            room, _, names = line.split("#")[0].partition(":")
            if room.strip():
                self._add(room.strip(), names.split())
        for room in self.allowed:
            self._check_parent(room)

    def _add(self, room, names):
        if room in self.allowed:
            raise ValueError(f"{room} has two lines")
        for name in names:
            if name not in self.allowed:
                raise ValueError(f"{room} names {name}, which does not stand above it")
        self.allowed[room] = set(names)

    def _check_parent(self, room):
        module, _, folder = room.partition("/")
        if not folder:
            return
        if module not in self.allowed:
            raise ValueError(f"{room} is a part of {module}, which has no line")
        for name in sorted(self.allowed[room]):
            if name.split("/")[0] != module and not self.may(module, name):
                raise ValueError(f"{room} names {name}, which {module} may not include")

    def room_of(self, path):
        """The deepest listed room that holds `path` (relative to weir/); None if there is none."""
        parts = pathlib.PurePosixPath(path).parts[:-1]
        for n in range(len(parts), 0, -1):
            if "/".join(parts[:n]) in self.allowed:
                return "/".join(parts[:n])
        return None

    def may(self, room, other):
        """Whether files of `room` may include files of `other`. Who may see a module of another
        name sees its sub-folders too; within a module each sub-folder with a line must be named."""
        names = self.allowed[room]
        module = other.split("/")[0]
        return room == other or other in names or (module in names and module != room.split("/")[0])

    def is_torch_free(self, room):
        return room != "tensor" and "tensor" not in self.allowed[room]


def check_includes(line, room, layers):
    own = re.match(r'\s*#include "weir/([a-z0-9_/]+\.h)"', line)
    if own:
        other = layers.room_of(own.group(1)) or own.group(1).split("/")[0]
        if not layers.may(room, other):
            yield f"{room} may not include {other} (tools/layers.txt)"
    torch = re.match(r"\s*#include <((torch|ATen|c10)/[^>]*)>", line)
    if torch and layers.is_torch_free(room):
        yield f"{room} is torch-free, it may not include <{torch.group(1)}>"
    elif torch and torch.group(2) == "torch" and torch.group(1) not in TORCH_ALLOWED:
        yield f"<{torch.group(1)}> is not allowed here; include <ATen/...>"


def check_file(path, where, room, layers):
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        for finding in check_includes(line, room, layers):
            yield f"{where}:{number}: {finding}"
        if path.suffix == ".h" and EDGE_ONLY.match(line.strip()):
            yield f"{where}:{number}: this dependency belongs in a .cpp, not in a header"
        if room != "base" and BAD_CALLS.search(line.split("//")[0]):
            yield f"{where}:{number}: the library does not print, exit or read the environment"
    if len(lines) > MAX_LINES:
        yield f"{where}: longer than {MAX_LINES} lines; split it by topic"
    if path.stem in BAD_NAMES or BAD_NAMES.intersection(where.parent.parts):
        yield f"{where}: name it by its topic"


def check_depends(path, where, room, layers):
    """DEPENDS names libraries: a module, or a sub-folder that is a library (sae/kinds: sae_kinds, or
    its last part alone)."""
    depends = re.search(r"weir_library\(\w+[^)]*DEPENDS ([a-z_ ]+)", path.read_text())
    for name in sorted(depends.group(1).split() if depends else []):
        rooms = [other for other in layers.allowed if name in (other.split("/")[-1], other.replace("/", "_"))]
        if not any(layers.may(room, other) for other in rooms):
            yield f"{where}: DEPENDS names {name}, tools/layers.txt does not"


def check_tree(root):
    """The findings in root/weir by the rules of root/tools/layers.txt."""
    layers = Layers((root / "tools/layers.txt").read_text())
    for path in sorted((root / "weir").rglob("*")):
        is_code = path.suffix in {".h", ".cpp"}
        inside, where = path.relative_to(root / "weir"), path.relative_to(root)
        if len(inside.parts) < 2 or not (is_code or path.name == "CMakeLists.txt"):
            continue
        room = layers.room_of(inside)
        if room is None:
            yield f"{where}: module {inside.parts[0]} is not in tools/layers.txt"
        else:
            yield from (check_file if is_code else check_depends)(path, where, room, layers)


def main():
    try:
        findings = list(check_tree(ROOT))
    except ValueError as error:
        findings = [f"tools/layers.txt: {error}"]
    print("\n".join(findings) if findings else "layers: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
