#include "weir/sae/harvest/harvester.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/hooks/activation_cache.h"
#include "weir/hooks/hooks.h"

namespace weir {
namespace {

constexpr int64_t kTokensAtOnce = 4096;      // Of a forward.
constexpr int64_t kTokensForLimits = 16384;  // Of which the medians are taken.

void require_vectors(const std::string& name) {
  const bool is_map = ends_with(name, "hook_pattern") || ends_with(name, "hook_attn_scores");
  require(!is_map, "harvest: expected one vector a token, {} has one a pair of tokens", name);
}

// [B, T] of a batch, with BOS in front.
at::Tensor with_front(const at::Tensor& row, const at::Tensor& front) {
  return at::cat({front, row}, 1);
}

}  // namespace

// Contexts before anything is left out.
struct Harvester::Taken {
  int64_t first;
  at::Tensor ids;                       // int64 [C, T]
  at::Tensor is_real;                   // bool [C, T]: no padding.
  at::Tensor positions;                 // int64 [C, T]: in the document, or the context.
  std::vector<at::Tensor> activations;  // float32 [C T, d] a site.
  std::vector<at::Tensor> norms;        // float32 [C T] a site.

  // bool [C T], of what `options` leave out by place and by token.
  at::Tensor is_first(const HarvestOptions& options) const {
    return is_real.logical_and(positions < options.skip_positions).flatten();
  }
  at::Tensor is_skipped(const HarvestOptions& options) const {
    if (options.skip_tokens.empty()) return at::zeros({ids.numel()}, at::kBool);
    return at::isin(ids.flatten(), at::tensor(options.skip_tokens, at::kLong))
        .logical_and(is_real.flatten());
  }
};

int64_t corpus_row_length(int64_t context_length, const HarvestOptions& options) {
  return context_length - (options.prepend_bos ? 1 : 0);
}

Harvester::Harvester(const LanguageModel& lm, const data::TokenRows& rows,
                     const HarvestOptions& options, int64_t first, std::vector<double> norm_limits)
    : lm_(lm),
      rows_(rows),
      options_(options),
      length_(rows.options().length + (options.prepend_bos ? 1 : 0)),
      next_context_(first),
      norm_limits_(std::move(norm_limits)) {
  require(!options.names.empty(), "harvest: expected the name of a hook");
  require(
      options.batch_contexts >= 0 && options.skip_positions >= 0 && options.max_norm_multiple >= 0,
      "harvest: expected no negative batch, positions or multiple of the norm");
  if (options_.batch_contexts == 0) {
    options_.batch_contexts = std::max<int64_t>(1, kTokensAtOnce / length_);
  }
  if (options.prepend_bos) {
    require(rows.options().packing == data::Packing::kStream,
            "harvest: BOS is put before a context only where documents are packed as a stream");
    const auto bos = lm.tokenizer().special().bos;
    require(bos.has_value(), "harvest: the model's tokenizer has no BOS to put before contexts");
    bos_ = *bos;
  }
  names_ = lm.make_hooks().match(options.names);
  for (const std::string& name : names_) require_vectors(name);
  // Two tokens tell the widths.
  CacheOptions cache;
  cache.names = names_;
  RunOptions run;
  run.cache = cache;
  run.stop_when_cached = true;
  const at::NoGradGuard no_grad;
  const RunResult probe = lm.run({at::zeros({1, 2}, at::kLong), {}}, run);
  for (const std::string& name : names_) {
    const at::Tensor& value = probe.cache[name];
    require(value.dim() >= 3 && value.size(0) == 1 && value.size(1) == 2,
            "harvest: expected activations [B, T, ...], {} has {}", name, c10::str(value.sizes()));
    sites_.push_back({name, value.numel() / 2});
  }
  if (options.max_norm_multiple == 0) norm_limits_.assign(sites_.size(), 0);
  require(norm_limits_.size() == (norm_limits_.empty() ? 0 : sites_.size()) &&
              (first == 0 || !norm_limits_.empty()),
          "harvest: expected a limit of the norm for each of {} sites to go on from context {}",
          sites_.size(), first);
}

Harvester::Taken Harvester::take(int64_t n) {
  const at::NoGradGuard no_grad;
  const data::Batch batch = rows_.batch(next_context_, n);
  Taken taken;
  taken.first = next_context_;
  taken.ids = batch.ids;
  at::Tensor document = batch.document;
  taken.positions = batch.positions.defined()
                        ? batch.positions
                        : at::arange(batch.ids.size(1), at::kLong).expand_as(batch.ids);
  taken.is_real = at::ones_like(batch.ids, at::kBool);
  for (int64_t i = 0; i < n; ++i) {
    taken.is_real[i].slice(0, rows_.n_real(next_context_ + i)).fill_(false);
  }
  if (bos_ >= 0) {
    taken.ids = with_front(taken.ids, at::full({n, 1}, bos_, at::kLong));
    taken.is_real = with_front(taken.is_real, at::ones({n, 1}, at::kBool));
    taken.positions = with_front(taken.positions + 1, at::zeros({n, 1}, at::kLong));
  }
  Hooks hooks = lm_.make_hooks();
  CacheOptions options;
  options.names = names_;
  ActivationCache cache(options);
  cache.attach(hooks);
  ForwardInput input;
  input.tokens = taken.ids.to(lm_.device());
  if (document.defined()) input.segments = document.to(lm_.device());
  input.logits = LogitsAt::kNone;
  input.hooks = &hooks;
  const int64_t n_layers = lm_.config().n_layers, last = hooks.last_layer(n_layers);
  if (last < n_layers) input.stop_at_layer = last + 1;
  lm_.transformer().forward(input);
  for (const std::string& name : names_) {
    const at::Tensor rows = cache[name].to(at::kCPU, at::kFloat).reshape({taken.ids.numel(), -1});
    taken.activations.push_back(rows);
    taken.norms.push_back(rows.norm(2, 1));
  }
  return taken;
}

void Harvester::find_limits(const Taken& taken) {
  const at::Tensor counted = taken.is_real.flatten()
                                 .logical_and(taken.is_first(options_).logical_not())
                                 .logical_and(taken.is_skipped(options_).logical_not());
  for (size_t site = 0; site < sites_.size(); ++site) {
    const at::Tensor norms = taken.norms[site].masked_select(counted);
    require(norms.size(0) > 0, "harvest: the first contexts have no token that is not left out");
    norm_limits_.push_back(options_.max_norm_multiple * norms.median().item<double>());
  }
}

data::ActivationBlock Harvester::filtered(Taken taken) const {
  const at::Tensor is_real = taken.is_real.flatten();
  const auto count = [](const at::Tensor& mask) { return mask.sum().item<int64_t>(); };
  data::ActivationBlock block;
  block.first_context = taken.first;
  block.dropped.n_tokens = count(is_real);
  const at::Tensor is_first = taken.is_first(options_);
  at::Tensor kept = is_real.logical_and(is_first.logical_not());
  block.dropped.positions = count(is_first);
  const at::Tensor is_skipped = taken.is_skipped(options_).logical_and(kept);
  block.dropped.tokens = count(is_skipped);
  kept = kept.logical_and(is_skipped.logical_not());
  at::Tensor is_outlier = at::zeros_like(kept);
  for (size_t site = 0; site < sites_.size(); ++site) {
    at::Tensor above = at::zeros_like(kept);
    if (norm_limits_[site] > 0) {
      // A norm that is no number is an outlier too.
      above = (taken.norms[site] <= norm_limits_[site]).logical_not().logical_and(kept);
    }
    block.dropped.norms_by_site.push_back(count(above));
    is_outlier = is_outlier.logical_or(above);
  }
  block.dropped.norms = count(is_outlier);
  kept = kept.logical_and(is_outlier.logical_not());
  const at::Tensor places = kept.nonzero().squeeze(1);
  for (at::Tensor& rows : taken.activations) {
    block.rows.activations.push_back(rows.index_select(0, places));
    rows.reset();
  }
  block.rows.tokens = taken.ids.flatten().index_select(0, places);
  block.rows.positions = places.remainder(length_);
  block.rows.contexts = places.floor_divide(length_) + taken.first;
  block.tokens = taken.ids.masked_fill(taken.is_real.logical_not(), -1);
  return block;
}

data::ActivationBlock Harvester::next(int64_t most) {
  require(most >= 1, "harvest: expected at least one context");
  throw_if_interrupted();
  if (!norm_limits_.empty()) {
    Taken taken = take(std::min(most, options_.batch_contexts));
    next_context_ += taken.ids.size(0);
    return filtered(std::move(taken));
  }
  // Several forwards, kept whole until the limits are known.
  const int64_t n = std::min(most, std::max<int64_t>(1, options_.limit_tokens / length_));
  std::vector<Taken> parts;
  for (int64_t left = n; left > 0; left -= parts.back().ids.size(0)) {
    throw_if_interrupted();
    parts.push_back(take(std::min(left, options_.batch_contexts)));
    next_context_ += parts.back().ids.size(0);
  }
  Taken whole = parts[0];
  const auto join = [&](const auto& part_of) {
    std::vector<at::Tensor> pieces;
    for (const Taken& part : parts) pieces.push_back(part_of(part));
    return at::cat(pieces);
  };
  whole.ids = join([](const Taken& part) { return part.ids; });
  whole.is_real = join([](const Taken& part) { return part.is_real; });
  whole.positions = join([](const Taken& part) { return part.positions; });
  for (size_t site = 0; site < sites_.size(); ++site) {
    whole.activations[site] = join([&](const Taken& part) { return part.activations[site]; });
    whole.norms[site] = join([&](const Taken& part) { return part.norms[site]; });
    for (Taken& part : parts) part.activations[site].reset();
  }
  find_limits(whole);
  return filtered(std::move(whole));
}

}  // namespace weir
