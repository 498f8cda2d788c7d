#!/usr/bin/env python3
"""Writes the golden models of ../models as GGUF files, as llama.cpp's converter would.

    pip install gguf numpy safetensors        (gguf 0.19.0 made the files that are kept here)
    make_gguf_models.py [OUT_DIR] [NAME...]

Tensors are float32. What the converter changes is done here from its description: llama's q and k
rows are reordered for interleaved RoPE, Gemma's norms get + 1, GPT-2's Conv1D matrices are
transposed, NeoX's and BLOOM's fused q|k|v rows are stacked, Llama 3's RoPE scaling becomes
rope_freqs.weight. A GGUF file cannot hold Gemma's query_pre_attn_scalar, which is not the head size
in the goldens; queries (Gemma 2) or their norm's gains (Gemma 3) are scaled to the same scores.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).resolve().parent

PRE_NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
FOUR_NORMS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
LLAMA_ENDS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
LLAMA_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.dense": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
GPT2_ENDS = {"transformer.wte": "token_embd", "transformer.wpe": "position_embd",
             "transformer.ln_f": "output_norm"}
GPT2_PARTS = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
NEOX_ENDS = {"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm",
             "embed_out": "output"}
NEOX_PARTS = {
    "input_layernorm": "attn_norm",
    "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.dense_h_to_4h": "ffn_up",
    "mlp.dense_4h_to_h": "ffn_down",
}
BLOOM_ENDS = {"transformer.word_embeddings": "token_embd",
              "transformer.word_embeddings_layernorm": "token_embd_norm",
              "transformer.ln_f": "output_norm"}
BLOOM_PARTS = {name.replace("attention.", "self_attention.") if name.startswith("attention.") else
               name: stem for name, stem in NEOX_PARTS.items()}

# name of the golden model: (architecture, ends, prefix of a layer, parts of a layer)
MODELS = {
    "llama_gqa_tied": ("llama", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "llama_rope_llama3": ("llama", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "llama_rope_yarn": ("llama", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "qwen2": ("qwen2", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "qwen3": ("qwen3", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "gemma": ("gemma", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "gemma2": ("gemma2", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **FOUR_NORMS}),
    "gemma3_text": ("gemma3", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **FOUR_NORMS}),
    "olmo2": ("olmo2", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **FOUR_NORMS}),
    "phi": ("phi2", {**LLAMA_ENDS, "model.final_layernorm": "output_norm"}, "model.layers.",
            {**LLAMA_PARTS, **PRE_NORMS}),
    "phi3": ("phi3", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "phi3_longrope": ("phi3", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "stablelm": ("stablelm", LLAMA_ENDS, "model.layers.", {**LLAMA_PARTS, **PRE_NORMS}),
    "gpt2": ("gpt2", GPT2_ENDS, "transformer.h.", GPT2_PARTS),
    "gpt_neox": ("gptneox", NEOX_ENDS, "gpt_neox.layers.", NEOX_PARTS),
    "bloom": ("bloom", BLOOM_ENDS, "transformer.h.", BLOOM_PARTS),
}


def first(config, *keys, default=None):
    for key in keys:
        if config.get(key) is not None:
            return config[key]
    return default


def interleaved(rows, n_heads):
    """Half-split rows of each head (i, i + K/2) to pairs (2i, 2i+1)."""
    shape = rows.shape
    return rows.reshape(n_heads, 2, -1, *shape[1:]).swapaxes(1, 2).reshape(shape)


def stacked(rows, n_heads):
    """Rows (head; q, k, v; K) to (q, k, v; head; K)."""
    shape = rows.shape
    return rows.reshape(n_heads, 3, -1, *shape[1:]).swapaxes(0, 1).reshape(shape)


def changed(architecture, stem, suffix, values, config):
    n_heads = first(config, "num_attention_heads", "n_head")
    if architecture == "llama" and stem in ("attn_q", "attn_k"):
        return interleaved(values, n_heads if stem == "attn_q" else config["num_key_value_heads"])
    if architecture in ("gptneox", "bloom") and stem == "attn_qkv":
        return stacked(values, n_heads)
    if architecture == "gpt2" and suffix == "weight" and values.ndim == 2 and stem in (
            "attn_qkv", "attn_output", "ffn_up", "ffn_down"):
        return values.T
    if architecture.startswith("gemma"):
        scale = math.sqrt(config["head_dim"] / config.get("query_pre_attn_scalar", config["head_dim"]))
        if stem.endswith("norm"):
            return (values + 1) * (scale if stem == "attn_q_norm" else 1)
        if stem == "attn_q" and architecture == "gemma2":
            return values * scale
    return values


def add_metadata(writer, architecture, config):
    n_heads = first(config, "num_attention_heads", "n_head")
    width = first(config, "hidden_size", "n_embd")
    head = first(config, "head_dim", default=width // n_heads)
    writer.add_context_length(first(config, "max_position_embeddings", "n_positions", default=2048))
    writer.add_embedding_length(width)
    writer.add_block_count(first(config, "num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(first(config, "intermediate_size", "n_inner", default=4 * width))
    writer.add_head_count(n_heads)
    writer.add_head_count_kv(first(config, "num_key_value_heads", default=n_heads))
    if architecture not in ("gpt2", "gptneox", "bloom", "phi2", "stablelm", "phi3"):
        writer.add_key_length(head)
        writer.add_value_length(head)
    if architecture in ("gpt2", "gptneox", "bloom", "phi2", "stablelm"):
        writer.add_layer_norm_eps(first(config, "layer_norm_eps", "layer_norm_epsilon"))
    else:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if architecture in ("gptneox", "stablelm"):
        writer.add_parallel_residual(config["use_parallel_residual"])
    if architecture in ("gpt2", "bloom"):
        return
    writer.add_rope_dimension_count(
        int(head * first(config, "partial_rotary_factor", "rotary_pct", default=1)))
    writer.add_rope_freq_base(first(config, "rope_theta", "rotary_emb_base"))
    for key, add in (("attn_logit_softcapping", writer.add_attn_logit_softcapping),
                     ("final_logit_softcapping", writer.add_final_logit_softcapping),
                     ("sliding_window", writer.add_sliding_window)):
        if config.get(key) is not None:
            add(config[key])
    if architecture == "gemma3":
        writer.add_float32("gemma3.rope.freq_base_swa", config["rope_local_base_freq"])
        writer.add_array("gemma3.attention.sliding_window_pattern",
                         [kind == "sliding_attention" for kind in config["layer_types"]])


def llama3_factors(config, scaling):
    head = config["head_dim"]
    frequencies = config["rope_theta"] ** (-numpy.arange(0, head, 2, dtype=numpy.float64) / head)
    wavelengths = 2 * math.pi / frequencies
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    smooth = (scaling["original_max_position_embeddings"] / wavelengths - scaling["low_freq_factor"]
              ) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])
    between = 1 / ((1 - smooth) / scaling["factor"] + smooth)
    return numpy.where(wavelengths < high, 1,
                       numpy.where(wavelengths > low, scaling["factor"], between))


def add_rope_scaling(writer, config):
    scaling = config.get("rope_scaling")
    if not scaling:
        return
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind == "llama3":
        writer.add_tensor("rope_freqs.weight",
                          llama3_factors(config, scaling).astype(numpy.float32))
    elif kind == "longrope":
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight",
                              numpy.array(scaling[f"{length}_factor"], dtype=numpy.float32))
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    else:
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(scaling["factor"])
        if "original_max_position_embeddings" in scaling:
            writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def gguf_name(name, ends, prefix, parts):
    stem, suffix = name.rsplit(".", 1)
    if stem in ends:
        return ends[stem], ends[stem] + "." + suffix
    layer, part = stem[len(prefix):].split(".", 1)
    return parts[part], f"blk.{layer}.{parts[part]}.{suffix}"


def write(name, out):
    architecture, ends, prefix, parts = MODELS[name]
    folder = HERE.parent / "models" / name
    config = json.loads((folder / "config_v4.json").read_text())
    writer = gguf.GGUFWriter(out / f"{name}.gguf", architecture)
    add_metadata(writer, architecture, config)
    add_rope_scaling(writer, config)
    for key, values in load_file(folder / "model.safetensors").items():
        if config["tie_word_embeddings"] and key == "lm_head.weight":
            continue
        stem, full = gguf_name(key, ends, prefix, parts)
        suffix = full.rsplit(".", 1)[1]
        values = changed(architecture, stem, suffix, values, config)
        writer.add_tensor(full, numpy.ascontiguousarray(values, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name in sys.argv[2:] or MODELS:
        write(name, out)


main()
