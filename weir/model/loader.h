#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/tensor_view.h"
#include "weir/model/config.h"
#include "weir/model/weights.h"

namespace weir {

/// Hands out the tensors of a checkpoint by name and keeps account, so that a missing, extra or
/// mis-shaped tensor is named. Family files use it; shapes are those of the file.
class CheckpointReader {
 public:
  explicit CheckpointReader(const io::TensorMap& tensors);

  /// Later names are tried with each of these in front: {"model.", ""} accepts both spellings.
  void set_prefixes(std::vector<std::string> prefixes);
  bool has(const std::string& name) const;

  /// nn.Linear weight [n_out, n_in].
  Matrix linear(const std::string& name, int64_t n_out, int64_t n_in);
  /// GPT-2's Conv1D weight, stored [n_in, n_out].
  Matrix conv1d(const std::string& name, int64_t n_in, int64_t n_out);
  /// A vector or table as float32 (norm gains, biases, positions).
  at::Tensor tensor(const std::string& name, const std::vector<int64_t>& shape);
  /// The same, undefined when absent.
  at::Tensor optional_tensor(const std::string& name, const std::vector<int64_t>& shape);
  /// prefix.weight, and prefix.bias for a LayerNorm.
  NormWeights norm(const std::string& prefix, int64_t n, NormKind kind);
  /// Buffers that are not parameters: globs such as "*.attn.masked_bias".
  void ignore(const std::vector<std::string>& globs);
  /// kCorruptData naming the tensors that nothing asked for.
  void finish() const;

 private:
  const io::TensorView& take(const std::string& name, const std::vector<int64_t>& shape);
  const io::TensorView* find(const std::string& name) const;

  const io::TensorMap& tensors_;
  std::map<std::string, const io::TensorView*> by_name_;
  std::vector<std::string> prefixes_ = {""};
  std::set<const io::TensorView*> used_;
  std::vector<std::string> ignored_;
};

/// A family of checkpoints: how its config.json and its tensors become ours.
/// A new one is a file in architectures/ and a line in registry.cpp.
struct Family {
  std::string name;  ///< Hugging Face's model_type
  ModelConfig (*config)(const nlohmann::json& config_json);
  Weights (*weights)(const ModelConfig& config, const nlohmann::json& config_json,
                     CheckpointReader& reader);
};

const std::vector<Family>& families();
/// kUnsupported with the list of known ones.
const Family& family(const std::string& model_type);

struct LoadedModel {
  ModelConfig config;
  Weights weights;
  std::string config_json;   ///< As read (or as made from GGUF metadata), for `models convert`.
  io::TensorMap checkpoint;  ///< Under Hugging Face's names; empty once weights are processed.
  std::filesystem::path path;
  std::string sha256;  ///< Of the weight file; filled only when asked (it reads the whole file).
};

/// A Hugging Face folder (config.json + safetensors, sharded or not, or pytorch_model.bin), a .gguf
/// file, a llama2.c .bin, or a .safetensors or .pt of minGPT or nanoGPT. Weights stay on the mapped
/// files. docs/reference/formats.md.
LoadedModel load_model(const std::filesystem::path& path);
/// The model of a parsed config.json and its tensors, wherever they came from; `path` names it.
LoadedModel load_model(const nlohmann::json& config_json, const io::TensorMap& tensors,
                       const std::filesystem::path& path);

}  // namespace weir
