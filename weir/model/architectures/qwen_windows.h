#pragma once

#include "weir/model/config_reader.h"

namespace weir::architectures {

/// Qwen's sliding windows: none unless use_sliding_window; then the layers from max_window_layers
/// on (or those that layer_types names).
std::vector<int64_t> qwen_windows(const ConfigReader& read, int64_t n_layers);

}  // namespace weir::architectures
