#include "weir/tensor/vocab_stats.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/tensor/kernels/kernels.h"
#include "weir/tensor/vocab_ranks.h"
#include "weir/tensor/vocab_references.h"
#include "weir/tensor/vocab_tiles.h"

namespace weir {
namespace {

using vocab::each_row;
using vocab::kFewRows;
using vocab::kRowsAtOnce;
using vocab::RankedTargets;
using vocab::References;
using vocab::RunningSums;
using vocab::Tiles;

constexpr int64_t kRowsOfAPass = 1 << 14;  // Rows for which a converted tile of W_U is used.
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// One pass over the vocabulary for up to kRowsOfAPass rows.
class Pass {
 public:
  Pass(const at::Tensor& all_x, int64_t first_row, int64_t n_rows, const Matrix& W_U,
       const at::Tensor& b_U, const VocabStatsOptions& options)
      : options_(options),
        x_(all_x.slice(0, first_row, first_row + n_rows)),
        tiles_(W_U, b_U, options.softcap, at::kFloat),
        n_vocabulary_(W_U.n_out()),
        sums_(n_rows) {
    const auto mine = [&](const at::Tensor& all) {
      return all.slice(0, first_row, first_row + n_rows).contiguous();
    };
    if (options.targets.defined()) {
      targets_.emplace(x_, W_U, b_U, mine(options.targets), options.softcap);
    }
    if (options.reference.defined()) {
      references_.emplace(all_x, mine(options.reference));
      differences_.resize(n_rows);
    }
    if (options.top_k > 0) {
      top_values_ = at::full({n_rows, options.top_k}, kMinusInfinity, at::kFloat);
      top_ids_ = at::zeros({n_rows, options.top_k}, at::kLong);
    }
  }

  /// Advances `progress` by the logits that were made.
  VocabStats run(Progress& progress) {
    const int64_t block = std::min(x_.size(0), kRowsAtOnce);
    const int64_t rows = std::max<int64_t>({block, references_ ? references_->size() : 0, 1});
    const int64_t width = vocab::tile_width(rows);
    logits_ = at::empty({block * width}, at::kFloat);
    for (int64_t first = 0; first < n_vocabulary_; first += width) {
      tiles_.set(first, std::min(width, n_vocabulary_ - first), x_.size(0) > kFewRows);
      if (references_) references_->add(tiles_);
      for (int64_t row = 0; row < x_.size(0); row += block) {
        add(row, std::min(block, x_.size(0) - row));
      }
      progress.advance(static_cast<uint64_t>(x_.size(0) * tiles_.width()));
    }
    return result();
  }

 private:
  void add(int64_t first_row, int64_t count) {
    const int64_t width = tiles_.width();
    const at::Tensor z = logits_.slice(0, 0, count * width).view({count, width});
    tiles_.multiply(x_.slice(0, first_row, first_row + count), z);
    each_row(count, [&](int64_t i) { add_row(first_row + i, z.data_ptr<float>() + i * width); });
  }

  void add_row(int64_t i, float* z) {
    const int64_t width = tiles_.width();
    const float max = tiles_.finish(z);
    sums_[i].add<float>(z, width, max, nullptr);
    if (references_) differences_[i] = references_->difference(i, differences_[i], z);
    if (targets_) targets_->rank[i] += kernels::best().count_greater(z, width, targets_->above[i]);
    if (options_.top_k > 0) {
      const int64_t k = options_.top_k;
      kernels::best().offer_top(
          z, width, tiles_.first(),
          {top_values_.data_ptr<float>() + i * k, top_ids_.data_ptr<int64_t>() + i * k, k});
    }
  }

  /// A float32 tensor [N] of function(i).
  template <typename Function>
  at::Tensor per_row(const Function& function) const {
    const at::Tensor values = at::empty({x_.size(0)}, at::kFloat);
    for (int64_t i = 0; i < x_.size(0); ++i) {
      values.data_ptr<float>()[i] = static_cast<float>(function(i));
    }
    return values;
  }

  VocabStats result() const {
    VocabStats stats;
    stats.logsumexp = per_row([&](int64_t i) { return sums_[i].logsumexp(); });
    if (options_.entropy) stats.entropy = per_row([&](int64_t i) { return sums_[i].entropy(); });
    if (targets_) {
      stats.log_prob =
          per_row([&](int64_t i) { return targets_->logit[i] - sums_[i].logsumexp(); });
      stats.rank = at::tensor(targets_->rank, at::kLong);
    }
    if (options_.top_k > 0) {
      stats.top_ids = top_ids_;
      stats.top_log_probs = top_values_ - stats.logsumexp.unsqueeze(1);
    }
    if (references_) {
      stats.kl = per_row([&](int64_t i) {
        const RunningSums& reference = references_->sums_for(i);
        const double apart = sums_[i].logsumexp() - reference.logsumexp();
        return std::max(0.0, differences_[i] / reference.sum + apart);
      });
    }
    return stats;
  }

  const VocabStatsOptions& options_;
  at::Tensor x_;
  Tiles tiles_;
  int64_t n_vocabulary_;
  std::vector<RunningSums> sums_;
  std::optional<RankedTargets> targets_;
  std::optional<References> references_;
  std::vector<double> differences_;
  at::Tensor top_values_, top_ids_;  ///< [N, k]
  at::Tensor logits_;                ///< Room for one block of rows of one tile.
};

VocabStats joined(const std::vector<VocabStats>& parts) {
  if (parts.size() == 1) return parts.front();
  VocabStats all;
  for (const auto field :
       {&VocabStats::logsumexp, &VocabStats::entropy, &VocabStats::log_prob, &VocabStats::rank,
        &VocabStats::top_ids, &VocabStats::top_log_probs, &VocabStats::kl}) {
    if (!(parts.front().*field).defined()) continue;
    std::vector<at::Tensor> pieces;
    for (const VocabStats& part : parts) pieces.push_back(part.*field);
    all.*field = at::cat(pieces);
  }
  return all;
}

void check(const at::Tensor& x, const Matrix& W_U, const VocabStatsOptions& options) {
  require(x.dim() == 2 && x.size(1) == W_U.n_in(),
          "vocabulary statistics: expected rows [N, {}], got {}", W_U.n_in(), c10::str(x.sizes()));
  const auto check_index = [&](const at::Tensor& index, const char* what, int64_t limit) {
    if (!index.defined()) return;
    require(index.dim() == 1 && index.size(0) == x.size(0) && index.scalar_type() == at::kLong,
            "vocabulary statistics: expected {} int64 [{}], got {} {}", what, x.size(0),
            at::toString(index.scalar_type()), c10::str(index.sizes()));
    if (index.numel() == 0) return;
    const int64_t low = index.min().item<int64_t>(), high = index.max().item<int64_t>();
    require(low >= 0 && high < limit, "vocabulary statistics: expected {} from 0 to {}, got {}",
            what, limit - 1, low < 0 ? low : high);
  };
  check_index(options.targets, "targets", W_U.n_out());
  check_index(options.reference, "reference rows", x.size(0));
  require(options.top_k >= 0 && options.top_k <= W_U.n_out(),
          "vocabulary statistics: expected top_k from 0 to {}, got {}", W_U.n_out(), options.top_k);
}

}  // namespace

VocabStats vocab_stats(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                       const VocabStatsOptions& options) {
  check(x, W_U, options);
  const at::NoGradGuard no_grad;
  const at::Tensor bias = b_U.defined() ? b_U.to(at::kCPU, at::kFloat).contiguous() : b_U;
  const at::Tensor rows = x.detach().to(at::kFloat).contiguous();
  VocabStatsOptions on_cpu = options;
  if (on_cpu.targets.defined()) on_cpu.targets = on_cpu.targets.cpu();
  if (on_cpu.reference.defined()) on_cpu.reference = on_cpu.reference.cpu();
  std::vector<VocabStats> parts;
  Progress progress("vocabulary statistics", static_cast<uint64_t>(rows.size(0) * W_U.n_out()),
                    "logits");
  for (int64_t first = 0; first < rows.size(0) || parts.empty(); first += kRowsOfAPass) {
    const int64_t count = std::min(kRowsOfAPass, rows.size(0) - first);
    parts.push_back(Pass(rows, first, count, W_U, bias, on_cpu).run(progress));
  }
  return joined(parts);
}

}  // namespace weir
