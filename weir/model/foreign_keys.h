#pragma once

#include "weir/model/config_reader.h"

namespace weir {

/// kUnsupported when config.json holds a key that is known to change what a model computes, the
/// family does not read it, and its value is not the one that leaves everything as it is
/// ("residual_multiplier": 0.22 in a Llama). Ignoring it would give wrong numbers without a sign.
/// A key that nobody here knows is ignored, as transformers ignores it.
void refuse_foreign_keys(const ConfigReader& read);

}  // namespace weir
