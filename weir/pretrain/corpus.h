#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "weir/data/batches.h"
#include "weir/text/tokenizer.h"
#include "weir/train/recipe.h"

namespace weir {

/// What a model is trained on, and what is held out.
struct TrainingCorpus {
  std::optional<Tokenizer> tokenizer;  ///< Unset: shards of ids alone.
  int64_t vocab_size = 0;
  std::unique_ptr<const data::TokenRows> training;
  std::vector<data::TokenRows> held_out;  ///< One for each source; empty: nothing is held out.
};

/// Opens the corpus of a recipe:
///
///   data.text       files or folders (weir/data/input_files.h), tokenised once into FOLDER
///   data.separator, data.blank_lines, data.field     how they are cut (weir/data/text_documents.h)
///   data.shards     or shards (weir data tokenize), with data.weights
///   data.length, data.packing ("stream", "documents"), data.seed, data.validation_fraction
///   tokenizer.vocab_size, tokenizer.min_frequency    a BPE of its own, trained on data.text; or
///   tokenizer.path  a folder with a tokenizer
///
/// `of_model`: that of a model that is trained further; then there is no other. FOLDER keeps the
/// tokenizer and the shard, and a second call takes them from there.
TrainingCorpus open_corpus(Recipe& recipe, const std::filesystem::path& folder,
                           std::optional<Tokenizer> of_model);

}  // namespace weir
