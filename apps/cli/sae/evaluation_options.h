#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "weir/sae/eval/suite.h"
#include "weir/sae/formats/sae_file.h"

/// What `sae eval` and `sae compare` share: the model, the text, the labelled texts, and what is
/// measured.
namespace weir::cli {

struct EvaluationOptions {
  ModelOptions model;
  std::string text, texts, text_field = "text", label_field = "label", attribute_field;
  std::vector<std::string> evaluations, ks = {"1", "2", "5"};
  int64_t rows = 256, loss_rows = 64, length = 128, batch = 16, most_texts = 0, words = 2000;
  int64_t skip_positions = 1;
  double max_norm = 10;
  uint64_t seed = 0;
};
/// --model, --device, --threads, --text, --rows, ...; `usual`: evaluations without --evals.
void add_evaluation_options(Verb& verb, EvaluationOptions& options,
                            const std::vector<std::string>& usual);

/// All that an evaluation needs, read and checked before it starts.
struct EvaluationInput {
  LanguageModel lm;
  at::Tensor tokens;    ///< int64 [N, T]; undefined where no evaluation reads it.
  LabelledTexts texts;  ///< Empty where no evaluation reads them.
  SuiteOptions suite;
  std::string corpus;
};
/// `saes`: their model (unless --model says another one) and whether rows begin with BOS.
/// UsageError for missing options.
EvaluationInput open_evaluation(EvaluationOptions& options, const std::vector<SaeFile>& saes,
                                bool hash);

/// Where a dictionary lies, as SAEBench names it: the folder's parent and its own name.
EvalSubject subject_of(const SaeFile& file, const std::string& model);

}  // namespace weir::cli
