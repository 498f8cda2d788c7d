#pragma once

#include <cstdint>

#include "weir/subnet/evaluation.h"
#include "weir/subnet/geometry.h"

/// Controls for what embeddings do by themselves (2504.15471, table 2).
namespace weir {

/// For evaluate_stream: the stream entering block 0 through `map` (of a subnetwork's layer 0 to its
/// output, say), in place of all blocks. `lm` must outlive it.
StreamOf mapped_embeddings(const LanguageModel& lm, LinearMap map);

/// The model with blocks (attention, MLP, norms) as its family initialises them; embeddings,
/// unembedding and the final norm stay, unless `tables_too`. A mask trained on it shows how much a
/// subnetwork owes to the search and not to the model.
LoadedModel with_random_blocks(const LoadedModel& model, uint64_t seed, bool tables_too = false);

}  // namespace weir
