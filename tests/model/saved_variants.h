#pragma once

#include "weir/model/loader.h"

/// Models that are no longer what their file holds: what `save_hf` must write as they now are.
namespace weir {

/// Every parameter that the family's files can hold set to other values: matrices and vectors, all
/// heads, both parts of fused tensors. The tie of the tables stays, or is cut first.
LoadedModel edited(const LoadedModel& model, bool cuts_tie);

/// A model of its own memory after one step of gradient descent on `tokens`, all parameters.
LoadedModel trained(const LoadedModel& model, const at::Tensor& tokens);

/// Processed as TransformerLens does it, as far as the family's files can express it: norms are
/// folded where they are RMS norms or the unembedding has a bias, b_V where the output has one.
LoadedModel folded(const LoadedModel& model);

/// OPT-350m's two tables are products of others.
bool has_projected_tables(const LoadedModel& model);

}  // namespace weir
