#include "weir/patch/knockout.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

/// One experiment a layer: `hook` at `site` of every layer of its window; `at_end`: it changes the
/// last position only.
at::Tensor windows(const Experiments& prompts, const std::string& site, int64_t width, bool at_end,
                   const HookFn& hook, const char* what) {
  require(width > 0, "{}: expected a window of at least one layer, got {}", what, width);
  const int64_t n_layers = prompts.lm().config().n_layers;
  std::vector<at::Tensor> logits;
  Progress progress(what, static_cast<uint64_t>(n_layers), "layers");
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    const LayerWindow window = window_about(layer, width, n_layers);
    prompts.run_hooked(
        window.first, at_end ? prompts.n_positions() - 1 : 0, 1,
        [&](int64_t, int64_t) {
          std::vector<NamedHook> hooks;
          for (int64_t l = window.first; l < window.last; ++l) {
            hooks.emplace_back(fmt::format("blocks.{}.{}", l, site), hook);
          }
          return hooks;
        },
        [&](int64_t, const at::Tensor& found) { logits.push_back(found[0]); });
    progress.advance(1);
  }
  return at::stack(logits);
}

}  // namespace

LayerWindow window_about(int64_t layer, int64_t width, int64_t n_layers) {
  return {std::max<int64_t>(0, layer - width / 2), std::min(n_layers, layer + (width + 1) / 2)};
}

at::Tensor attention_knockout(const Experiments& prompts, const at::Tensor& blocked,
                              int64_t width) {
  require(blocked.sizes() == prompts.batch().tokens.sizes(),
          "knockout: expected what is blocked as {}, got {}",
          c10::str(prompts.batch().tokens.sizes()), c10::str(blocked.sizes()));
  const at::Tensor mask = blocked.to(at::kBool).unsqueeze(1);  // [B, 1, T]
  const HookFn hook = [mask](const at::Tensor& scores, const HookContext&) {
    const at::Tensor changed = scores.clone();
    changed.select(2, -1).masked_fill_(mask, -std::numeric_limits<double>::infinity());
    return changed;
  };
  return windows(prompts, "attn.hook_attn_scores", width, true, hook, "attention knockout");
}

at::Tensor sublayer_knockout(const Experiments& prompts, const std::string& kind, bool at_end,
                             int64_t width) {
  require(kind == "attn_out" || kind == "mlp_out",
          "knockout: expected attn_out or mlp_out, got '{}'", kind);
  const HookFn hook = [at_end](const at::Tensor& x, const HookContext&) {
    if (!at_end) return at::zeros_like(x);
    const at::Tensor changed = x.clone();
    changed.select(1, -1).zero_();
    return changed;
  };
  return windows(prompts, "hook_" + kind, width, at_end, hook, "sublayer knockout");
}

at::Tensor extraction(const LanguageModel& lm, const TokenBatch& prompts, const std::string& kind,
                      const at::Tensor& answer) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"blocks.*.hook_" + kind};
  run.cache->positions = std::vector<int64_t>{-1};
  run.logits = LogitsAt::kNone;
  const ActivationCache cache = lm.run(prompts, run).cache;
  std::vector<at::Tensor> layers;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    const at::Tensor x = cache[fmt::format("blocks.{}.hook_{}", layer, kind)].select(1, 0);
    layers.push_back(lm.transformer().weights().W_U.apply(x).argmax(-1) == answer);
  }
  return at::stack(layers);
}

}  // namespace weir
