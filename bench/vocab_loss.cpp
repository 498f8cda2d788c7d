#include "weir/tensor/vocab_loss.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "bench/measure.h"

namespace weir::bench {
namespace {

constexpr int64_t kRows = 512, kWidth = 576, kVocabulary = 49152;

struct Work {
  at::Tensor x, table, targets;  ///< table [V, D]: W_U as a tied model holds it.
};

std::vector<at::Tensor> gradients(const Work& work, const at::Tensor& log_prob,
                                  const at::Tensor& entropy) {
  return torch::autograd::grad({(log_prob + entropy).sum()}, {work.x, work.table});
}

std::vector<at::Tensor> by_tiles(const Work& work) {
  VocabScoreOptions options;
  options.targets = work.targets;
  const VocabScores scores = vocab_scores(work.x, Matrix(work.table.t()), {}, options);
  return gradients(work, scores.log_prob, scores.entropy);
}

std::vector<at::Tensor> by_table(const Work& work) {
  const at::Tensor log_p = at::matmul(work.x, work.table.t()).log_softmax(1);
  const at::Tensor log_prob = log_p.gather(1, work.targets.unsqueeze(1)).squeeze(1);
  return gradients(work, log_prob, -(log_p.exp() * log_p).sum(1));
}

// What the scores cannot do without: forward, the same again in backward, and the products that
// give the two gradients.
double gemm_seconds(const Work& work, int64_t runs) {
  const at::NoGradGuard no_grad;
  at::Tensor z = at::empty({kRows, kVocabulary});
  at::Tensor x_gradient = at::empty_like(work.x), table_gradient = at::empty_like(work.table);
  return median(measure(runs, [&] {
    at::mm_out(z, work.x, work.table.t());
    at::mm_out(z, work.x, work.table.t());
    at::mm_out(x_gradient, z, work.table);
    at::mm_out(table_gradient, z.t(), work.x);
  }));
}

}  // namespace

Result bench_vocab_loss(const Options& options) {
  // Filled in place: a temporary's freed memory would hide what the scores take.
  Work work{at::randn({kRows, kWidth}), at::empty({kVocabulary, kWidth}).normal_(0, 0.1),
            at::randint(kVocabulary, {kRows}, at::kLong)};
  work.x.requires_grad_();
  work.table.requires_grad_();
  const auto mib = [] { return static_cast<double>(peak_rss()) / (1 << 20); };
  const double before = mib();
  Result result;
  result.name = "vocab-loss";
  result.work = "log-probability and entropy of [512 x 49152] from width 576, forward and backward";
  // One call each: what later calls find of freed memory is the allocator's affair. The table's
  // gradient is the result of either form and counts for neither; the first form's is still held
  // while the second is made.
  const std::vector<at::Tensor> found = by_tiles(work);
  result.peak_rss = peak_rss();
  const double tiles = mib(), result_mb = static_cast<double>(work.table.nbytes()) / (1 << 20);
  const std::vector<at::Tensor> dense = by_table(work);
  const double table = mib() - result_mb;
  result.seconds = measure(options.runs, [&] { by_tiles(work); });
  const double gemm = gemm_seconds(work, options.runs);
  result.amount = kRows;
  result.unit = "rows/s";
  result.flops = 8.0 * kRows * kWidth * kVocabulary;
  result.extra = {{"seconds_gemms", gemm},
                  {"ratio_to_gemms", result.median() / gemm},
                  {"memory_mb", tiles - before - result_mb},
                  {"memory_dense_mb", table - before - result_mb}};
  const double gap = std::max((found[0] - dense[0]).abs().max().item<double>(),
                              (found[1] - dense[1]).abs().max().item<double>());
  result.check = checked("gradients of the dense form", gap, 1e-4);
  return result;
}

}  // namespace weir::bench
