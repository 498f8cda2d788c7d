#include "weir/model/gguf_model.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/gguf.h"
#include "weir/model/gguf_config.h"
#include "weir/model/gguf_metadata.h"
#include "weir/model/gguf_rope.h"

namespace weir {
namespace {

io::TensorMap model_tensors(const io::GgufFile& file, const GgufArchitecture& architecture) {
  const GgufMetadata read(file);
  const int64_t n_heads = read.size("attention.head_count");
  const GgufHeads heads{n_heads, read.size_or("attention.head_count_kv", n_heads)};
  io::TensorMap tensors = hugging_face_tensors(file.tensors(), architecture.names, heads);
  const auto first_rope =
      std::remove_if(tensors.tensors.begin(), tensors.tensors.end(),
                     [](const io::TensorView& tensor) { return is_rope_tensor(tensor.name); });
  tensors.tensors.erase(first_rope, tensors.tensors.end());
  return tensors;
}

// Files of the format that hold something else, or a part of a model, say so themselves.
void refuse_what_is_no_model(const io::GgufFile& file, const std::filesystem::path& path) {
  const std::string type = file.find_string("general.type").value_or("model");
  if (type == "adapter") {
    fail(ErrorCode::kUnsupported,
         "{}: holds an adapter (LoRA) for a model, not a model; merge it into its base model first",
         path.string());
  }
  if (type == "mmproj") {
    fail(ErrorCode::kUnsupported,
         "{}: holds the projector of a model's images or sounds; give the file of the language "
         "model that it belongs to",
         path.string());
  }
  if (!file.tensors().tensors.empty()) return;
  const bool has_words = file.find("tokenizer.ggml.tokens") != nullptr;
  fail(ErrorCode::kUnsupported,
       "{}: holds {}, no weights; expected a file with the model's tensors", path.string(),
       has_words ? "a vocabulary alone" : "metadata alone");
}

}  // namespace

LoadedModel load_gguf_model(const std::filesystem::path& path) {
  const io::GgufFile file = io::read_gguf_parts(path);
  refuse_what_is_no_model(file, path);
  const std::string name = file.get_string("general.architecture");
  const GgufArchitecture& architecture = gguf_architecture(name);
  const nlohmann::json config = hugging_face_config(file, architecture);
  LoadedModel model = load_model(config, model_tensors(file, architecture), path);
  model.config.name = path.stem().string();
  model.config.rotary.frequency_factors = unnamed_frequency_factors(file);
  return model;
}

}  // namespace weir
