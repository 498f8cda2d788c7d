#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/lm/language_model.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

/// A model of the golden topic `sae-attn` with its dictionaries, in float64.
struct AttentionGolden {
  explicit AttentionGolden(const std::string& name)
      : tensors(read_all(golden_topic("sae-attn") / (name + ".safetensors"))),
        notes(io::read_json(golden_topic("sae-attn") / (name + ".json"))),
        lm(LanguageModel::load(golden_topic("models") / name, {at::kDouble})),
        layer(notes["layer"]),
        features(notes["features"].get<std::vector<int64_t>>()) {
    batch.tokens = tensors.at("tokens");
    for (int64_t l = 0; l < lm.config().n_layers; ++l) {
      saes[l] = sae("sae" + std::to_string(l) + ".", "standard");
      saes[l].config.hook_head_shape = "hook_z";
      transcoders[l] = sae("tc" + std::to_string(l) + ".", "transcoder");
      transcoders[l].config.apply_b_dec_to_input = false;
    }
  }

  /// Of the tensors under a prefix.
  Sae sae(const std::string& prefix, const std::string& kind) const {
    Sae made;
    made.config.kind = kind;
    for (const char* weight : {"W_enc", "W_dec", "b_enc", "b_dec", "W_skip"}) {
      const auto found = tensors.find(prefix + weight);
      if (found != tensors.end()) made.weights[weight] = found->second.to(at::kDouble);
    }
    made.config.d_in = made.weight("W_enc").size(0);
    made.config.d_sae = made.weight("W_enc").size(1);
    made.config.d_out = made.weight("W_dec").size(1);
    return made;
  }
  std::map<int64_t, const Sae*> of_layers(const std::map<int64_t, Sae>& all) const {
    std::map<int64_t, const Sae*> pointers;
    for (const auto& [l, one] : all) pointers[l] = &one;
    return pointers;
  }
  const at::Tensor& of(const std::string& key) const { return tensors.at(key); }
  bool has(const std::string& key) const { return tensors.count(key) > 0; }

  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;
  LanguageModel lm;
  TokenBatch batch;
  int64_t layer;
  std::vector<int64_t> features;
  std::map<int64_t, Sae> saes, transcoders;
};

inline std::vector<std::string> attention_cases() {
  return golden_files("sae-attn", ".safetensors");
}

}  // namespace weir
