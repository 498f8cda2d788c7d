#include "apps/cli/subnet/options.h"

#include <algorithm>
#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

constexpr const char* kLogits = "logits.";
constexpr uint64_t kMaskSeed = 0;

/// FILE:KEY where no file of the whole name exists.
std::pair<std::string, std::string> file_and_key(const std::string& place) {
  const size_t colon = place.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(place)) return {place, ""};
  return {place.substr(0, colon), place.substr(colon + 1)};
}

std::map<std::string, at::Tensor> tensors_with(const io::TensorMap& file,
                                               const std::string& prefix) {
  std::map<std::string, at::Tensor> tensors;
  for (const io::TensorView& view : file.tensors) {
    if (view.name.rfind(prefix, 0) == 0) {
      tensors[view.name.substr(prefix.size())] = to_tensor(view);
    }
  }
  return tensors;
}

/// What the names of a model's tensors begin with in a file of masks.
std::string prefix_in(const std::string& file, const std::string& key, const LanguageModel& lm) {
  if (!key.empty()) return key.back() == '.' ? key : key + ".";
  const std::filesystem::path path(file);
  if (path.extension() == ".pickle" || path.extension() == ".pkl") return "";
  const io::TensorMap tensors = read_tensors(file);
  const std::string first = block_matrices(lm.source().weights).at(0).name;
  for (const Origin& origin : lm.source().origins) {
    if (origin.parameter == first && tensors.find(origin.tensor) == nullptr &&
        tensors.find("m." + origin.tensor) != nullptr) {
      return "m.";
    }
  }
  return "";
}

double share_in(const std::string& place, const std::string& word) {
  const std::string text = place.substr(word.size() + 1);
  size_t used = 0;
  double share = -1;
  try {
    share = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  require_usage(used == text.size() && share >= 0 && share <= 1,
                fmt::format("'{}': expected a share from 0 to 1 after '{}:'", place, word));
  return share;
}

/// The tokens that a table counts: those of the tokenizer, without padding rows of the model.
int64_t vocabulary_of(const LanguageModel& lm) {
  if (!lm.has_tokenizer()) return lm.config().d_vocab;
  return std::min<int64_t>(lm.config().d_vocab, lm.tokenizer().vocab_size());
}

}  // namespace

void add_corpus_options(Verb& verb, CorpusOptions& options) {
  verb.option("--corpus", &options.corpus, "F[:KEY]",
              "Text, a shard of tokens, lines of token ids, or tensors of them")
      .required();
  verb.option("--length", &options.length, "T", "Tokens of a row", {2});
}

Corpus open_corpus(const CorpusOptions& options, const LanguageModel& lm) {
  return Corpus::open(options.corpus, lm.has_tokenizer() ? &lm.tokenizer() : nullptr,
                      options.length);
}

void add_target_options(Verb& verb, TargetOptions& options) {
  verb.option("--target", &options.target, "WHAT",
              "unigram, bigram, trigram, model (itself), model:NAME, or a file of n-grams")
      .option("--counts", &options.counts, "F[:KEY]",
              "What n-grams are counted in; without it the corpus itself")
      .option("--add-k", &options.add_k, "K", "Added to every count", {0})
      .option("--min-count", &options.min_count, "N", "N-grams counted less often are left out",
              {1});
}

NamedTarget make_target(const std::string& name, const TargetOptions& options,
                        const ModelOptions& model, const LanguageModel& lm, const Corpus& corpus,
                        const std::string& corpus_name) {
  NamedTarget result;
  result.name = name;
  const int64_t vocabulary = vocabulary_of(lm);
  if (name == "model") {
    result.target = model_target(lm, vocabulary);
    return result;
  }
  if (name.rfind("model:", 0) == 0) {
    ModelOptions other = model;
    other.model = name.substr(6);
    result.teacher = std::make_unique<LanguageModel>(load(other));
    result.target = model_target(*result.teacher, vocabulary);
    return result;
  }
  const std::vector<std::string> orders = {"unigram", "bigram", "trigram"};
  const auto order = std::find(orders.begin(), orders.end(), name);
  const auto finished = [&](NgramModel table) {
    if (options.min_count > 1) table = table.pruned(options.min_count);
    if (options.add_k > 0) table = table.smoothed({options.add_k});
    result.target = ngram_target(std::move(table));
  };
  if (order == orders.end()) {
    if (!std::filesystem::exists(name)) {
      fail(ErrorCode::kNotFound,
           "--target '{}': expected unigram, bigram, trigram, model, model:NAME or a file", name);
    }
    NgramModel table = NgramModel::load(name);
    result.name = orders[static_cast<size_t>(std::min<int64_t>(3, table.order()) - 1)];
    result.counts = name;
    finished(std::move(table));
    return result;
  }
  NgramCountOptions count;
  count.order = order - orders.begin() + 1;
  count.vocabulary = vocabulary;
  result.counts = options.counts.empty() ? corpus_name : options.counts;
  if (options.counts.empty()) {
    finished(count_ngrams(corpus, count));
  } else {
    const Tokenizer* tokenizer = lm.has_tokenizer() ? &lm.tokenizer() : nullptr;
    finished(count_ngrams(Corpus::open(options.counts, tokenizer, corpus.length()), count));
  }
  return result;
}

Subnetwork read_mask(const std::string& place, const LanguageModel& lm) {
  const auto space = [&] {
    return MaskSpace(lm.transformer().weights(), lm.config(), MaskUnit::kWeight,
                     lm.transformer().dtype());
  };
  if (place == "full" || place == "empty") return full_subnetwork(space(), place == "full");
  if (place.rfind("random:", 0) == 0) {
    return random_subnetwork(space(), share_in(place, "random"), kMaskSeed);
  }
  if (place.rfind("largest:", 0) == 0) return largest_weights(space(), share_in(place, "largest"));
  const auto [file, key] = file_and_key(place);
  return load_subnetwork(file, lm.source(), prefix_in(file, key, lm));
}

std::vector<at::Tensor> read_mask_logits(const std::string& place, const LanguageModel& lm,
                                         const MaskSpace& space) {
  const auto [file, key] = file_and_key(place);
  const io::TensorMap tensors = read_tensors(file);
  std::vector<at::Tensor> logits;
  if (tensors.find(kLogits + space.parts().at(0).matrix.name) != nullptr) {
    for (const MaskPart& part : space.parts()) {
      logits.push_back(to_tensor(tensors.at(kLogits + part.matrix.name)));
    }
  } else {
    logits = from_hugging_face(lm.source(), tensors_with(tensors, prefix_in(file, key, lm)));
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    require(logits[i].sizes() == at::IntArrayRef(space.parts()[i].shape),
            "{}: '{}' is of another model", file, space.parts()[i].matrix.name);
    logits[i] = logits[i].to(space.base(i).options());
  }
  return logits;
}

MaskSpace space_of(const LanguageModel& lm, const Subnetwork& mask) {
  return {lm.transformer().weights(), lm.config(), mask.unit, lm.transformer().dtype()};
}

}  // namespace weir::cli
