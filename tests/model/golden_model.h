#pragma once

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/hooks/activation_cache.h"
#include "weir/model/loader.h"
#include "weir/model/transformer.h"

namespace weir {

/// The tiny random checkpoints of tests/golden/models, with the values that their reference
/// implementation gives (tests/golden/README.md): fixtures of tests that need a certain model.
std::filesystem::path golden_folder(const std::string& name);
const std::vector<std::string>& golden_names();

/// A folder of the golden topic `models`, wherever $WEIR_GOLDEN says; its cases are
/// golden_folders("models", "expected.safetensors").
std::filesystem::path golden_case(const std::string& name);

/// A cache of these names alone.
CacheOptions only(std::vector<std::string> globs);

/// Mean of -log p(token t+1).
at::Tensor next_token_loss(const at::Tensor& logits, const at::Tensor& tokens);

/// A copy of a model folder's weights with another config.json.
std::filesystem::path copy_with_config(const std::filesystem::path& folder,
                                       const std::filesystem::path& target,
                                       const std::string& config_json);

}  // namespace weir
