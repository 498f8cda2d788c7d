#include "weir/sae/dashboard/latent_events.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

LatentEvents::LatentEvents(int64_t n_latents, int64_t context_length)
    : context_length_(context_length), n_fired_(static_cast<size_t>(n_latents), 0) {
  require(n_latents >= 1 && context_length >= 1, "latents: expected latents and contexts");
}

void LatentEvents::add(const data::ActivationBlock& block, const SparseLatents& latents) {
  const int64_t n = block.rows.size(), first_context = n_contexts();
  require(block.tokens.size(1) == context_length_ && latents.values.dim() == 2 &&
              latents.values.size(0) == n,
          "latents: expected [{}, K] of contexts of {} tokens", n, context_length_);
  const at::Tensor tokens = block.tokens.to(at::kInt).contiguous();
  const auto* const ids = tokens.data_ptr<int32_t>();
  tokens_.insert(tokens_.end(), ids, ids + tokens.numel());
  dropped_ += block.dropped;
  const at::Tensor indices = latents.indices.contiguous();
  const at::Tensor values = latents.values.to(at::kFloat).contiguous();
  const at::Tensor contexts = block.rows.contexts.contiguous();
  const at::Tensor positions = block.rows.positions.contiguous();
  const auto* const index = indices.data_ptr<int64_t>();
  const auto* const value = values.data_ptr<float>();
  const int64_t k = values.size(1);
  Chunk chunk;
  chunk.first_row = n_rows();
  chunk.begin.reserve(static_cast<size_t>(n + 1));
  chunk.events.reserve(static_cast<size_t>(n * k));
  for (int64_t row = 0; row < n; ++row) {
    chunk.begin.push_back(static_cast<int64_t>(chunk.events.size()));
    places_.push_back({static_cast<int32_t>(contexts.data_ptr<int64_t>()[row] -
                                            block.first_context + first_context),
                       static_cast<int32_t>(positions.data_ptr<int64_t>()[row])});
    for (int64_t i = row * k; i < (row + 1) * k; ++i) {
      if (value[i] == 0) continue;
      chunk.events.push_back({static_cast<int32_t>(index[i]), value[i]});
      ++n_fired_[static_cast<size_t>(index[i])];
    }
  }
  chunk.begin.push_back(static_cast<int64_t>(chunk.events.size()));
  n_events_ += static_cast<int64_t>(chunk.events.size());
  if (n > 0) chunks_.push_back(std::move(chunk));
}

const LatentEvents::Chunk& LatentEvents::chunk_of(int64_t row) const {
  const auto after =
      std::upper_bound(chunks_.begin(), chunks_.end(), row,
                       [](int64_t wanted, const Chunk& chunk) { return wanted < chunk.first_row; });
  return *(after - 1);
}

LatentEvents::Events LatentEvents::of_row(int64_t row) const {
  const Chunk& chunk = chunk_of(row);
  const auto i = static_cast<size_t>(row - chunk.first_row);
  return {chunk.events.data() + chunk.begin[i], chunk.events.data() + chunk.begin[i + 1]};
}

LatentRange::LatentRange(const LatentEvents& events, int64_t first_latent, int64_t n)
    : first(first_latent) {
  begin.push_back(0);
  for (int64_t i = 0; i < n; ++i) begin.push_back(begin.back() + events.n_fired(first + i));
  rows.resize(static_cast<size_t>(begin.back()));
  values.resize(rows.size());
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (int64_t row = 0; row < events.n_rows(); ++row) {
    for (const LatentEvents::Event& event : events.of_row(row)) {
      const int64_t latent = event.latent - first;
      if (latent < 0 || latent >= n) continue;
      const auto place = static_cast<size_t>(next[static_cast<size_t>(latent)]++);
      rows[place] = static_cast<int32_t>(row);
      values[place] = event.value;
    }
  }
}

}  // namespace weir
