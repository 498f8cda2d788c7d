#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/labelled_texts.h"
#include "weir/sae/eval/sparse_probing.h"

/// Evaluations of one dictionary on pooled texts with classes: x [N, d], latents [N, F], rows in
/// the order of the texts.
namespace weir {

/// One class against the rest: all its rows, as many of the others, the same number of each class.
/// Rows are drawn by the seed; labels 1 for the class.
struct OneAgainstRest {
  at::Tensor train, test;      ///< int64: rows
  at::Tensor y_train, y_test;  ///< int64, 0 and 1
};
OneAgainstRest one_against_rest(const LabelledTexts& texts, const std::string& label,
                                uint64_t seed);
/// The same of the two values of an attribute, or of two labels.
OneAgainstRest one_against_other(const std::vector<std::string>& values,
                                 const std::vector<bool>& is_test, const std::string& one,
                                 const std::string& other);

/// Accuracies of k-sparse probes by class; k = 0 stands for all coordinates.
struct SparseProbingResult {
  std::vector<int64_t> ks;
  /// [label][k]: SAEBench's probes (plain accuracy).
  std::map<std::string, std::map<int64_t, double>> llm, sae;
  /// [label][k]: sae-probes' (normalised selection, tuned L1), the variant whose verdicts a reseed
  /// changes least (Chanin 2605.18229); of the activations themselves all coordinates, L2 (k = 0).
  std::map<std::string, std::map<int64_t, ProbeScores>> tuned_llm, tuned_sae;
};
struct SparseProbingOptions {
  std::vector<int64_t> ks = {1, 2, 5};
  bool full_width = true;  ///< Also the probes of all coordinates (AdamW, 100 epochs).
  bool tuned = true;
  uint64_t seed = 0;
};
SparseProbingResult sparse_probing(const LabelledTexts& texts, const at::Tensor& x,
                                   const at::Tensor& latents, const SparseProbingOptions& options);
/// Mean over labels.
double mean_accuracy(const std::map<std::string, std::map<int64_t, double>>& by_label, int64_t k);

}  // namespace weir
