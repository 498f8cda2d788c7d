#pragma once

#include <filesystem>

#include <c10/core/ScalarType.h>

#include "weir/model/loader.h"

namespace weir {

/// Writes `model` as a folder that Hugging Face transformers loads: config.json and
/// model.safetensors (above 5 GB: shards and their index). The values are those of the checkpoint,
/// whatever file it came from, in `dtype` (float32, bfloat16 or float16); block types are
/// dequantised. One tensor is in memory at a time; each file appears complete or not at all,
/// config.json last. Tokenizer files are the caller's (Tokenizer::save).
///
/// kInvalidArgument for other dtypes and for models whose weights were processed after loading;
/// kUnsupported for rotary frequencies that a config.json cannot express.
void save_hf(const LoadedModel& model, const std::filesystem::path& folder, at::ScalarType dtype);

}  // namespace weir
