#!/usr/bin/env python3
"""Adapters of PEFT on the golden models (see README.md).

    make_lora.py [--models ../models] [--out .] [--seed 7] [--rank 4]
"""
import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, __version__, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers import __version__ as transformers_version

TARGETS = {"gpt2": ["c_attn", "c_proj"], "llama_gqa_tied": ["q_proj", "v_proj", "down_proj"], "gpt_neox": ["query_key_value"]}


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=here.parent / "models")
    parser.add_argument("--out", type=Path, default=here)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rank", type=int, default=4)
    args = parser.parse_args()
    for name, targets in TARGETS.items():
        torch.manual_seed(args.seed)
        base = AutoModelForCausalLM.from_pretrained(args.models / name, dtype=torch.float32).eval()
        model = get_peft_model(base, LoraConfig(r=args.rank, lora_alpha=6, target_modules=targets, task_type="CAUSAL_LM"))
        for key, value in model.named_parameters():
            if "lora_" in key:
                value.data = torch.randn_like(value) * 0.1
        model.eval()
        ids = torch.randint(3, base.config.vocab_size, (2, 12))
        result = model(input_ids=ids, labels=ids)
        result.loss.backward()
        tensors = {"ids": ids, "logits": result.logits.detach(), "loss": result.loss.detach()}
        for key, value in model.named_parameters():
            if "lora_" in key:
                tensors["grad." + key.replace(".default", "")] = value.grad
        folder = args.out / name
        model.save_pretrained(folder)
        for extra in ("README.md",):
            (folder / extra).unlink(missing_ok=True)
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = name  # Not a path of the machine that made it.
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "expected.safetensors",
                  {"peft": __version__, "transformers": transformers_version, "torch": torch.__version__})


if __name__ == "__main__":
    main()
