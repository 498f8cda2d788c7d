#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/loader.h"

namespace weir {

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;           ///< The change is alpha / rank times B A ...
  bool scale_by_root = false;  ///< ... or alpha / sqrt(rank) (2312.03732).
  /// Last parts of the modules' names in Hugging Face's model: "q_proj", "c_attn". Empty: the
  /// projections to queries and values, under the family's names.
  std::vector<std::string> targets;
  uint64_t seed = 0;  ///< Of A; B starts at 0, so the model starts as it was.
};

/// Low-rank changes of matrices (2106.09685): W + scale B A for each matrix tensor of the
/// checkpoint that is targeted, fused ones (GPT-2's c_attn) as one. Saved and read in PEFT's
/// format, adapter_model.safetensors and adapter_config.json.
class Lora {
 public:
  /// kNotFound when no matrix of a block has such a name.
  Lora(const LoadedModel& model, const LoraOptions& options);
  /// An adapter of PEFT for this model. kUnsupported for what is more than A and B (DoRA, patterns
  /// of ranks, trained biases); kCorruptData where shapes do not fit.
  static Lora read(const LoadedModel& model, const std::filesystem::path& folder);

  /// A [rank, in] and B [out, rank] of each module in turn: what is trained.
  std::vector<at::Tensor> leaves() const;
  /// The model's weights with the changes; gradients flow to the leaves. As large as the matrices
  /// it changes.
  Weights applied(const Weights& weights, const ModelConfig& config) const;

  /// `base`: the name of the model that is adapted.
  void save(const std::filesystem::path& folder, const std::string& base) const;
  /// The values of a saved one of the same shapes.
  void load(const std::filesystem::path& folder);

  const LoraOptions& options() const { return options_; }

 private:
  struct Module {
    std::string name;  ///< "model.layers.0.self_attn.q_proj"
    at::Tensor a, b;
    bool outputs_last = false;  ///< Conv1D: stored [in, out].
    std::vector<Origin> parts;  ///< The parameters that its tensor holds.
  };
  double scale() const;

  LoraOptions options_;
  std::vector<Module> modules_;
};

}  // namespace weir
