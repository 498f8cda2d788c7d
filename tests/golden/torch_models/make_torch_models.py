"""Writes ../models/gpt2_hub_names as pytorch_model.bin, whole and in two shards.

Needs torch and safetensors; run it anywhere.
"""
import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file

here = pathlib.Path(__file__).resolve().parent
source = here.parent / "models" / "gpt2_hub_names"
state = load_file(source / "model.safetensors")

whole = here / "whole"
whole.mkdir(exist_ok=True)
shutil.copy(source / "config.json", whole)
torch.save(state, whole / "pytorch_model.bin")

sharded = here / "sharded"
sharded.mkdir(exist_ok=True)
shutil.copy(source / "config.json", sharded)
names = sorted(state)
weight_map = {}
for number, part in enumerate((names[::2], names[1::2]), 1):
    file = f"pytorch_model-{number:05d}-of-00002.bin"
    torch.save({name: state[name] for name in part}, sharded / file)
    weight_map.update({name: file for name in part})
index = {"metadata": {"total_size": sum(t.nbytes for t in state.values())}, "weight_map": weight_map}
(sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
