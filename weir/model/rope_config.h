#pragma once

#include <string_view>

#include "weir/model/config_reader.h"

namespace weir {

/// What a family says where its config.json is silent.
struct RopeDefaults {
  double theta = 10000;
  double partial = 1;           ///< Share of each head that rotates.
  bool can_be_partial = false;  ///< The family reads partial_rotary_factor at all.
};

/// Rotary embedding from either spelling: transformers 5's "rope_parameters" {rope_theta,
/// rope_type, ...}, which may hold one such object for each layer type (`layer_type` picks it), or
/// 4's top-level "rope_theta" and "rope_scaling" (NeoX: rotary_emb_base, rotary_pct).
/// kUnsupported names an unknown rope type or parameter and lists the known ones.
/// `config` gives d_head and n_ctx.
RotaryConfig read_rotary(const ConfigReader& read, const ModelConfig& config,
                         const RopeDefaults& defaults, std::string_view layer_type = "");

}  // namespace weir
