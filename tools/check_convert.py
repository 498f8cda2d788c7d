#!/usr/bin/env python3
"""Converts the golden models with `weir models convert` and loads the results in transformers.

    pip install torch transformers safetensors
    check_convert.py WEIR [SMOLLM2.gguf]      WEIR: the command, e.g. build/dev/apps/cli/weir

Prints, for every model, the largest difference between the logits of the converted folder and those in tests/golden
(which transformers computed from the original); exits 1 if one exceeds 1e-3 or a parameter was not found.
"""
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


def difference(weir, source, tokens, logits):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([weir, "models", "convert", source, folder, "--dtype", "float32", "--quiet"], check=True)
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        sys.exit(f"{source}: missing {report['missing_keys']}, unexpected {report['unexpected_keys']}")
    with torch.no_grad():
        found = model.eval()(tokens).logits
    return (found[..., -logits.shape[-2]:, :] - logits).abs().max().item()


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
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    worst = 0
    for source, tokens, logits in cases(sys.argv[2] if len(sys.argv) > 2 else None):
        found = difference(sys.argv[1], source, tokens, logits)
        print(f"{source.parent.name}/{source.name}: {found:.1e}")
        worst = max(worst, found)
    return 1 if worst > TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
