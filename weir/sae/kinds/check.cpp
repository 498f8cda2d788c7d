#include <set>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

std::vector<SaeWeightSpec> all_weights(const SaeConfig& c) {
  std::vector<SaeWeightSpec> specs = find_sae_kind(c.kind).weights(c);
  const bool skips = c.kind.find("skip_transcoder") != std::string::npos;
  specs.push_back({"W_skip", {c.d_out, c.d_in}, !skips});
  const bool whitens = c.normalisation == SaeNormalisation::kWhitening;
  specs.push_back({"whitening_mean", {c.d_in}, !whitens});
  specs.push_back({"whitening_matrix", {c.d_in, c.d_in}, !whitens});
  specs.push_back({"whitening_inverse", {c.d_in, c.d_in}, !whitens});
  return specs;
}

void check_weight(const Sae& sae, const SaeWeightSpec& spec) {
  const at::Tensor tensor = sae.find(spec.name);
  if (!tensor.defined()) {
    require(spec.optional, "a {} dictionary needs the weight {}, which is not there",
            sae.config.kind, spec.name);
    return;
  }
  // One threshold for all latents, or one for each.
  const bool is_one = spec.name == "threshold" && tensor.dim() == 0;
  require(is_one || tensor.sizes() == at::IntArrayRef(spec.shape),
          "{} is [{}]; expected [{}] for {} latents of {} numbers", spec.name,
          fmt::join(tensor.sizes(), ", "), fmt::join(spec.shape, ", "), sae.config.d_sae,
          sae.config.d_in);
  require(tensor.is_floating_point(), "{} does not hold floating-point numbers", spec.name);
}

}  // namespace

void check_sae(const Sae& sae) {
  const SaeConfig& c = sae.config;
  require(c.d_in > 0 && c.d_out > 0 && c.d_sae > 0 && c.n_sources > 0,
          "a dictionary needs sizes above 0; found d_in {}, d_out {}, d_sae {}, sources {}", c.d_in,
          c.d_out, c.d_sae, c.n_sources);
  std::set<std::string> known;
  for (const SaeWeightSpec& spec : all_weights(c)) {
    check_weight(sae, spec);
    known.insert(spec.name);
  }
  for (const auto& [name, tensor] : sae.weights) {
    require(known.count(name) > 0, "a {} dictionary has no weight {}", c.kind, name);
  }
  require(!c.apply_b_dec_to_input || c.d_in == c.d_out,
          "b_dec of {} numbers cannot be subtracted from an input of {}: apply_b_dec_to_input must "
          "be false",
          c.d_out, c.d_in);
  require(c.hook_head_shape == "none" || c.hook_head_shape == "hook_z",
          "unknown shape of activations \"{}\"; known: none, hook_z", c.hook_head_shape);
  require(c.scale > 0, "the scale of a dictionary is {}; expected a number above 0", c.scale);
  const SaeKind& kind = find_sae_kind(c.kind);
  require(!c.rescale_acts_by_decoder_norm || kind.can_rescale(),
          "rescale_acts_by_decoder_norm means nothing for a {} dictionary", c.kind);
  kind.check(c);
}

void check_sae_values(const Sae& sae) {
  for (const auto& [name, tensor] : sae.weights) {
    if (tensor.numel() == 0) continue;
    // A NaN goes into both; no array of booleans is made.
    const auto [least, most] = at::aminmax(tensor);
    const bool finite = at::isfinite(least).item<bool>() && at::isfinite(most).item<bool>();
    if (!finite) {
      fail(ErrorCode::kCorruptData, "{} holds numbers that are not finite (NaN or infinity)", name);
    }
  }
}

}  // namespace weir
