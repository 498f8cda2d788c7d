#include <algorithm>
#include <array>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bench/gpt2_shape.h"
#include "bench/measure.h"
#include "weir/hooks/activation_cache.h"

namespace weir::bench {

Result bench_forward(const Options& options) {
  const at::NoGradGuard no_grad;
  const Transformer transformer = random_gpt2_small();
  ForwardInput input;
  input.tokens = random_gpt2_tokens();
  Result result = gpt2_result("forward", "nothing kept");
  at::Tensor logits;
  result.seconds = measure(options.runs, [&] { logits = transformer.forward(input).logits; });
  result.peak_rss = peak_rss();
  ForwardInput alone;
  alone.tokens = input.tokens.slice(0, 2, 3).slice(1, 0, 40);
  const at::Tensor part = transformer.forward(alone).logits[0];
  result.check = checked("logits of a prefix alone and in the batch",
                         (logits[2].slice(0, 0, 40) - part).abs().max().item<double>(), 1e-3);
  return result;
}

Result bench_forward_cache(const Options& options) {
  const at::NoGradGuard no_grad;
  const Transformer transformer = random_gpt2_small();
  // TransformerLens keeps per-head results and split inputs only when told to.
  CacheOptions kept;
  kept.names.clear();
  for (const std::string& name : transformer.hook_names()) {
    const bool on_demand = name.find("hook_result") != std::string::npos ||
                           name.find("_input") != std::string::npos ||
                           name.find("hook_attn_in") != std::string::npos ||
                           name.find("hook_mlp_in") != std::string::npos;
    if (!on_demand) kept.names.push_back(name);
  }
  Hooks hooks(transformer.hook_names());
  ActivationCache cache(kept);
  cache.attach(hooks);
  ForwardInput input;
  input.tokens = random_gpt2_tokens();
  ForwardInput observed = input;
  observed.hooks = &hooks;
  Result result =
      gpt2_result("forward-cache", std::to_string(kept.names.size()) + " activations kept");
  at::Tensor logits;
  result.seconds = measure(options.runs, [&] {
    cache.clear();
    logits = transformer.forward(observed).logits;
  });
  result.peak_rss = peak_rss();
  const at::Tensor plain = transformer.forward(input).logits;
  result.check = checked("logits with and without the cache",
                         (logits - plain).abs().max().item<double>(), 1e-3);
  return result;
}

// Nothing hooked shall cost nothing: without Hooks, with Hooks that nothing is attached to, and
// with one hook that changes nothing, in turn, so that a change of pace meets all three alike.
Result bench_hooks(const Options& options) {
  const at::NoGradGuard no_grad;
  const Transformer transformer = random_gpt2_small();
  Hooks empty(transformer.hook_names()), one(transformer.hook_names());
  one.add("blocks.0.hook_resid_pre", [](const at::Tensor& x, const HookContext&) { return x; });
  ForwardInput input;
  input.tokens = random_gpt2_tokens();
  std::array<at::Tensor, 3> logits;
  std::array<std::vector<double>, 3> seconds;
  for (int64_t run = 0; run <= options.runs; ++run) {
    for (size_t way = 0; way < logits.size(); ++way) {
      input.hooks = std::array<const Hooks*, 3>{nullptr, &empty, &one}[way];
      const double passed = seconds_of([&] { logits[way] = transformer.forward(input).logits; });
      if (run > 0) seconds[way].push_back(passed);
    }
  }
  Result result = gpt2_result("hooks", "without Hooks; \"extra\": with empty ones, with one hook");
  result.seconds = seconds[0];
  result.extra = {{"seconds_no_hooks", median(seconds[0])},
                  {"seconds_empty_hooks", median(seconds[1])},
                  {"seconds_one_hook", median(seconds[2])}};
  result.peak_rss = peak_rss();
  const double difference = std::max((logits[1] - logits[0]).abs().max().item<double>(),
                                     (logits[2] - logits[0]).abs().max().item<double>());
  result.check = checked("logits of the three", difference, 1e-4);
  return result;
}

// What is frozen is not computed: a forward whose attention outputs are all given, as path
// patching gives them, in turn with a plain one.
Result bench_given(const Options& options) {
  const at::NoGradGuard no_grad;
  const Transformer transformer = random_gpt2_small();
  CacheOptions kept;
  kept.names = {"blocks.*.hook_attn_out"};
  ForwardInput input;
  input.tokens = random_gpt2_tokens();
  Hooks keeping(transformer.hook_names()), giving(transformer.hook_names());
  ActivationCache cache(kept);
  cache.attach(keeping);
  input.hooks = &keeping;
  const at::Tensor expected = transformer.forward(input).logits;
  for (const std::string& name : cache.names()) giving.give(name, cache[name]);
  Result result = gpt2_result("given", "attention outputs given; \"extra\": plain");
  at::Tensor logits;
  std::vector<double> plain;
  for (int64_t run = 0; run <= options.runs; ++run) {
    input.hooks = nullptr;
    const double without = seconds_of([&] { transformer.forward(input); });
    input.hooks = &giving;
    const double with = seconds_of([&] { logits = transformer.forward(input).logits; });
    if (run > 0) {
      plain.push_back(without);
      result.seconds.push_back(with);
    }
  }
  // Without W_Q, W_K, W_V, W_O and the mixing.
  const ModelConfig& config = transformer.config();
  const double n_tokens = static_cast<double>(input.tokens.numel());
  const double keys = (static_cast<double>(input.tokens.size(1)) + 1) / 2;
  const double width = static_cast<double>(config.d_model);
  const double attention =
      static_cast<double>(config.n_layers) * n_tokens * (8 * width * width + 4 * keys * width);
  result.extra = {{"seconds_plain", median(plain)},
                  {"share_of_plain", result.median() / median(plain)},
                  {"share_of_flops", (result.flops - attention) / result.flops}};
  result.flops -= attention;
  result.peak_rss = peak_rss();
  result.check =
      checked("logits with attention given", (logits - expected).abs().max().item<double>(), 1e-4);
  return result;
}

}  // namespace weir::bench
