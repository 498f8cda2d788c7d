#include "weir/sae/eval/splice_losses.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/lm/unembedding.h"
#include "weir/sae/splice/splice.h"

namespace weir {
namespace {

void check_same_places(const std::vector<const Sae*>& saes) {
  require(!saes.empty(), "evaluation: expected at least one dictionary");
  for (const Sae* sae : saes) {
    require(sae->config.hook == saes[0]->config.hook &&
                written_hook(sae->config) == written_hook(saes[0]->config),
            "evaluation: expected dictionaries of one place, got {} and {}", saes[0]->config.hook,
            sae->config.hook);
  }
}

/// Runs from the layer of the hook on, out of a clean run.
class Arms {
 public:
  Arms(const LanguageModel& lm, const std::string& hook, const at::Tensor& tokens)
      : lm_(lm), batch_{tokens, {}}, layer_(layer_of_hook(hook)) {
    RunOptions options;
    options.logits = LogitsAt::kNone;
    if (layer_) {
      options.cache = CacheOptions{};
      options.cache->names = {"blocks." + std::to_string(*layer_) + ".hook_resid_pre"};
    }
    RunResult clean = lm.run(batch_, options);
    if (layer_) start_ = clean.cache[options.cache->names[0]];
    add(clean.residual);
  }
  void run(RunOptions options) {
    options.logits = LogitsAt::kNone;
    if (layer_) options.start = Start{*layer_, start_};
    add(lm_.run(batch_, options).residual);
  }
  /// In the order they were run, the clean one first.
  std::vector<ArmLosses> losses() const {
    const int64_t n_rows = batch_.tokens.size(0), n = batch_.tokens.size(1), all = n_rows * n;
    const auto n_arms = static_cast<int64_t>(normed_.size());
    const at::Tensor next = at::cat({batch_.tokens.slice(1, 1), batch_.tokens.slice(1, 0, 1)}, 1);
    VocabStatsOptions options;
    options.entropy = false;
    options.targets = next.reshape({-1}).repeat({n_arms});
    options.reference = at::arange(all, at::kLong).repeat({n_arms});
    const VocabStats stats =
        unembedding_stats(lm_.config(), lm_.transformer().weights(), at::cat(normed_), options);
    std::vector<ArmLosses> losses;
    for (int64_t i = 0; i < n_arms; ++i) {
      const auto of_arm = [&](const at::Tensor& values) {
        return values.slice(0, i * all, (i + 1) * all).view({n_rows, n});
      };
      losses.push_back({-of_arm(stats.log_prob).slice(1, 0, n - 1), of_arm(stats.kl)});
    }
    return losses;
  }

 private:
  void add(const at::Tensor& residual) {
    const at::Tensor x = final_normed(lm_.config(), lm_.transformer().weights(), residual);
    normed_.push_back(x.reshape({-1, x.size(-1)}));
  }

  const LanguageModel& lm_;
  TokenBatch batch_;
  std::optional<int64_t> layer_;
  at::Tensor start_;
  std::vector<at::Tensor> normed_;  ///< [B T, D] each
};

RunOptions put_instead(const std::string& where, at::Tensor value) {
  Intervention whole;
  whole.where = where;
  whole.value = std::move(value);
  RunOptions options;
  options.interventions = {whole};
  return options;
}

}  // namespace

SpliceLosses splice_losses(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                           const at::Tensor& tokens, const at::Tensor& mask,
                           const at::Tensor& mean) {
  check_same_places(saes);
  const at::NoGradGuard no_grad;
  const std::string& written = written_hook(saes[0]->config);
  Arms arms(lm, saes[0]->config.hook, tokens);
  arms.run(put_instead(written, at::zeros({})));
  if (mean.defined()) arms.run(put_instead(written, mean));
  for (const Sae* sae : saes) {
    SpliceOptions splicing;
    splicing.mask = mask;
    RunOptions options;
    options.hooks = splice(*sae, splicing);
    arms.run(std::move(options));
  }
  std::vector<ArmLosses> losses = arms.losses();
  SpliceLosses result;
  size_t i = 0;
  result.clean = losses[i++];
  result.zero = losses[i++];
  if (mean.defined()) result.mean = losses[i++];
  for (; i < losses.size(); ++i) result.spliced.push_back(losses[i]);
  return result;
}

}  // namespace weir
