#!/usr/bin/env python3
"""Converts the golden models with `weir models convert` and loads the results in transformers.

    pip install torch transformers safetensors
    check_convert.py WEIR [--variants SAVE_VARIANTS] [SMOLLM2.gguf]

WEIR: the command, e.g. build/dev/apps/cli/weir. SAVE_VARIANTS: build/dev/tests/model/save_variants (a target of its own);
with it every golden model is also saved edited, with its tables untied, after a step of training in memory of its own,
and folded, and transformers must find the logits that Weir has for it.

Prints, for every model, the largest difference between the logits that transformers computes from the converted folder
and those in tests/golden (which it computed from the original) or those of Weir (variants); exits 1 if one exceeds 1e-3
or a parameter was not found.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers
from safetensors.torch import load_file

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests/golden"
TOLERANCE = 1e-3


def differs(source, folder, tokens, logits):
    """The largest difference of transformers' logits of `folder` from `logits`."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        sys.exit(f"{source}: missing {report['missing_keys']}, unexpected {report['unexpected_keys']}")
    with torch.no_grad():
        found = model.eval()(tokens).logits
    return (found[..., -logits.shape[-2]:, :] - logits).abs().max().item()


def converted(weir, source, tokens, logits):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([weir, "models", "convert", source, folder, "--dtype", "float32", "--quiet"], check=True)
        yield "", differs(source, folder, tokens, logits)


def variants(save_variants, source, tokens):
    with tempfile.TemporaryDirectory() as out:
        expected = GOLDEN / "models" / source.stem / "expected.safetensors"
        subprocess.run([save_variants, source, expected, out], check=True)
        for path in sorted(pathlib.Path(out).glob("*.logits.safetensors")):
            kind = path.name.split(".")[0]
            yield " " + kind, differs(source, f"{out}/{kind}", tokens, load_file(path)["logits"])


def cases(smollm2):
    for folder in sorted((GOLDEN / "models").iterdir()):
        expected = load_file(folder / "expected.safetensors")
        yield folder, expected["tokens"], expected["logits"]
    for path in sorted((GOLDEN / "gguf_models").glob("*.gguf")):
        expected = load_file(GOLDEN / "models" / path.stem / "expected.safetensors")
        yield path, expected["tokens"], expected["logits"]
    if smollm2:
        prompt = json.loads((GOLDEN / "smollm2-135m/expected.json").read_text())["prompts"][0]
        last = load_file(GOLDEN / "smollm2-135m/expected.safetensors")["logits_last"]
        yield pathlib.Path(smollm2), torch.tensor([prompt["ids"]]), last[None, None]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("--variants")
    parser.add_argument("smollm2", nargs="?")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    worst = 0
    for source, tokens, logits in cases(options.smollm2):
        results = list(converted(options.weir, source, tokens, logits))
        if options.variants and (GOLDEN / "models" / source.stem).exists():
            results += variants(options.variants, source, tokens)
        for kind, found in results:
            print(f"{source.parent.name}/{source.name}{kind}: {found:.1e}", flush=True)
            worst = max(worst, found)
    return 1 if worst > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
