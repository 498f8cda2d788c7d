#include "weir/subnet/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/lm/unembedding.h"
#include "weir/subnet/target_loss.h"

namespace weir {
namespace {

/// The token that each position predicts; -1 at the end of a row.
at::Tensor next_tokens(const at::Tensor& tokens) {
  const at::Tensor none = at::full({tokens.size(0), 1}, -1, tokens.options());
  return at::cat({tokens.slice(1, 1), none}, 1).flatten();
}

}  // namespace

Evaluation evaluate(const Transformer& transformer, const Weights& weights,
                    const at::Tensor& tokens, const TokenTarget& target,
                    const EvaluationOptions& options) {
  return evaluate_stream(
      transformer,
      [&](const at::Tensor& batch) {
        ForwardInput input;
        input.tokens = batch;
        input.logits = LogitsAt::kNone;
        return transformer.forward(weights, input).residual;
      },
      tokens, target, options);
}

Evaluation evaluate_stream(const Transformer& transformer, const StreamOf& stream,
                           const at::Tensor& tokens, const TokenTarget& target,
                           const EvaluationOptions& options) {
  const at::NoGradGuard no_grad;
  require(tokens.dim() == 2 && tokens.size(0) > 0 && tokens.size(1) > 1,
          "evaluation: expected rows of at least two tokens, got {}", c10::str(tokens.sizes()));
  const Weights& own = transformer.weights();
  const int64_t n = tokens.size(0), length = tokens.size(1);
  Evaluation result;
  std::vector<at::Tensor> surprisals, targets;
  Progress progress("evaluation", static_cast<uint64_t>(n), "rows");
  for (int64_t first = 0; first < n; first += options.batch) {
    const at::Tensor rows = tokens.slice(0, first, first + options.batch).contiguous();
    const at::Tensor x = final_normed(transformer.config(), own, stream(rows)).flatten(0, 1);
    const std::unique_ptr<TargetBatch> batch = target.of(rows);
    TargetLossOptions wanted;
    wanted.tokens = next_tokens(rows);
    wanted.all_tokens = !options.cut_vocabulary;
    const TargetLoss of = target_loss(transformer.config(), own, x, target, *batch, wanted);
    result.cross_entropy += of.cross_entropy.sum().item<double>();
    result.kl += (of.cross_entropy - of.entropy).sum().item<double>();
    const auto bits = [&](const at::Tensor& log) {
      return 0 - log.view(rows.sizes()).slice(1, 0, length - 1) / std::log(2.0);  // 0, not -0
    };
    surprisals.push_back(bits(of.log_p));
    targets.push_back(bits(of.log_q));
    progress.advance(static_cast<uint64_t>(rows.size(0)));
  }
  result.cross_entropy /= static_cast<double>(n * length);
  result.kl /= static_cast<double>(n * length);
  result.surprisal = at::cat(surprisals);
  result.target_surprisal = at::cat(targets);
  result.loss = result.surprisal.mean().item<double>() * std::log(2.0);
  result.dropped = surprisal_correlation(result.surprisal, result.target_surprisal);
  result.replaced =
      surprisal_correlation(result.surprisal, result.target_surprisal, InfiniteTargets::kReplace);
  return result;
}

std::vector<MatrixCount> active_by_matrix(const Subnetwork& subnetwork) {
  std::vector<MatrixCount> counts;
  for (size_t i = 0; i < subnetwork.names.size(); ++i) {
    const BlockMatrix matrix = block_matrix_of(subnetwork.names[i]);
    counts.push_back({fmt::format("{}.{}", matrix.layer, to_string(matrix.kind)), matrix.layer,
                      matrix.kind, subnetwork.keep[i].numel(),
                      subnetwork.keep[i].sum().item<int64_t>()});
  }
  return counts;
}

namespace {

double all_active(const std::vector<MatrixCount>& counts) {
  int64_t sum = 0;
  for (const MatrixCount& count : counts) sum += count.active;
  return std::max<double>(1, static_cast<double>(sum));
}

}  // namespace

std::map<std::string, double> share_by_kind(const std::vector<MatrixCount>& counts) {
  std::map<std::string, double> shares;
  for (const MatrixCount& count : counts) {
    shares[to_string(count.kind)] += static_cast<double>(count.active) / all_active(counts);
  }
  return shares;
}

std::vector<double> share_by_layer(const std::vector<MatrixCount>& counts) {
  std::vector<double> shares;
  for (const MatrixCount& count : counts) {
    if (static_cast<int64_t>(shares.size()) <= count.layer) shares.resize(count.layer + 1, 0);
    shares[static_cast<size_t>(count.layer)] +=
        static_cast<double>(count.active) / all_active(counts);
  }
  return shares;
}

}  // namespace weir
