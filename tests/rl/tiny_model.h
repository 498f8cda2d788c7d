#pragma once

#include <filesystem>

#include "tests/support/golden.h"
#include "weir/lm/language_model.h"
#include "weir/model/own.h"

namespace weir::rl {

/// The smallest model with a tokenizer that the golden files have.
inline std::filesystem::path tiny_model() {
  return std::filesystem::path(WEIR_GOLDEN_DIR) / "llama2c" / "stories260K.bin";
}

}  // namespace weir::rl
