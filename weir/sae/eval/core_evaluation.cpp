#include "weir/sae/eval/core_evaluation.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/sae/eval/splice_losses.h"
#include "weir/sae/splice/splice.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int64_t kLatentsAtOnce = int64_t{1} << 26;  // 256 MB of latents

/// Activations [B, T, d], heads flat.
at::Tensor flat(const at::Tensor& x) { return x.reshape({x.size(0), x.size(1), -1}); }

void add_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& y, const at::Tensor& kept,
                 ReconstructionSums* sums, LatentCounts* counts) {
  const int64_t rows =
      std::max<int64_t>(1, kLatentsAtOnce / (x.size(1) * std::max<int64_t>(1, sae.config.d_sae)));
  std::vector<at::Tensor> reconstructions;
  for (int64_t i = 0; i < x.size(0); i += rows) {
    const at::Tensor part = x.slice(0, i, std::min(x.size(0), i + rows));
    const SaeInput input = read_sae_input(sae, part);
    const at::Tensor latents = encode(sae, input);
    counts->add(flat(latents), kept.slice(0, i, i + part.size(0)));
    reconstructions.push_back(flat(decode(sae, latents, input)));
  }
  sums->add(flat(y), at::cat(reconstructions), kept);
}

std::vector<double> sum_rows(const at::Tensor& values, const at::Tensor& kept) {
  return to_doubles(at::where(kept, values.to(at::kDouble), 0.0).sum(1));
}

/// Sums by prompt of one quantity over kept tokens.
void append(PromptRatio* ratio, const std::vector<double>& above,
            const std::vector<double>& below) {
  ratio->above.insert(ratio->above.end(), above.begin(), above.end());
  ratio->below.insert(ratio->below.end(), below.begin(), below.end());
}

void add_losses(const SpliceLosses& losses, size_t i, const at::Tensor& kept,
                std::map<std::string, PromptRatio>* by_prompt) {
  const at::Tensor predicting = kept.slice(1, 0, kept.size(1) - 1);  // the token that predicts
  const std::vector<double> n_ce = to_doubles(predicting.sum(1)), n_kl = to_doubles(kept.sum(1));
  const ArmLosses& spliced = losses.spliced[i];
  const auto ce = [&](const char* name, const at::Tensor& values) {
    append(&(*by_prompt)[name], sum_rows(values, predicting), n_ce);
  };
  const auto kl = [&](const char* name, const at::Tensor& values) {
    append(&(*by_prompt)[name], sum_rows(values, kept), n_kl);
  };
  ce("ce_clean", losses.clean.ce);
  ce("ce_sae", spliced.ce);
  ce("ce_zero", losses.zero.ce);
  ce("ce_mean", losses.mean.ce);
  ce("delta_ce", spliced.ce - losses.clean.ce);
  kl("kl_sae", spliced.kl);
  kl("kl_zero", losses.zero.kl);
  kl("kl_mean", losses.mean.kl);
}

PromptRatio recovered(const PromptRatio& ablated, const PromptRatio& sae,
                      const PromptRatio* clean) {
  PromptRatio ratio;
  for (size_t i = 0; i < ablated.above.size(); ++i) {
    ratio.above.push_back(ablated.above[i] - sae.above[i]);
    ratio.below.push_back(ablated.above[i] - (clean != nullptr ? clean->above[i] : 0));
  }
  return ratio;
}

void add_recovered(std::map<std::string, PromptRatio>* by_prompt) {
  auto& of = *by_prompt;
  of["ce_recovered"] = recovered(of["ce_zero"], of["ce_sae"], &of["ce_clean"]);
  of["ce_recovered_mean"] = recovered(of["ce_mean"], of["ce_sae"], &of["ce_clean"]);
  of["kl_recovered"] = recovered(of["kl_zero"], of["kl_sae"], nullptr);
  of["kl_recovered_mean"] = recovered(of["kl_mean"], of["kl_sae"], nullptr);
}

/// The activations that dictionaries of a place read and write.
std::pair<at::Tensor, at::Tensor> activations(const LanguageModel& lm, const SaeConfig& config,
                                              const at::Tensor& tokens) {
  RunOptions options;
  options.cache = CacheOptions{};
  options.cache->names = {config.hook, written_hook(config)};
  options.stop_when_cached = true;
  const RunResult run = lm.run({tokens, {}}, options);
  return {run.cache[config.hook], run.cache[written_hook(config)]};
}

}  // namespace

std::vector<CoreEvaluation> evaluate_core(const LanguageModel& lm,
                                          const std::vector<const Sae*>& saes,
                                          const at::Tensor& tokens, const CoreOptions& options) {
  require(!saes.empty(), "evaluation: expected at least one dictionary");
  require(tokens.dim() == 2 && tokens.size(0) > 0 && tokens.size(1) > options.filter.skip_positions,
          "evaluation: expected rows of more than {} tokens", options.filter.skip_positions);
  const at::NoGradGuard no_grad;
  const SaeConfig& config = saes[0]->config;
  const int64_t n = tokens.size(0);
  const int64_t n_losses = options.n_loss_rows > 0 ? std::min(n, options.n_loss_rows) : n;
  std::vector<CoreEvaluation> results(saes.size());
  std::vector<ReconstructionSums> sums(saes.size());
  for (size_t i = 0; i < saes.size(); ++i) {
    results[i].counts = LatentCounts(saes[i]->config.d_sae);
  }
  TokenFilter filter(options.filter);
  std::vector<at::Tensor> masks;
  std::vector<int64_t> token_shape;  // [d], or [heads, d_head]
  Progress progress("evaluating", static_cast<uint64_t>(n + n_losses), "rows");
  for (int64_t first = 0; first < n; first += options.batch) {
    const at::Tensor rows = tokens.slice(0, first, std::min(n, first + options.batch));
    const auto [x, y] = activations(lm, config, rows);
    masks.push_back(filter(rows, x));
    token_shape = y.sizes().slice(2).vec();
    for (size_t i = 0; i < saes.size(); ++i) {
      add_latents(*saes[i], x, y, masks.back(), &sums[i], &results[i].counts);
    }
    progress.advance(static_cast<uint64_t>(rows.size(0)));
  }
  const at::Tensor mask = at::cat(masks);
  const at::Tensor mean = sums[0].mean().to(at::kFloat).view(token_shape);
  for (int64_t first = 0; first < n_losses; first += options.batch) {
    const int64_t end = std::min(n_losses, first + options.batch);
    const at::Tensor kept = mask.slice(0, first, end);
    const SpliceLosses losses = splice_losses(lm, saes, tokens.slice(0, first, end), kept, mean);
    for (size_t i = 0; i < saes.size(); ++i) add_losses(losses, i, kept, &results[i].by_prompt);
    progress.advance(static_cast<uint64_t>(end - first));
  }
  for (size_t i = 0; i < saes.size(); ++i) {
    CoreEvaluation& result = results[i];
    add_recovered(&result.by_prompt);
    result.by_prompt.merge(sums[i].by_prompt());
    result.by_prompt["l0"] = result.counts.l0_by_prompt();
    result.reconstruction = sums[i].scores();
    result.left_out = filter.counts();
    result.n_loss_tokens = mask.slice(0, 0, n_losses).sum().item<int64_t>();
  }
  return results;
}

}  // namespace weir
