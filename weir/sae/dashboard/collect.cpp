#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/sae/dashboard/dashboard.h"

namespace weir {
namespace {

constexpr int64_t kRowsAtOnce = 2048;    // Of an encoding: [rows, F] pre-activations.
constexpr int64_t kLatentsAtOnce = 256;  // Of a range: [latents, V] logits.

SparseLatents encode_rows(const Sae& sae, const at::Tensor& rows) {
  std::vector<SparseLatents> parts;
  int64_t widest = 1;
  for (const at::Tensor& piece : rows.split(kRowsAtOnce)) {
    SparseLatents part = encode_sparse(sae, piece);
    widest = std::max(widest, part.values.size(1));
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return {at::zeros({0, 1}, at::kLong), at::zeros({0, 1})};
  std::vector<at::Tensor> indices, values;
  for (const SparseLatents& part : parts) {
    const int64_t missing = widest - part.values.size(1);
    indices.push_back(at::constant_pad_nd(part.indices, {0, missing}));
    values.push_back(at::constant_pad_nd(part.values.to(at::kFloat), {0, missing}));
  }
  return {at::cat(indices), at::cat(values)};
}

}  // namespace

LatentEvents collect_latents(const Sae& sae, const NextBlock& next, size_t site,
                             int64_t context_length, int64_t n_tokens) {
  const at::NoGradGuard no_grad;
  LatentEvents events(sae.config.d_sae, context_length);
  Progress progress("encoding", static_cast<uint64_t>(n_tokens), "tokens");
  while (true) {
    const data::ActivationBlock block = next();
    if (!block.tokens.defined() || block.n_contexts() == 0) break;
    events.add(block, encode_rows(sae, block.rows.activations.at(site)));
    progress.advance(static_cast<uint64_t>(block.tokens.numel()));
  }
  require(events.n_rows() > 0, "dashboard: the corpus gave no activations");
  return events;
}

std::vector<LatentView> view_latents(const LanguageModel& lm, const Sae& sae,
                                     const LatentEvents& events, const FactOptions& facts,
                                     const EffectOptions& effects) {
  const int64_t n = events.n_latents();
  Progress progress("latents", static_cast<uint64_t>(n));
  FactFinder fact_finder(events, facts);
  const EffectFinder effect_finder(lm, sae, effects);
  std::vector<LatentView> views;
  for (int64_t first = 0; first < n; first += kLatentsAtOnce) {
    const int64_t count = std::min(kLatentsAtOnce, n - first);
    const LatentRange range(events, first, count);
    std::vector<LatentEffects> found = effect_finder.find(first, count);
    for (int64_t i = 0; i < count; ++i) {
      views.push_back(
          {fact_finder.find(range, first + i), std::move(found[static_cast<size_t>(i)])});
    }
    progress.advance(static_cast<uint64_t>(count));
  }
  return views;
}

}  // namespace weir
