#include "weir/sae/eval/pooled_texts.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/lm/token_batch.h"
#include "weir/sae/splice/splice.h"

namespace weir {
namespace {

constexpr int64_t kLatentsAtOnce = int64_t{1} << 26;  // 256 MB

/// Latents of kept tokens summed by row: [B, F].
at::Tensor pooled_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& kept) {
  const at::Tensor rows = kept.nonzero().select(1, 0);
  const at::Tensor kept_x = x.index({kept});  // [n, ...]
  at::Tensor sums = at::zeros({x.size(0), sae.config.d_sae});
  const int64_t n_at_once = std::max<int64_t>(1, kLatentsAtOnce / sae.config.d_sae);
  for (int64_t i = 0; i < rows.numel(); i += n_at_once) {
    const int64_t end = std::min(rows.numel(), i + n_at_once);
    const at::Tensor latents = encode(sae, kept_x.slice(0, i, end)).to(at::kFloat);
    sums.index_add_(0, rows.slice(0, i, end), latents.reshape({end - i, -1}));
  }
  return sums;
}

}  // namespace

PooledTexts pool_texts(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                       const std::vector<std::string>& texts, const PoolOptions& options) {
  require(!saes.empty() && !texts.empty(), "pool: expected dictionaries and texts");
  const at::NoGradGuard no_grad;
  const std::string& hook = saes[0]->config.hook;
  for (const Sae* sae : saes) {
    require(sae->config.hook == hook, "pool: expected dictionaries that read {}, got {}", hook,
            sae->config.hook);
  }
  std::vector<std::vector<int64_t>> rows;
  for (const std::string& text : texts) {
    rows.push_back(lm.tokenizer().encode(text, true).ids);
    require(!rows.back().empty(), "pool: text {} has no token", rows.size());
    if (static_cast<int64_t>(rows.back().size()) > options.context) {
      rows.back().resize(static_cast<size_t>(options.context));
    }
  }
  // Texts of about one length go together, so that little is padded.
  std::vector<size_t> order(rows.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rows[a].size() < rows[b].size(); });
  TokenFilter filter(options.filter);
  PooledTexts pooled;
  const auto n = static_cast<int64_t>(rows.size());
  pooled.latents.resize(saes.size());
  for (size_t s = 0; s < saes.size(); ++s) {
    pooled.latents[s] = at::zeros({n, saes[s]->config.d_sae});
  }
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {hook};
  run.stop_when_cached = true;
  Progress progress("reading texts", rows.size(), "texts");
  for (size_t first = 0; first < order.size(); first += static_cast<size_t>(options.batch)) {
    const size_t end = std::min(order.size(), first + static_cast<size_t>(options.batch));
    std::vector<std::vector<int64_t>> some;
    std::vector<int64_t> places;
    for (size_t i = first; i < end; ++i) {
      some.push_back(rows[order[i]]);
      places.push_back(static_cast<int64_t>(order[i]));
    }
    const TokenBatch batch = left_pad(some);
    const at::Tensor x = lm.run(batch, run).cache[hook];
    const at::Tensor kept = filter(batch.tokens, x, batch.attention_mask);
    const at::Tensor count = kept.sum(1).clamp_min(1).unsqueeze(1).to(at::kFloat);
    const at::Tensor flat = x.flatten(2).to(at::kFloat);
    const at::Tensor index = at::tensor(places, at::kLong);
    if (!pooled.x.defined()) pooled.x = at::zeros({n, flat.size(-1)});
    pooled.x.index_copy_(0, index, at::where(kept.unsqueeze(-1), flat, 0.0).sum(1) / count);
    for (size_t s = 0; s < saes.size(); ++s) {
      pooled.latents[s].index_copy_(0, index, pooled_latents(*saes[s], x, kept) / count);
    }
    progress.advance(end - first);
  }
  pooled.left_out = filter.counts();
  return pooled;
}

at::Tensor without_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& latents,
                           const at::Tensor& removed) {
  const SaeConfig& config = sae.config;
  const bool by_token = config.normalisation == SaeNormalisation::kLayerNorm ||
                        config.normalisation == SaeNormalisation::kConstantNorm;
  if (by_token || config.n_sources > 1 || written_hook(config) != config.hook) {
    fail(ErrorCode::kUnsupported,
         "removal: expected a dictionary whose latents write the same at every token of the place "
         "it reads (normalisation {}, writes {})",
         to_string(config.normalisation), written_hook(config));
  }
  const at::Tensor written = at::where(removed, latents, 0.0);
  const at::Tensor zero = at::zeros_like(written);
  const at::Tensor none = at::zeros({x.size(0), config.d_in}, x.options());
  const SaeInput input = read_sae_input(sae, none);
  return x - (decode(sae, written, input) - decode(sae, zero, input));
}

}  // namespace weir
