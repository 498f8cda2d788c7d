#pragma once

#include <filesystem>
#include <functional>

#include <c10/core/ScalarType.h>

#include "weir/model/loader.h"

namespace weir {

struct SaveOptions {
  at::ScalarType dtype = at::kFloat;  ///< Or bfloat16, float16.
  /// Write into a folder that holds files: those of a model are replaced or removed, others stay.
  bool overwrite = false;
  /// Writes what belongs beside the weights (Tokenizer::save) before the folder appears.
  std::function<void(const std::filesystem::path& folder)> also = {};
};

/// Writes `model` as a folder that Hugging Face transformers loads: config.json and
/// model.safetensors (above 5 GB: shards and their index). The values are those that the weights
/// now have: as loaded, set, edited in place, trained or processed, from whatever file they came.
/// Block types are dequantised, fused projections put together again, gains that were folded
/// written as 1; a W_U that no longer is W_E gets its own tensor, and config.json says so. One
/// tensor is in memory at a time. The folder appears complete or not at all.
///
/// kInvalidArgument for other dtypes and for a folder that is not empty. kUnsupported, naming the
/// parameter, for one that the family's files have no place for (the biases that folding a
/// LayerNorm leaves, OPT-350m's projected tables once changed), and for rotary frequencies that a
/// config.json cannot express. kInterrupted when the user asked to stop.
void save_hf(const LoadedModel& model, const std::filesystem::path& folder,
             const SaveOptions& options = {});

}  // namespace weir
