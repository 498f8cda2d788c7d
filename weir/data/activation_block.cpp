#include "weir/data/activation_block.h"

#include <algorithm>

namespace weir::data {

DropCounts& DropCounts::operator+=(const DropCounts& more) {
  n_tokens += more.n_tokens;
  positions += more.positions;
  tokens += more.tokens;
  norms += more.norms;
  norms_by_site.resize(std::max(norms_by_site.size(), more.norms_by_site.size()), 0);
  for (size_t i = 0; i < more.norms_by_site.size(); ++i) norms_by_site[i] += more.norms_by_site[i];
  return *this;
}

}  // namespace weir::data
