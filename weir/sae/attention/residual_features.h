#pragma once

#include <cstdint>

#include "weir/sae/attention/frozen_run.h"
#include "weir/sae/attention/recursive.h"

namespace weir {

/// What a feature gets from one source position, by the features of a dictionary on the stream
/// there: exact, with ln1 at its scale and the pattern's weight (the released code ranks without
/// either).
struct ResidualAttribution {
  at::Tensor features;  ///< int64 [K]: of the stream's dictionary, those that fire at the source
  at::Tensor values;    ///< [K]
  double error = 0, b_dec = 0;  ///< Of that dictionary
  double ln_bias = 0, b_V = 0;
  double total = 0;  ///< Their sum: direct attribution by source at this position.
};
/// `stream_sae` reads hook_resid_pre of the target's layer.
ResidualAttribution attribute_source(const FrozenRun& run, const FeatureAt& target, int64_t source,
                                     const Sae& stream_sae);

}  // namespace weir
