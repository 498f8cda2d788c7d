#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "weir/data/batches.h"
#include "weir/sae/harvest/harvester.h"

/// What the verbs share that run a model over a corpus and take its activations.
namespace weir::cli {

struct HarvestCorpusOptions {
  std::vector<std::string> corpus;
  std::string separator = "<|endoftext|>", packing = "stream", bos = "auto";
  int64_t tokens = 0, length = 256;
  uint64_t seed = 0;
  bool in_order = false;
  HarvestOptions harvest;  ///< All but the names and BOS.
  std::vector<std::string> skip_tokens;
};
/// --corpus (required), --separator, --tokens, --length, --packing, --seed, --in-order, --bos,
/// --skip-positions, --skip-token, --max-norm.
void add_harvest_corpus_options(Verb& verb, HarvestCorpusOptions& options, bool is_required = true);

/// A corpus that is open, as a harvest takes it.
struct HarvestCorpus {
  data::TokenRows rows;
  HarvestOptions harvest;
  int64_t n_contexts;
  std::string sha256;  ///< Of the shard.
};
/// Text is tokenised once, into FOLDER/corpus.shard; a shard (`weir data tokenize`) is used as it
/// is. kInvalidArgument for a shard of another tokenizer.
HarvestCorpus open_harvest_corpus(const HarvestCorpusOptions& options, const LanguageModel& lm,
                                  const std::vector<std::string>& names,
                                  const std::filesystem::path& folder);

}  // namespace weir::cli
