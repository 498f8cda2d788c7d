#include "weir/pretrain/corpus.h"

#include "weir/base/error.h"
#include "weir/data/tokenize.h"
#include "weir/data/train_tokenizer.h"
#include "weir/io/atomic_folder.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

data::TextOptions text_options(Recipe& recipe) {
  data::TextOptions text;
  text.blank_lines = recipe.flag("data.blank_lines", false);
  text.separator = recipe.text("data.separator", text.blank_lines ? "" : "<|endoftext|>");
  text.field = recipe.text("data.field", text.field);
  return text;
}

Tokenizer trained_tokenizer(Recipe& recipe, const std::vector<fs::path>& inputs,
                            const data::TextOptions& text, const fs::path& folder) {
  BpeTrainOptions options;
  options.vocab_size = recipe.integer("tokenizer.vocab_size", options.vocab_size, 258);
  options.min_frequency = recipe.integer("tokenizer.min_frequency", options.min_frequency, 1);
  if (!Tokenizer::is_in_folder(folder)) {
    io::AtomicFolder made(folder);
    data::train_tokenizer(inputs, options, text).save(made.path());
    made.commit();
  }
  // Read in either case: a resumed training has the very same one.
  return Tokenizer::from_folder(folder);
}

data::Packing packing_of(Recipe& recipe) {
  const std::string name = recipe.text("data.packing", "stream");
  require(name == "stream" || name == "documents",
          "{}: data.packing: expected stream or documents, found '{}'", recipe.name(), name);
  return name == "stream" ? data::Packing::kStream : data::Packing::kDocuments;
}

using Shards = std::vector<std::shared_ptr<const data::TokenShard>>;

Shards shards_of_text(const std::vector<fs::path>& inputs, const data::TextOptions& text,
                      const Tokenizer& tokenizer, const fs::path& folder) {
  data::TokenizeOptions options;
  options.text = text;
  options.add_special = false;
  options.end = data::end_of_text(tokenizer);
  return {data::tokenize_once(inputs, tokenizer, folder / "text.shard", options)};
}

data::TokenRows rows_of(const Shards& shards, const std::vector<double>& weights, data::Split split,
                        const data::RowOptions& options) {
  std::vector<data::Source> sources;
  for (size_t i = 0; i < shards.size(); ++i) {
    sources.push_back({std::make_shared<data::TokenStream>(shards[i], split), weights[i]});
  }
  return data::TokenRows(std::move(sources), options);
}

}  // namespace

TrainingCorpus open_corpus(Recipe& recipe, const fs::path& folder,
                           std::optional<Tokenizer> of_model) {
  TrainingCorpus corpus;
  corpus.tokenizer = std::move(of_model);
  const std::vector<fs::path> inputs = recipe.paths("data.text");
  Shards shards;
  for (const fs::path& file : recipe.paths("data.shards")) {
    shards.push_back(data::TokenShard::open(file));
  }
  require(inputs.empty() != shards.empty(),
          "{}: expected either data.text (files to tokenise) or data.shards, found {}",
          recipe.name(), inputs.empty() ? "neither" : "both");
  const data::TextOptions text = text_options(recipe);
  if (!corpus.tokenizer) {
    const std::vector<fs::path> given = recipe.paths("tokenizer.path");
    for (const char* key : {"tokenizer.vocab_size", "tokenizer.min_frequency"}) recipe.leave(key);
    if (!given.empty()) {
      corpus.tokenizer = Tokenizer::from_folder(given[0]);
    } else if (!inputs.empty()) {
      corpus.tokenizer = trained_tokenizer(recipe, inputs, text, folder / "tokenizer");
    }
  }
  if (shards.empty()) shards = shards_of_text(inputs, text, *corpus.tokenizer, folder);
  for (const auto& shard : shards) {
    corpus.vocab_size = std::max(corpus.vocab_size, shard->info().vocab_size);
  }
  const std::vector<double> weights =
      recipe.numbers("data.weights", std::vector<double>(shards.size(), 1));
  require(weights.size() == shards.size(), "{}: data.weights: expected one for each of {} shards",
          recipe.name(), shards.size());
  data::RowOptions options;
  options.length = recipe.integer("data.length", 256, 2);
  options.packing = packing_of(recipe);
  options.seed = static_cast<uint64_t>(recipe.integer("data.seed", 0));
  data::Split split{data::Part::kTrain, recipe.number("data.validation_fraction", 0.01, 0, 0.9),
                    options.seed};
  if (split.validation_fraction == 0) split.part = data::Part::kAll;
  options.shuffle = true;
  corpus.training = std::make_unique<data::TokenRows>(rows_of(shards, weights, split, options));
  if (split.validation_fraction > 0) {
    split.part = data::Part::kValidation;
    options.shuffle = false;
    for (size_t i = 0; i < shards.size(); ++i) {
      corpus.held_out.push_back(rows_of({shards[i]}, {1}, split, options));
    }
  }
  return corpus;
}

}  // namespace weir
