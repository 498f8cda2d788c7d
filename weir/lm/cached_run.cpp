#include "weir/lm/cached_run.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir {
namespace {

// Positions run at once: long enough for the full speed of matrix products, short enough that
// attention scores [B, H, piece, S] stay small.
constexpr int64_t kPrefillPiece = 512;

}  // namespace

bool rotary_depends_on_length(const ModelConfig& config) {
  return config.position == PositionKind::kRotary &&
         (config.rotary.depends_on_length() ||
          (config.rotary_local && config.rotary_local->depends_on_length()));
}

CachedRun::CachedRun(const Transformer& transformer, const Weights& weights, at::Device device,
                     const std::vector<Intervention>& interventions, const TokenBatch& prompts,
                     const std::vector<NamedHook>& hooks)
    : transformer_(transformer),
      weights_(weights),
      device_(device),
      depends_on_length_(rotary_depends_on_length(transformer.config())),
      tokens_(prompts.tokens.to(device)),
      mask_(prompts.attention_mask.defined() ? prompts.attention_mask.to(device) : at::Tensor()),
      cache_(transformer.config().n_layers) {
  if (interventions.empty() && hooks.empty()) return;
  hooks_ = std::make_unique<Hooks>(transformer.hook_names());
  guards_ = attach(*hooks_, interventions, tokens_.size(1), /*grows=*/true);
  for (const auto& [glob, function] : hooks) hooks_->add(glob, function);
}

at::Tensor CachedRun::prefill() {
  const int64_t n_positions = tokens_.size(1);
  const int64_t piece = prefill_piece(n_positions);
  int64_t first = 0;
  for (; first + piece < n_positions; first += piece) {
    throw_if_interrupted();
    ForwardInput input;
    input.tokens = tokens_.slice(1, first, first + piece);
    if (mask_.defined()) input.attention_mask = mask_.slice(1, 0, first + piece);
    input.logits = LogitsAt::kNone;
    input.cache = &cache_;
    transformer_.forward(weights_, input);
  }
  return run(tokens_.slice(1, first));
}

at::Tensor CachedRun::step(const std::vector<int64_t>& tokens, const std::vector<bool>& is_real) {
  const int64_t length = cache_.length();
  const at::Tensor newest =
      at::tensor(tokens, at::kLong).view({static_cast<int64_t>(tokens.size()), 1}).to(device_);
  if (depends_on_length_) tokens_ = at::cat({tokens_, newest}, 1);
  append_mask(is_real);
  if (!transformer_.can_extend_cache(length, length + 1)) {
    cache_.truncate(0);
    return run(tokens_);
  }
  return run(newest);
}

void CachedRun::append_mask(const std::vector<bool>& is_real) {
  const bool all_real = std::all_of(is_real.begin(), is_real.end(), [](bool real) { return real; });
  if (all_real && !mask_.defined()) return;
  const auto n_rows = static_cast<int64_t>(is_real.size());
  if (!mask_.defined()) {
    mask_ =
        at::ones({n_rows, cache_.length()}, at::TensorOptions().dtype(at::kBool).device(device_));
  }
  at::Tensor column = at::ones({n_rows, 1}, at::kBool);
  for (int64_t b = 0; b < n_rows; ++b) {
    if (!is_real[b]) column[b].fill_(false);
  }
  mask_ = at::cat({mask_, column.to(device_)}, 1);
}

void CachedRun::select(const std::vector<int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong).to(device_);
  cache_ = cache_.select(index);
  tokens_ = tokens_.index_select(0, index);
  if (!mask_.defined()) return;
  mask_ = mask_.index_select(0, index);
  if (mask_.all().item<bool>()) mask_ = at::Tensor();
}

// Positions that are pads of all rows, which longer rows have left behind.
void CachedRun::drop_common_pads() {
  if (!mask_.defined()) return;
  const at::Tensor used = mask_.any(0);
  const int64_t first = used.to(at::kByte).argmax(0).item<int64_t>();
  if (first == 0) return;
  cache_.drop_front(first);
  mask_ = mask_.slice(1, first);
  if (mask_.all().item<bool>()) mask_ = at::Tensor();
}

void CachedRun::join(CachedRun&& other) {
  require(hooks_ == nullptr && other.hooks_ == nullptr && !depends_on_length_,
          "cached run: runs with hooks, or with frequencies that depend on the length, cannot be "
          "joined");
  drop_common_pads();
  other.drop_common_pads();
  const int64_t length = std::max(cache_.length(), other.cache_.length());
  const auto padded = [&](const CachedRun& of) {
    const at::Tensor real = of.mask_.defined()
                                ? of.mask_
                                : at::ones({of.tokens_.size(0), of.cache_.length()},
                                           at::TensorOptions().dtype(at::kBool).device(device_));
    return at::constant_pad_nd(real, {length - of.cache_.length(), 0}, 0);
  };
  mask_ = at::cat({padded(*this), padded(other)}, 0);
  if (mask_.all().item<bool>()) mask_ = at::Tensor();
  tokens_ = at::zeros({tokens_.size(0) + other.tokens_.size(0), 1}, tokens_.options());
  cache_.join(other.cache_);
}

at::Tensor CachedRun::run(const at::Tensor& tokens) {
  ForwardInput input;
  input.tokens = tokens;
  input.attention_mask = mask_;
  input.logits = LogitsAt::kLast;
  input.cache = &cache_;
  input.hooks = hooks_.get();
  return transformer_.forward(weights_, input).logits.select(1, 0).to(at::kCPU, at::kFloat);
}

// With interventions a prompt runs at once: a value may name all its positions.
int64_t CachedRun::prefill_piece(int64_t n_positions) const {
  if (hooks_ != nullptr || n_positions <= kPrefillPiece) return n_positions;
  if (!transformer_.can_extend_cache(kPrefillPiece, n_positions)) return n_positions;
  return kPrefillPiece;
}

}  // namespace weir
