#pragma once

#include <filesystem>

#include "weir/model/loader.h"

namespace weir {

/// A model from a llama2.c checkpoint (.bin, the legacy form or version 1, float32). It is a Llama
/// whose rotary embedding turns neighbouring pairs; rows of q and k are brought to Hugging Face's
/// order, everything else stays on the mapped file. Its tokenizer lies in another file (tok*.bin).
/// Errors: those of io/llama2c.h.
LoadedModel load_llama2c_model(const std::filesystem::path& path);

}  // namespace weir
