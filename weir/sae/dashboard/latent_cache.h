#pragma once

#include "weir/sae/dashboard/latent_events.h"
#include "weir/sae/formats/delphi_cache.h"

namespace weir {

/// Every firing as delphi's explainers and scorers read it (write_delphi_cache). Padding is token
/// 0. Memory: 28 bytes a firing.
LatentCache latent_cache(const LatentEvents& events);

}  // namespace weir
