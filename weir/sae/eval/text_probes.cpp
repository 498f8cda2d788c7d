#include "weir/sae/eval/text_probes.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/sae/eval/concept_removal.h"
#include "weir/sae/eval/gradient_probe.h"

namespace weir {
namespace {

at::Tensor rows_and(const std::vector<int64_t>& ones, const std::vector<int64_t>& zeros) {
  std::vector<int64_t> all = ones;
  all.insert(all.end(), zeros.begin(), zeros.end());
  return at::tensor(all, at::kLong);
}

at::Tensor labels_of(size_t ones, size_t zeros) {
  return at::cat({at::ones({static_cast<int64_t>(ones)}, at::kLong),
                  at::zeros({static_cast<int64_t>(zeros)}, at::kLong)});
}

/// Drawn order: the tuned probes validate on the last rows.
void shuffle(at::Tensor* rows, at::Tensor* y, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(rows->numel()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  Draw(seed).shuffle(order);
  const at::Tensor index = at::tensor(order, at::kLong);
  *rows = rows->index_select(0, index);
  *y = y->index_select(0, index);
}

/// The positives of a label in a part, and negatives from every other label.
std::pair<std::vector<int64_t>, std::vector<int64_t>> balanced(const LabelledTexts& texts,
                                                               const std::string& label,
                                                               bool is_test, uint64_t seed) {
  std::map<std::string, std::vector<int64_t>> rows;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts.is_test[i] == is_test) rows[texts.label[i]].push_back(static_cast<int64_t>(i));
  }
  const std::vector<int64_t> positives = rows.at(label);
  const auto n = static_cast<int64_t>(positives.size());
  const auto n_each =
      static_cast<size_t>(negatives_per_class(n, static_cast<int64_t>(rows.size())));
  Draw draw(seed);
  std::vector<int64_t> negatives;
  for (auto& [other, of_other] : rows) {
    if (other == label) continue;
    const auto some = draw.pick(of_other, std::min(n_each, of_other.size()));
    negatives.insert(negatives.end(), some.begin(), some.end());
  }
  draw.shuffle(negatives);
  negatives.resize(std::min(negatives.size(), positives.size()));
  return {positives, negatives};
}

ProbeSet set_of(const OneAgainstRest& rows, const at::Tensor& x) {
  return {x.index_select(0, rows.train), rows.y_train, x.index_select(0, rows.test), rows.y_test};
}

double full_accuracy(const ProbeSet& set, uint64_t seed) {
  GradientProbeOptions options;
  options.seed = seed;
  return train_probe(set.x, set.y, set.x_test, set.y_test, options).test_accuracy;
}

}  // namespace

OneAgainstRest one_against_rest(const LabelledTexts& texts, const std::string& label,
                                uint64_t seed) {
  const auto [train, train_rest] = balanced(texts, label, false, seed);
  const auto [test, test_rest] = balanced(texts, label, true, seed);
  OneAgainstRest rows{rows_and(train, train_rest), rows_and(test, test_rest),
                      labels_of(train.size(), train_rest.size()),
                      labels_of(test.size(), test_rest.size())};
  shuffle(&rows.train, &rows.y_train, seed);
  return rows;
}

OneAgainstRest one_against_other(const std::vector<std::string>& values,
                                 const std::vector<bool>& is_test, const std::string& one,
                                 const std::string& other) {
  std::vector<int64_t> rows[2][2];  // [part][0: other, 1: one]
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != one && values[i] != other) continue;
    rows[is_test[i] ? 1 : 0][values[i] == one ? 1 : 0].push_back(static_cast<int64_t>(i));
  }
  return {rows_and(rows[0][1], rows[0][0]), rows_and(rows[1][1], rows[1][0]),
          labels_of(rows[0][1].size(), rows[0][0].size()),
          labels_of(rows[1][1].size(), rows[1][0].size())};
}

SparseProbingResult sparse_probing(const LabelledTexts& texts, const at::Tensor& x,
                                   const at::Tensor& latents, const SparseProbingOptions& options) {
  require(x.size(0) == static_cast<int64_t>(texts.size()) && latents.size(0) == x.size(0),
          "sparse probing: expected a row for each of {} texts", texts.size());
  SparseProbingResult result;
  result.ks = options.ks;
  const std::vector<std::string> labels = texts.labels();
  Progress progress("probing", labels.size(), "labels");
  for (const std::string& label : labels) {
    const OneAgainstRest rows = one_against_rest(texts, label, options.seed);
    const ProbeSet llm = set_of(rows, x), sae = set_of(rows, latents);
    if (options.full_width) {
      result.llm[label][0] = full_accuracy(llm, options.seed);
      result.sae[label][0] = full_accuracy(sae, options.seed);
    }
    for (const int64_t k : options.ks) {
      result.llm[label][k] = sparse_probe(llm, std::min(k, x.size(1))).test.accuracy;
      result.sae[label][k] = sparse_probe(sae, std::min(k, latents.size(1))).test.accuracy;
      if (!options.tuned) continue;
      result.tuned_sae[label][k] =
          tuned_sparse_probe(sae, std::min(k, latents.size(1)), /*l1=*/true).test;
    }
    if (options.tuned) {
      result.tuned_llm[label][0] = tuned_sparse_probe(llm, x.size(1), /*l1=*/false).test;
    }
    progress.advance();
  }
  return result;
}

double mean_accuracy(const std::map<std::string, std::map<int64_t, double>>& by_label, int64_t k) {
  double sum = 0;
  for (const auto& [label, accuracies] : by_label) sum += accuracies.at(k);
  return sum / static_cast<double>(by_label.size());
}

}  // namespace weir
