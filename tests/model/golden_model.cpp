#include "tests/model/golden_model.h"

#include <fstream>

#include <ATen/ATen.h>

#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {

namespace fs = std::filesystem;

fs::path golden_folder(const std::string& name) {
  return fs::path(WEIR_GOLDEN_DIR) / "models" / name;
}

const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = {"bloom",
                                                 "gemma",
                                                 "gemma2",
                                                 "gemma3_text",
                                                 "gpt2",
                                                 "gpt2_hub_names",
                                                 "gpt2_scaled",
                                                 "gpt2_sharded",
                                                 "gpt_neo",
                                                 "gpt_neox",
                                                 "gpt_neox_sequential",
                                                 "gptj",
                                                 "llama_bf16",
                                                 "llama_f16",
                                                 "llama_gqa_tied",
                                                 "llama_mha",
                                                 "llama_rope_dynamic",
                                                 "llama_rope_llama3",
                                                 "llama_rope_yarn",
                                                 "mistral_sliding",
                                                 "olmo2",
                                                 "opt",
                                                 "opt_350m_style",
                                                 "phi",
                                                 "phi3",
                                                 "phi3_longrope",
                                                 "qwen2",
                                                 "qwen3",
                                                 "smollm3",
                                                 "stablelm"};
  return names;
}

std::map<std::string, at::Tensor> read_all(const fs::path& path) {
  std::map<std::string, at::Tensor> result;
  for (const io::TensorView& tensor : io::read_safetensors(path).tensors) {
    result[tensor.name] = to_tensor(tensor);
  }
  return result;
}

CacheOptions only(std::vector<std::string> globs) {
  CacheOptions options;
  options.names = std::move(globs);
  return options;
}

at::Tensor next_token_loss(const at::Tensor& logits, const at::Tensor& tokens) {
  const at::Tensor log_probs = logits.slice(1, 0, logits.size(1) - 1).log_softmax(-1);
  return -log_probs.gather(-1, tokens.slice(1, 1).unsqueeze(-1)).mean();
}

fs::path copy_with_config(const std::string& name, const fs::path& target,
                          const std::string& config_json) {
  fs::create_directories(target);
  for (const auto& entry : fs::directory_iterator(golden_folder(name))) {
    const std::string file = entry.path().filename().string();
    if (file.rfind("model", 0) == 0) {
      fs::copy(entry.path(), target / file, fs::copy_options::overwrite_existing);
    }
  }
  std::ofstream(target / "config.json") << config_json;
  return target;
}

}  // namespace weir
