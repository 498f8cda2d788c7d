#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "weir/sae/eval/core_evaluation.h"
#include "weir/sae/eval/description_length.h"
#include "weir/sae/eval/eval_result.h"
#include "weir/sae/eval/first_letter.h"
#include "weir/sae/eval/labelled_texts.h"
#include "weir/sae/eval/pooled_texts.h"
#include "weir/sae/eval/text_probes.h"
#include "weir/sae/eval/text_removal.h"

/// Several evaluations of several dictionaries of one place, by SAEBench's names.
namespace weir {

/// "core", "sparse_probing", "sparse_probing_sae_probes", "absorption", "tpp", "scr", "mdl".
const std::vector<std::string>& evaluation_names();

struct SuiteOptions {
  std::vector<std::string> evaluations = {"core", "sparse_probing_sae_probes"};
  CoreOptions core;
  PoolOptions pool;
  SparseProbingOptions probing;
  RemovalOptions removal;
  FirstLetterOptions absorption;
  std::vector<int64_t> n_bins = {4, 8, 16, 32};
  double mdl_error = 0.01;  ///< scaled_rms within which a quantisation counts.
  int64_t mdl_rows = 16;    ///< Rows of tokens that it is measured on.
  uint64_t seed = 0;        ///< Of intervals, probes, negatives, words.
  bool has(const std::string& name) const;
};

struct SuiteResult {
  std::optional<CoreEvaluation> core;
  std::optional<SparseProbingResult> probing;
  std::map<int64_t, TppScore> tpp;
  std::map<int64_t, ScrResult> scr;
  std::optional<FirstLetterResult> absorption;
  std::vector<DescriptionLength> mdl;
};

/// `tokens` int64 [N, T]: for core and mdl. `texts`: for probes and removal. The model runs once
/// for all dictionaries wherever it can.
std::vector<SuiteResult> run_suite(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                                   const at::Tensor& tokens, const LabelledTexts& texts,
                                   SuiteOptions options);

/// One document of SAEBench's schema for each evaluation that was run. `corpus`: what the tokens
/// are called.
std::vector<nlohmann::ordered_json> suite_documents(const SuiteResult& result, const Sae& sae,
                                                    const EvalSubject& subject,
                                                    const LabelledTexts& texts,
                                                    const std::string& corpus,
                                                    const SuiteOptions& options);

/// What is quoted of a dictionary, by key in a fixed order; without what was not run.
std::vector<std::pair<std::string, double>> headline(const SuiteResult& result);

}  // namespace weir
