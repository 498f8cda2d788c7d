#include "weir/sae/dashboard/latent_cache.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace weir {

LatentCache latent_cache(const LatentEvents& events) {
  LatentCache cache;
  cache.d_sae = events.n_latents();
  cache.locations = at::empty({events.n_events(), 3}, at::kLong);
  cache.activations = at::empty({events.n_events()});
  auto* location = cache.locations.data_ptr<int64_t>();
  auto* activation = cache.activations.data_ptr<float>();
  std::vector<LatentEvents::Event> of_row;
  for (int64_t row = 0; row < events.n_rows(); ++row) {
    const auto [context, position] = events.place(row);
    const LatentEvents::Events found = events.of_row(row);
    of_row.assign(found.begin(), found.end());
    std::sort(of_row.begin(), of_row.end(),
              [](const auto& a, const auto& b) { return a.latent < b.latent; });
    for (const LatentEvents::Event& event : of_row) {
      *location++ = context;
      *location++ = position;
      *location++ = event.latent;
      *activation++ = event.value;
    }
  }
  const int64_t n = events.n_contexts(), length = events.context_length();
  cache.tokens = at::empty({n, length}, at::kLong);
  for (int64_t context = 0; context < n; ++context) {
    for (int64_t at = 0; at < length; ++at) {
      cache.tokens.data_ptr<int64_t>()[context * length + at] =
          std::max(0, events.token(context, at));
    }
  }
  return cache;
}

}  // namespace weir
