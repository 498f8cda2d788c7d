#pragma once

#include "weir/model/loader.h"

namespace weir {

/// TransformerLens's weight processing: the same log-probabilities from weights that are easier to
/// read. Steps that a family does not allow are left out, as TransformerLens leaves them out.
struct ProcessOptions {
  bool fold_norm = true;               ///< Gains and biases of norms into what reads them.
  bool center_writing_weights = true;  ///< LayerNorm models only.
  bool center_unembed = true;          ///< Not with a logit soft cap.
  bool fold_value_biases = true;
};

/// A new model (dense float32 weights; handles of what did not change); the given one is left
/// as it is. Formulas and order: docs/methods/weight-processing.md.
LoadedModel process_weights(const LoadedModel& model, const ProcessOptions& options = {});

}  // namespace weir
