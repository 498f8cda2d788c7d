#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/gguf.h"
#include "weir/model/gguf_names.h"

namespace weir {

/// One of llama.cpp's architectures and the Hugging Face family that it came from. A new one is a
/// table here; the family itself is that of model/registry.
struct GgufArchitecture {
  std::string_view name;        ///< general.architecture
  std::string_view model_type;  ///< Hugging Face's
  std::string_view model_class;
  std::vector<GgufName> names;
  /// What the family's config.json holds beyond the keys that all of them share.
  void (*add_config)(const io::GgufFile& file, nlohmann::json& config);
};

/// One for each kind of config.json.
namespace gguf_config {
void add_llama_like(const io::GgufFile& file, nlohmann::json& config);
void add_llama(const io::GgufFile& file, nlohmann::json& config);
void add_smollm3(const io::GgufFile& file, nlohmann::json& config);
void add_gemma(const io::GgufFile& file, nlohmann::json& config);
void add_gemma2(const io::GgufFile& file, nlohmann::json& config);
void add_gemma3(const io::GgufFile& file, nlohmann::json& config);
void add_stablelm(const io::GgufFile& file, nlohmann::json& config);
void add_phi2(const io::GgufFile& file, nlohmann::json& config);
void add_gpt_neox(const io::GgufFile& file, nlohmann::json& config);
void add_phi3(const io::GgufFile& file, nlohmann::json& config);
void add_gpt2(const io::GgufFile& file, nlohmann::json& config);
void add_bloom(const io::GgufFile& file, nlohmann::json& config);
}  // namespace gguf_config

/// By general.architecture; kUnsupported with the list of known ones.
const GgufArchitecture& gguf_architecture(const std::string& name);

/// The config.json that Hugging Face would have for the model of that file, in the spelling of
/// transformers 4 (which newer ones read too).
nlohmann::json hugging_face_config(const io::GgufFile& file, const GgufArchitecture& architecture);

}  // namespace weir
