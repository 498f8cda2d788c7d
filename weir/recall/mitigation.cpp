#include "weir/recall/mitigation.h"

#include <algorithm>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/patch/readings.h"
#include "weir/recall/final_reader.h"

namespace weir {
namespace {

constexpr int64_t kRowsAtOnce = 256;  // logits of so many positions: 50 MB for 49,152 tokens

// y less alpha of its part along the unit vector u.
at::Tensor cut(const at::Tensor& y, const at::Tensor& u, double alpha) {
  return y - alpha * at::matmul(y, u).unsqueeze(-1) * u;
}

// A function of what the block adds, which is known where the block ends.
std::vector<NamedHook> on_what_is_added(const std::string& block,
                                        const std::function<at::Tensor(const at::Tensor&)>& f) {
  const auto before = std::make_shared<at::Tensor>();
  return {{block + "hook_resid_pre",
           [before](const at::Tensor& x, const HookContext&) {
             *before = x;
             return x;
           }},
          {block + "hook_resid_post", [before, f](const at::Tensor& x, const HookContext&) {
             return *before + f(x - *before);
           }}};
}

}  // namespace

std::string mitigation_name(Mitigation mitigation) {
  static const char* const kNames[] = {"a", "b", "c", "d", "d_mlp", "d_resid", "e"};
  return kNames[static_cast<int>(mitigation)];
}

std::vector<Mitigation> all_mitigations() {
  return {Mitigation::kNegativeHeads, Mitigation::kMlp,          Mitigation::kIntercept,
          Mitigation::kFrequency,     Mitigation::kMlpFrequency, Mitigation::kResidFrequency,
          Mitigation::kSkipBlock};
}

std::vector<NamedHook> mitigation_hooks(const LanguageModel& lm, Mitigation mitigation,
                                        double alpha, const MitigationInputs& inputs) {
  const std::string block = "blocks." + std::to_string(lm.config().n_layers - 1) + ".";
  const at::ScalarType dtype = lm.transformer().dtype();
  const at::Tensor u =
      inputs.u_freq.defined() ? (inputs.u_freq / inputs.u_freq.norm()).to(dtype) : at::Tensor();
  switch (mitigation) {
    case Mitigation::kNegativeHeads: {
      at::Tensor factor = at::ones({lm.config().n_heads, 1}, dtype);
      for (const int64_t head : inputs.negative_heads) factor[head] = 1 - alpha;
      return {{block + "attn.hook_result",
               [factor](const at::Tensor& x, const HookContext&) { return x * factor; }}};
    }
    case Mitigation::kMlp:
      return {{block + "hook_mlp_out",
               [alpha](const at::Tensor& x, const HookContext&) { return x * (1 - alpha); }}};
    case Mitigation::kIntercept: {
      const at::Tensor b = alpha * inputs.b.to(dtype);
      return {
          {block + "hook_mlp_out", [b](const at::Tensor& x, const HookContext&) { return x - b; }}};
    }
    case Mitigation::kFrequency:
      return on_what_is_added(block, [u, alpha](const at::Tensor& o) { return cut(o, u, alpha); });
    case Mitigation::kMlpFrequency:
      return {{block + "hook_mlp_out",
               [u, alpha](const at::Tensor& x, const HookContext&) { return cut(x, u, alpha); }}};
    case Mitigation::kResidFrequency:
      return {{block + "hook_resid_post",
               [u, alpha](const at::Tensor& x, const HookContext&) { return cut(x, u, alpha); }}};
    case Mitigation::kSkipBlock:
      return on_what_is_added(block, [alpha](const at::Tensor& o) { return (1 - alpha) * o; });
  }
  fail(ErrorCode::kInternal, "recall: unknown mitigation");
}

NeutralText::NeutralText(const LanguageModel& lm, const TokenBatch& text) : lm_(lm), text_(text) {
  const at::NoGradGuard no_grad;
  const int64_t layer = lm.config().n_layers - 1;
  RunOptions options;
  options.logits = LogitsAt::kNone;
  const std::string pre = "blocks." + std::to_string(layer) + ".hook_resid_pre";
  options.cache = CacheOptions{{pre}, {}, {}, {}, false};
  const RunResult run = lm.run(text, options);
  start_ = {layer, run.cache[pre]};
  clean_loss_ = loss({});
  const at::Tensor rows = run.residual.flatten(0, 1);
  const at::Tensor real = text.attention_mask.defined() ? text.attention_mask.flatten()
                                                        : at::ones({rows.size(0)}, at::kBool);
  const at::Tensor kept = rows.index_select(0, real.nonzero().squeeze(1));
  unigram_ = at::zeros({lm.config().d_vocab}, at::kDouble);
  for (int64_t first = 0; first < kept.size(0); first += kRowsAtOnce) {
    const at::Tensor logits =
        lm.transformer().unembed(kept.slice(0, first, std::min(first + kRowsAtOnce, kept.size(0))));
    unigram_ += logits.softmax(-1).sum(0).to(at::kDouble);
  }
  unigram_ = at::clamp_min(unigram_ / static_cast<double>(kept.size(0)), 1e-30);
}

double NeutralText::loss(const std::vector<NamedHook>& hooks) const {
  RunOptions options;
  options.hooks = hooks;
  options.start = start_;
  const at::Tensor log_probs = lm_.token_log_probs(text_, options);
  const at::Tensor counted =
      text_.attention_mask.defined()
          ? (text_.attention_mask.slice(1, 1) & text_.attention_mask.slice(1, 0, -1)).sum()
          : at::full({}, log_probs.numel(), at::kLong);
  return -log_probs.to(at::kDouble).sum().item<double>() / counted.item<double>();
}

MitigationEffect mitigation_effect(const LastPosition& last, const at::Tensor& answers,
                                   const NeutralText& neutral, Mitigation mitigation, double alpha,
                                   const MitigationInputs& inputs) {
  const at::NoGradGuard no_grad;
  const auto hooks = mitigation_hooks(last.lm(), mitigation, alpha, inputs);
  const at::Tensor clean = last.clean().logits;
  const at::Tensor logits = last.run(hooks, last.lm().config().n_layers - 1);
  const at::Tensor own = answers.unsqueeze(1);
  const at::Tensor rank = (logits > logits.gather(1, own)).sum(1).to(at::kDouble);
  MitigationEffect effect;
  effect.mitigation = mitigation;
  effect.alpha = alpha;
  effect.delta_pi = centred_logit(logits, answers) - centred_logit(clean, answers);
  effect.delta_prob =
      (logits.softmax(-1).gather(1, own) - clean.softmax(-1).gather(1, own)).squeeze(1);
  effect.rank = rank.mean().item<double>();
  effect.top1 = rank.eq(0).to(at::kDouble).mean().item<double>();
  effect.loss_increase = neutral.loss(hooks) / neutral.clean_loss() - 1;
  return effect;
}

}  // namespace weir
