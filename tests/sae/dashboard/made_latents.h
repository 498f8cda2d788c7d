#pragma once

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/sae/dashboard/latent_events.h"

namespace weir::testing {

/// Contexts of few different tokens, and latents at most of their places, in two blocks.
struct MadeLatents {
  static constexpr int64_t kContexts = 30, kLength = 12, kLatents = 7, kPerRow = 3;
  at::Tensor tokens;               ///< int64 [C, T]
  at::Tensor contexts, positions;  ///< int64 [n]: of the rows; the first position has none.
  at::Tensor latents;              ///< float32 [n, F]
  LatentEvents events{kLatents, kLength};

  explicit MadeLatents(uint64_t seed = 1) {
    Draw draw(seed);
    tokens = at::empty({kContexts, kLength}, at::kLong);
    auto* const ids = tokens.data_ptr<int64_t>();
    for (int64_t i = 0; i < tokens.numel(); ++i) ids[i] = 3 + static_cast<int64_t>(draw.below(6));
    const at::Tensor places = at::arange(kContexts * kLength, at::kLong);
    const at::Tensor kept = places.masked_select(places % kLength != 0);
    contexts = kept.floor_divide(kLength);
    positions = kept % kLength;
    // Latent 0 is a function of the token, 1 of the last two, the last one never fires.
    latents = at::zeros({kept.size(0), kLatents});
    for (int64_t row = 0; row < kept.size(0); ++row) {
      const int64_t token = ids[kept[row].item<int64_t>()];
      const int64_t before = ids[kept[row].item<int64_t>() - 1];
      if (token == 4) latents[row][0] = 2.5;
      if (token == 5 && before == 3) latents[row][1] = 1.5;
      const int64_t other = 2 + static_cast<int64_t>(draw.below(kLatents - 3));
      latents[row][other] = static_cast<double>(1 + draw.below(1000)) / 250;
    }
    add(0, 11);
    add(11, kContexts);
  }

 private:
  void add(int64_t first, int64_t end) {
    const at::Tensor mine = (contexts >= first).logical_and(contexts < end).nonzero().squeeze(1);
    data::ActivationBlock block;
    block.first_context = first;
    block.tokens = tokens.slice(0, first, end);
    block.rows.tokens = at::zeros({mine.size(0)}, at::kLong);
    block.rows.contexts = contexts.index_select(0, mine);
    block.rows.positions = positions.index_select(0, mine);
    const auto [values, indices] = latents.index_select(0, mine).topk(kPerRow);
    events.add(block, {indices, values});
  }
};

}  // namespace weir::testing
