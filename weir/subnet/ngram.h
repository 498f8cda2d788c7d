#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/tensor/vocab_loss.h"

/// Bigram, trigram and longer back-off tables counted from a corpus (2504.15471; docs/methods/
/// subnetworks.md). Letters: V vocabulary, n order, C contexts, E entries.
namespace weir {

/// The n-grams of one order by context, sparse. A context is n - 1 tokens, oldest first, as one
/// number in base V + 1; the token V stands before the start of a sequence.
struct NgramLevel {
  int64_t order = 1;
  at::Tensor context;  ///< int64 [C], ascending
  at::Tensor start;    ///< int64 [C + 1]: entries of context c are [start[c], start[c + 1])
  at::Tensor id;       ///< int32 [E], ascending within a context
  at::Tensor count;    ///< int32 [E]; float64 shares where a file has no counts
  at::Tensor total;    ///< float64 [C]: sums of `count`

  int64_t n_contexts() const { return context.size(0); }
  int64_t n_entries() const { return id.size(0); }
  /// The row of a context, or -1.
  int64_t find(int64_t key) const;
};

/// Distributions of rows to be learnt: of N positions, as sparse as they are. q_i(v) is the listed
/// weight, plus shared_weight[i] * shared(v), plus uniform[i] / V.
struct TargetRows {
  SparseRows listed;         ///< float64 weights
  at::Tensor shared;         ///< float64 [V], sums to 1: what unknown contexts back off to
  at::Tensor shared_weight;  ///< float64 [N]
  at::Tensor uniform;        ///< float64 [N]
};

struct Smoothing {
  /// p = (c + k) / (total + k V) in the longest order, whatever the context: nothing backs off.
  double add_k = 0;
};

/// p(token | the n - 1 tokens before it). Without smoothing: count / total of the context; a
/// context never seen backs off to the context shortened by its oldest token, in the end to the
/// unigrams and, without those, to 1 / V (the rule of the paper's code).
class NgramModel {
 public:
  /// `levels`: orders 1 .. n.
  NgramModel(int64_t vocabulary, std::vector<NgramLevel> levels, const Smoothing& smoothing = {});

  int64_t vocabulary() const { return vocabulary_; }
  int64_t order() const { return static_cast<int64_t>(levels_.size()); }
  const NgramLevel& level(int64_t order) const {
    return levels_.at(static_cast<size_t>(order - 1));
  }
  const Smoothing& smoothing() const { return smoothing_; }
  NgramModel smoothed(const Smoothing& smoothing) const {
    return {vocabulary_, levels_, smoothing};
  }
  /// The same counts up to that order alone.
  NgramModel shortened(int64_t order) const;
  /// Without the entries that were counted less often, in every order.
  NgramModel pruned(int64_t least) const;

  /// float64 [B, T]: the probability of each token of `tokens` int64 [B, T] after those before it
  /// in its row. kInvalidArgument for ids outside the vocabulary.
  at::Tensor probabilities(const at::Tensor& tokens) const;
  /// The distributions of the token after each position: rows 0 .. B T - 1.
  TargetRows next_token(const at::Tensor& tokens) const;
  /// float64 [N, V]: the same as a table, for few rows.
  static at::Tensor dense(const TargetRows& rows, int64_t vocabulary);

  /// safetensors: unigram.count [V], bigram.{row_ptr [V + 2], ids, count, row_total} with row V for
  /// starts, NAME.{context, row_ptr, ids, count} of longer ones; `notes` go into the metadata.
  void save(const std::filesystem::path& file,
            const std::map<std::string, std::string>& notes = {}) const;
  /// Such a file. Where counts are missing, `prob` is read: then nothing can be smoothed or pruned.
  static NgramModel load(const std::filesystem::path& file);

 private:
  struct Row {
    const NgramLevel* level = nullptr;  ///< Null: uniform.
    int64_t index = -1;
  };
  /// `context`: the order - 1 tokens before.
  Row row_of(const int64_t* context) const;
  double probability(const Row& row, int64_t token) const;

  int64_t vocabulary_;
  std::vector<NgramLevel> levels_;
  Smoothing smoothing_;
  at::Tensor unigram_;  ///< float64 [V]; undefined when nothing was counted
};

}  // namespace weir
