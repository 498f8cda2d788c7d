#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/cli/command.h"
#include "weir/subnet/corpus.h"
#include "weir/subnet/subnetwork.h"
#include "weir/subnet/token_target.h"

/// What the verbs of `weir subnet` share: a corpus, a target, masks.
namespace weir::cli {

struct CorpusOptions {
  std::string corpus;
  int64_t length = 128;
};
/// --corpus (required) and --length.
void add_corpus_options(Verb& verb, CorpusOptions& options);
Corpus open_corpus(const CorpusOptions& options, const LanguageModel& lm);

struct TargetOptions {
  std::string target = "bigram", counts;
  double add_k = 0;
  int64_t min_count = 1;
};
/// --target, --counts, --add-k, --min-count.
void add_target_options(Verb& verb, TargetOptions& options);

/// A target and what it is made of.
struct NamedTarget {
  std::string name;    ///< "bigram", "trigram", "model", ...
  std::string counts;  ///< Where its counts come from; "" of models.
  std::unique_ptr<LanguageModel> teacher;
  std::unique_ptr<TokenTarget> target;
};
/// `name`: unigram, bigram, trigram, model (the model itself), model:NAME, or a file of n-grams.
/// Counts are taken of --counts or, without it, of `corpus`, whose name is `corpus_name`.
NamedTarget make_target(const std::string& name, const TargetOptions& options,
                        const ModelOptions& model, const LanguageModel& lm, const Corpus& corpus,
                        const std::string& corpus_name);

/// FILE[:PREFIX]: a mask in a form that load_subnetwork knows; `random:SHARE`, `largest:SHARE` and
/// `full`, `empty` are made for the model.
Subnetwork read_mask(const std::string& place, const LanguageModel& lm);
/// Mask logits under Hugging Face's names, all beginning with PREFIX (FILE:PREFIX; without it as
/// they are, or with "m."), or of a saved training: parts of weights.
std::vector<at::Tensor> read_mask_logits(const std::string& place, const LanguageModel& lm,
                                         const MaskSpace& space);
/// The space of masks like `mask`, in the model's own type of computation.
MaskSpace space_of(const LanguageModel& lm, const Subnetwork& mask);

void add_subnet_count(Verb& subnet);
void add_subnet_loss(Verb& subnet);
void add_subnet_eval(Verb& subnet);
void add_subnet_find(Verb& subnet);
void add_subnet_compare(Verb& subnet);
void add_subnet_time(Verb& subnet);

}  // namespace weir::cli
