#!/usr/bin/env python3
"""Tests of check_layers.py on small made-up trees. Run by `make check`."""
import pathlib
import tempfile
import unittest

import check_layers

LAYERS = """
base:
tensor/kernels: base
tensor: base tensor/kernels
lm: base tensor
sae/kinds: base tensor
sae/dashboard: base sae/kinds
sae: base tensor lm sae/kinds sae/dashboard   # lm is for the whole alone
circuits: base sae
planned: base                                 # no folder yet
"""


def findings(files, layers=LAYERS):
    """What the check says of weir/<path> with this content; the part before ': ' is cut off."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "tools").mkdir()
        (root / "tools/layers.txt").write_text(layers)
        for path, text in files.items():
            (root / "weir" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "weir" / path).write_text(text)
        return [finding.split(": ", 1)[1] for finding in check_layers.check_tree(root)]


def includes(room, header):
    return findings({f"{room}/a.cpp": f'#include "{header}"\n'})


class Includes(unittest.TestCase):
    def test_what_is_named_is_allowed(self):
        self.assertEqual(includes("lm", "weir/tensor/matrix.h"), [])
        self.assertEqual(includes("lm", "weir/lm/sampler.h"), [])

    def test_what_is_not_named_is_refused(self):
        self.assertEqual(includes("tensor", "weir/lm/sampler.h"),
                         ["tensor may not include lm (tools/layers.txt)"])

    def test_a_module_without_a_line_is_refused(self):
        self.assertEqual(findings({"extra/a.cpp": ""}), ["module extra is not in tools/layers.txt"])
        self.assertEqual(includes("lm", "weir/extra/a.h"),
                         ["lm may not include extra (tools/layers.txt)"])

    def test_sub_folders_without_a_line_belong_to_their_module(self):
        self.assertEqual(includes("lm/inner", "weir/tensor/matrix.h"), [])
        self.assertEqual(includes("lm", "weir/lm/inner/a.h"), [])


class SubFolders(unittest.TestCase):
    def test_see_only_what_their_own_line_names(self):
        self.assertEqual(includes("sae/dashboard", "weir/sae/kinds/top_k.h"), [])
        self.assertEqual(includes("sae/kinds", "weir/sae/dashboard/page.h"),
                         ["sae/kinds may not include sae/dashboard (tools/layers.txt)"])
        self.assertEqual(includes("sae/kinds", "weir/lm/sampler.h"),
                         ["sae/kinds may not include lm (tools/layers.txt)"])

    def test_do_not_see_the_whole_above_them(self):
        self.assertEqual(includes("sae/kinds", "weir/sae/train.h"),
                         ["sae/kinds may not include sae (tools/layers.txt)"])

    def test_are_seen_by_who_may_see_the_module(self):
        self.assertEqual(includes("circuits", "weir/sae/kinds/top_k.h"), [])
        self.assertEqual(includes("lm", "weir/tensor/kernels/kernels.h"), [])

    def test_deeper_folders_belong_to_the_listed_one(self):
        self.assertEqual(includes("sae/kinds/gated", "weir/sae/dashboard/page.h"),
                         ["sae/kinds may not include sae/dashboard (tools/layers.txt)"])


class Lines(unittest.TestCase):
    def assert_refused(self, layers, message):
        with self.assertRaises(ValueError) as caught:
            check_layers.Layers(layers)
        self.assertEqual(str(caught.exception), message)

    def test_name_only_rooms_above(self):
        self.assert_refused("base: io\nio:", "base names io, which does not stand above it")

    def test_stand_once(self):
        self.assert_refused("base:\nbase:", "base has two lines")

    def test_give_a_sub_folder_no_more_than_its_module(self):
        self.assert_refused("base:\nlm:\nsae/kinds: lm\nsae: sae/kinds",
                            "sae/kinds names lm, which sae may not include")
        self.assert_refused("base:\nsae/kinds:", "sae/kinds is a part of sae, which has no line")

    def test_of_the_repository_are_sound(self):
        check_layers.Layers((check_layers.ROOT / "tools/layers.txt").read_text())


class Rules(unittest.TestCase):
    def test_torch_only_above_tensor(self):
        self.assertEqual(findings({"lm/a.h": "#include <ATen/ATen.h>\n"}), [])
        for room in ("base", "tensor/kernels"):
            self.assertEqual(findings({f"{room}/a.h": "#include <ATen/ATen.h>\n"}),
                             [f"{room} is torch-free, it may not include <ATen/ATen.h>"])
        self.assertEqual(findings({"lm/a.h": "#include <torch/torch.h>\n"}),
                         ["<torch/torch.h> is not allowed here; include <ATen/...>"])

    def test_libraries_that_are_linked(self):
        line = "weir_library({} SOURCES a.cpp DEPENDS {})\n"
        self.assertEqual(findings({"lm/CMakeLists.txt": line.format("lm", "base kernels")}), [])
        self.assertEqual(findings({"base/CMakeLists.txt": line.format("base", "tensor")}),
                         ["DEPENDS names tensor, tools/layers.txt does not"])

    def test_no_printing_and_no_environment(self):
        text = 'const char* x = getenv("X");  // printf(\n'
        self.assertEqual(findings({"base/a.cpp": text}), [])
        self.assertEqual(findings({"lm/a.cpp": text}),
                         ["the library does not print, exit or read the environment"])
        self.assertEqual(findings({"lm/a.cpp": "// printf(\n"}), [])

    def test_names_sizes_and_headers(self):
        self.assertEqual(findings({"lm/utils.cpp": ""}), ["name it by its topic"])
        self.assertEqual(findings({"lm/a.cpp": "\n" * 801}),
                         ["longer than 800 lines; split it by topic"])
        self.assertEqual(findings({"lm/a.h": "#include <spdlog/spdlog.h>\n"}),
                         ["this dependency belongs in a .cpp, not in a header"])


if __name__ == "__main__":
    unittest.main()
