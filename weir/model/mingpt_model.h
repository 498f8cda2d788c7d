#pragma once

#include <filesystem>

#include "weir/model/loader.h"

namespace weir {

/// A checkpoint of minGPT or nanoGPT in one file. Both name their tensors as GPT-2 does but store
/// linear layers [out, in]; they become the family "nanogpt".
///  - nanoGPT: what its train.py saves (.pt): {"model": ..., "model_args": {"n_layer": ...}}, with
///  or
///    without torch.compile's "_orig_mod." in the names. Exact GELU, tied embedding.
///  - minGPT: .safetensors whose metadata has "config", a JSON object with n_layer, n_head, n_embd,
///    vocab_size and block_size. GELU's tanh form, an unembedding of its own.
/// kCorruptData when the sizes are missing or do not fit the tensors.
LoadedModel load_mingpt_model(const std::filesystem::path& path);

}  // namespace weir
