#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/recall/last_position.h"
#include "weir/recall/mlp_parts.h"

namespace weir {

using HeadSet = std::vector<HeadId>;
using LayerSet = std::vector<int64_t>;

/// What an experiment did to the right answer: one row a set of components, one column a prompt.
struct AnswerChange {
  at::Tensor pi;    ///< [sets, n] changed pi(answer) - clean pi(answer)
  at::Tensor prob;  ///< [sets, n] probability of the answer after the change
};

/// Interventions at the last position of some of the prompts, many sets of components in one batch.
/// Means are those of the prompts `reference`: of other subjects than the ones that are scored.
class AnswerExperiments {
 public:
  /// `rows`, `reference`: int64 indices of prompts; `answers` int64 [N].
  AnswerExperiments(const LastPosition& last, const at::Tensor& answers, const at::Tensor& rows,
                    const at::Tensor& reference);

  /// Outputs of each set's heads become their means over the reference prompts.
  AnswerChange ablate_heads(const std::vector<HeadSet>& sets) const;
  /// Each set's heads may not attend to the subject: tokens `first` to `last` (int64 [N]).
  AnswerChange block_attention(const std::vector<HeadSet>& sets, const at::Tensor& first,
                               const at::Tensor& last) const;
  /// `mlps` alone read the stream as if each set's heads had written their means over the reference
  /// prompts: the paths from the heads straight into these MLPs.
  AnswerChange hide_from_mlps(const std::vector<HeadSet>& sets, const LayerSet& mlps) const;
  /// Outputs of each set's MLPs become their means over the reference prompts.
  AnswerChange ablate_mlps(const std::vector<LayerSet>& sets) const;
  /// `vectors` [L, D], times `factor`, is added to the outputs of each set's MLPs.
  AnswerChange add_to_mlps(const std::vector<LayerSet>& sets, const at::Tensor& vectors,
                           double factor) const;
  /// Each set's whole blocks add nothing.
  AnswerChange skip_blocks(const std::vector<LayerSet>& sets) const;
  /// The outputs of one MLP become `values` [sets, n, D].
  AnswerChange replace_mlp(int64_t layer, const at::Tensor& values) const;

  const at::Tensor& clean_pi() const { return clean_pi_; }      ///< [n]
  const at::Tensor& clean_prob() const { return clean_prob_; }  ///< [n]

 private:
  /// Hooks of a layer for the rows that `in_set` (bool [R] or [R, H]) names.
  using HooksOf = std::function<std::vector<NamedHook>(int64_t layer, const at::Tensor& in_set)>;
  /// In every layer in which `mask` (bool [R, L, ...]) has an entry.
  AnswerChange run_in(const at::Tensor& mask, const HooksOf& hooks_of) const;
  AnswerChange run(int64_t n_sets, int64_t from_layer, const std::vector<NamedHook>& hooks) const;
  at::Tensor head_mask(const std::vector<HeadSet>& sets) const;
  at::Tensor layer_mask(const std::vector<LayerSet>& sets) const;
  at::Tensor rows_of(int64_t n_sets) const { return rows_.repeat({n_sets}); }
  /// Over the reference prompts, of [N, ...].
  at::Tensor mean_of(const at::Tensor& x) const { return x.index_select(0, reference_).mean(0); }

  const LastPosition& last_;
  at::Tensor answers_, rows_, reference_;
  at::Tensor clean_pi_, clean_prob_;
};

}  // namespace weir
