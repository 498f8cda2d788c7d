#pragma once

#include <cstdint>

#include "weir/model/config.h"

namespace weir {

/// The longest sequence that a model with rotary positions was made for: n_ctx, or what "dynamic"
/// scaling extends it to. 0: no such limit (learned positions, which are refused beyond their
/// table; ALiBi; none).
int64_t rotary_context(const ModelConfig& config);

/// One warning in the log when a sequence of `length` tokens outgrows rotary_context.
void warn_past_context(const ModelConfig& config, int64_t length);

}  // namespace weir
