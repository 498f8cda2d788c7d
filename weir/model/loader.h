#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/tensor_view.h"
#include "weir/model/checkpoint_reader.h"
#include "weir/model/config.h"
#include "weir/model/origin.h"
#include "weir/model/weights.h"

namespace weir {

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
  std::string config_json;      ///< As read (or as made from GGUF metadata), for `save_hf`.
  io::TensorMap checkpoint;     ///< Under Hugging Face's names: what was read.
  std::vector<Origin> origins;  ///< Where in it each parameter stands.
  bool is_own = false;          ///< The weights are memory that may be written to (own.h).
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
