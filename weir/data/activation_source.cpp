#include "weir/data/activation_source.h"

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir::data {

int64_t ActivationSource::index_of(const std::string& site) const {
  std::vector<std::string> names;
  for (const ActivationSite& known : sites()) {
    if (known.name == site) return static_cast<int64_t>(names.size());
    names.push_back(known.name);
  }
  fail(ErrorCode::kNotFound, "no activations of '{}'{}", site, did_you_mean(site, names));
}

}  // namespace weir::data
