#include "weir/sae/dashboard/prompt_latents.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/splice/splice.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

// x [T, ...] at the hook.
at::Tensor read_activation(const LanguageModel& lm, const Sae& sae,
                           const std::vector<int64_t>& tokens) {
  require(!sae.config.hook.empty(),
          "the dictionary does not say which activation it reads: give it by --hook");
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {sae.config.hook};
  run.stop_when_cached = true;
  return lm.run(left_pad({tokens}), run).cache[sae.config.hook][0].to(at::kCPU, at::kFloat);
}

std::vector<double> explained_by_token(const Sae& sae, const SparseLatents& latents,
                                       const SaeInput& input) {
  const int64_t n = latents.values.size(0);
  if (written_hook(sae.config) != sae.config.hook) {
    return std::vector<double>(static_cast<size_t>(n), std::numeric_limits<double>::quiet_NaN());
  }
  const at::Tensor x = input.raw.to(at::kDouble);
  const at::Tensor error = x - decode(sae, latents, input).reshape(x.sizes()).to(at::kDouble);
  return to_doubles(1 - error.square().sum(-1) / x.square().sum(-1));
}

}  // namespace

PromptLatents prompt_latents(const LanguageModel& lm, const Sae& sae,
                             const std::vector<int64_t>& tokens,
                             const PromptLatentOptions& options) {
  const SaeInput input = read_sae_input(sae, read_activation(lm, sae, tokens));
  const SparseLatents latents = encode_sparse(sae, input);
  PromptLatents result;
  result.tokens = tokens;
  result.explained = explained_by_token(sae, latents, input);
  const at::Tensor indices = latents.indices.contiguous();
  const std::vector<std::vector<double>> values = to_rows(latents.values);
  std::map<int64_t, double> largest;
  std::map<int64_t, std::vector<double>> of_latent;
  const size_t n = tokens.size();
  for (size_t t = 0; t < n; ++t) {
    std::vector<PromptLatents::Fired> fired;
    const auto* index = indices.data_ptr<int64_t>() + static_cast<int64_t>(t) * indices.size(1);
    for (size_t j = 0; j < values[t].size(); ++j) {
      if (values[t][j] == 0) continue;
      fired.push_back({index[j], values[t][j]});
      of_latent.try_emplace(index[j], n, 0.0).first->second[t] = values[t][j];
      if (static_cast<int64_t>(t) < options.n_unranked) continue;
      double& most = largest[index[j]];
      most = std::max(most, std::abs(values[t][j]));
    }
    std::sort(fired.begin(), fired.end(),
              [](const auto& a, const auto& b) { return std::abs(a.value) > std::abs(b.value); });
    result.n_active.push_back(static_cast<int64_t>(fired.size()));
    if (static_cast<int64_t>(fired.size()) > options.n_per_token) {
      fired.resize(static_cast<size_t>(options.n_per_token));
    }
    result.by_token.push_back(std::move(fired));
  }
  std::vector<std::pair<double, int64_t>> order;
  for (const auto& [latent, most] : largest) order.emplace_back(-most, latent);
  std::sort(order.begin(), order.end());
  for (const auto& [most, latent] : order) {
    if (static_cast<int64_t>(result.latents.size()) == options.n_latents) break;
    result.latents.push_back(latent);
    result.values.push_back(of_latent.at(latent));
  }
  return result;
}

}  // namespace weir
