#!/usr/bin/env python3
"""Writes nanogpt-ckpt.pt in the form of nanoGPT's train.py (compiled model, bias=False, optimiser
beside it) and nanogpt-expected.safetensors: logits from an independent forward in torch.nn calls.

    pip install torch numpy safetensors       (torch 2.15.0 made the files that are kept here)
"""
import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional

HERE = pathlib.Path(__file__).resolve().parent
N_LAYER, N_HEAD, N_EMBD, VOCAB, BLOCK = 2, 2, 16, 13, 10


def parameters(generator):
    def matrix(*shape):
        return torch.randn(*shape, generator=generator) * 0.4

    def gain():
        return 1 + torch.randn(N_EMBD, generator=generator) * 0.25

    state = {"transformer.wte.weight": matrix(VOCAB, N_EMBD),
             "transformer.wpe.weight": matrix(BLOCK, N_EMBD)}
    for layer in range(N_LAYER):
        prefix = f"transformer.h.{layer}."
        state[prefix + "ln_1.weight"] = gain()
        state[prefix + "attn.c_attn.weight"] = matrix(3 * N_EMBD, N_EMBD)
        state[prefix + "attn.c_proj.weight"] = matrix(N_EMBD, N_EMBD)
        state[prefix + "ln_2.weight"] = gain()
        state[prefix + "mlp.c_fc.weight"] = matrix(4 * N_EMBD, N_EMBD)
        state[prefix + "mlp.c_proj.weight"] = matrix(N_EMBD, 4 * N_EMBD)
    state["transformer.ln_f.weight"] = gain()
    state["lm_head.weight"] = state["transformer.wte.weight"]
    return state


def forward(state, tokens):
    def norm(x, name):
        return functional.layer_norm(x, (N_EMBD,), state[name + ".weight"])

    def heads(x):
        return x.unflatten(-1, (N_HEAD, -1)).transpose(1, 2)

    x = state["transformer.wte.weight"][tokens]
    x = x + state["transformer.wpe.weight"][: tokens.shape[1]]
    for layer in range(N_LAYER):
        prefix = f"transformer.h.{layer}."
        qkv = functional.linear(norm(x, prefix + "ln_1"), state[prefix + "attn.c_attn.weight"])
        q, k, v = (heads(part) for part in qkv.split(N_EMBD, dim=-1))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = mixed.transpose(1, 2).flatten(2)
        x = x + functional.linear(mixed, state[prefix + "attn.c_proj.weight"])
        hidden = functional.linear(norm(x, prefix + "ln_2"), state[prefix + "mlp.c_fc.weight"])
        x = x + functional.linear(functional.gelu(hidden), state[prefix + "mlp.c_proj.weight"])
    return functional.linear(norm(x, "transformer.ln_f"), state["lm_head.weight"])


def main():
    generator = torch.Generator().manual_seed(7)
    state = parameters(generator)
    tokens = torch.randint(VOCAB, (2, BLOCK), generator=generator)
    save_file({"tokens": tokens, "logits": forward(state, tokens)},
              HERE / "nanogpt-expected.safetensors")
    arguments = {"n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": N_EMBD, "block_size": BLOCK,
                 "bias": False, "vocab_size": VOCAB, "dropout": 0.0}
    moments = {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}}
    torch.save({"model": {"_orig_mod." + name: value for name, value in state.items()},
                "optimizer": {"state": moments, "param_groups": [{"lr": 1e-3, "params": [0]}]},
                "model_args": arguments, "iter_num": 1, "best_val_loss": torch.tensor(1.5),
                "config": {"out_dir": "out", "learning_rate": 1e-3}},
               HERE / "nanogpt-ckpt.pt")


main()
