#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "weir/sae/dashboard/dashboard.h"

namespace weir {

/// What Neuronpedia calls things.
struct NeuronpediaOptions {
  std::string model_id;  ///< "smollm2-135m"
  int64_t layer = 0;
  std::string source_set;  ///< "res-4k"; the source is "LAYER-SET".
  std::string hook, dataset, creator = "weir";
  std::string created_at;  ///< ISO time, of every row.
  int64_t batch = 128;     ///< Latents of a file.
  bool vectors = false;    ///< With decoder rows (export only): steering needs them, files grow.
};

/// Both forms that Neuronpedia takes:
///   FOLDER/batch-0.json, ...   as SAEDashboard's runner writes, with run_settings.json and
///                              skipped_indexes.json (latents that never fired)
///   FOLDER/export/MODEL/SOURCE/{release,model,sourceset,source}.jsonl,
///       features/batch-0.jsonl.gz, activations/batch-0.jsonl.gz   the layout of its public bucket
/// Not filled: correlated neurons (they need the model's neurons beside the latents), dfa, loss
/// values; their lists are empty. Activations have three decimals, NaN is null.
void write_neuronpedia(const LanguageModel& lm, const Sae& sae, const LatentEvents& events,
                       const std::vector<LatentView>& views, const NeuronpediaOptions& options,
                       const std::filesystem::path& folder);

}  // namespace weir
