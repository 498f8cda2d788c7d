#pragma once

#include <string>

#include <ATen/ATen.h>

#include "weir/sae/kinds/sae_kind.h"

namespace weir {

/// A dictionary of the kind with weights drawn from normal distributions: rows of W_dec have
/// different norms, no bias is 0.
inline Sae random_sae(SaeConfig config) {
  if (config.d_out == 0) config.d_out = config.d_in;
  Sae sae{config, {}};
  for (const SaeWeightSpec& spec : find_sae_kind(config.kind).weights(config)) {
    sae.weights[spec.name] = at::randn(spec.shape) * 0.4;
  }
  const auto threshold = sae.weights.find("threshold");
  if (threshold != sae.weights.end()) threshold->second = threshold->second.abs();
  if (config.kind.find("skip") != std::string::npos) {
    sae.weights["W_skip"] = at::randn({config.d_out, config.d_in}) * 0.4;
  }
  return sae;
}

/// Every kind, with d_in 8, 24 latents and what else it needs.
inline SaeConfig small_config(const std::string& kind) {
  SaeConfig config;
  config.kind = kind;
  config.d_in = 8;
  config.d_sae = 24;
  config.k = 4;
  const bool is_transcoder = kind.find("transcoder") != std::string::npos;
  config.d_out = is_transcoder ? 6 : 8;
  config.apply_b_dec_to_input = !is_transcoder && kind != "crosscoder";
  if (kind == "crosscoder") config.n_sources = 3;
  if (kind == "matching_pursuit") config.matching_pursuit.max_iterations = 5;
  return config;
}

}  // namespace weir
