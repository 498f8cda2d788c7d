#pragma once

#include <filesystem>
#include <string>

#include "weir/data/activation_store.h"
#include "weir/sae/harvest/harvester.h"

namespace weir {

struct HarvestStore {
  int64_t n_contexts = 0;             ///< From the first on.
  at::ScalarType dtype = at::kFloat;  ///< kFloat or kBFloat16.
  int64_t contexts_per_shard = 256;   ///< See data::StoreLayout.
  /// What else the activations depend on, as a JSON object: the model and the corpus by name or
  /// hash. With the options it is how a resumed harvest knows that it is the same.
  std::string origin = "{}";
};

/// Runs the model over the first contexts of `rows` and keeps what it harvests in a store. A second
/// call after the first was killed, interrupted or failed goes on behind the last shard and makes
/// the same files; a finished store is returned as it is. Shows progress.
std::shared_ptr<const data::ActivationStore> harvest(const LanguageModel& lm,
                                                     const data::TokenRows& rows,
                                                     const HarvestOptions& options,
                                                     const HarvestStore& store,
                                                     const std::filesystem::path& folder);

/// "of 262144 tokens: 2048 first positions, 0 by token, 113 by norm; 259983 rows kept"
std::string drops_text(const data::DropCounts& dropped);

}  // namespace weir
