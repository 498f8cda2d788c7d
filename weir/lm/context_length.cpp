#include "weir/lm/context_length.h"

#include <algorithm>

#include "weir/base/log.h"

namespace weir {

int64_t rotary_context(const ModelConfig& config) {
  if (config.position != PositionKind::kRotary) return 0;
  // Other kinds of scaling state the extended length as n_ctx; dynamic states the original one.
  const double factor =
      config.rotary.scaling == "dynamic" ? std::max(config.rotary.factor, 1.0) : 1.0;
  return static_cast<int64_t>(static_cast<double>(config.n_ctx) * factor);
}

void warn_past_context(const ModelConfig& config, int64_t length) {
  const int64_t context = rotary_context(config);
  if (context == 0 || length <= context) return;
  log::warn(
      "{} tokens are more than the context of {} that the model was trained for; expect worse "
      "output past it",
      length, context);
}

}  // namespace weir
