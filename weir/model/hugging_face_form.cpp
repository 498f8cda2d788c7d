#include "weir/model/hugging_face_form.h"

#include <set>

#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/hooks/hooks.h"
#include "weir/io/json.h"

namespace weir {
namespace {

// GPT-2's Conv1D matrices, which transformers keeps [in, out].
bool is_conv1d(const std::string& name) {
  for (const char* end : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (ends_with(name, end)) return true;
  }
  return false;
}

SavedTensor saved(const io::TensorView& source, io::DType dtype) {
  SavedTensor tensor{{source.name, dtype, source.shape}, SavedForm::kValues, source};
  if (!io::is_real(source.dtype)) {
    tensor.form = SavedForm::kBytes;
    tensor.spec.dtype = source.dtype;
  }
  return tensor;
}

// Every matrix and norm of GPT-2 has a bias; nanoGPT may do without.
std::vector<SavedTensor> missing_biases(const std::vector<SavedTensor>& tensors) {
  std::set<std::string> names;
  for (const SavedTensor& tensor : tensors) names.insert(tensor.spec.name);
  std::vector<SavedTensor> missing;
  for (const SavedTensor& tensor : tensors) {
    const bool is_norm = glob_matches("*.ln_*.weight", tensor.spec.name);
    if (!is_norm && !is_conv1d(tensor.spec.name)) continue;
    const size_t stem = tensor.spec.name.size() - std::string_view("weight").size();
    const std::string bias = tensor.spec.name.substr(0, stem) + "bias";
    if (names.count(bias) != 0) continue;
    missing.push_back(
        {{bias, tensor.spec.dtype, {tensor.spec.shape.back()}}, SavedForm::kZeros, {}});
  }
  return missing;
}

std::vector<SavedTensor> gpt2_tensors(const LoadedModel& model, io::DType dtype) {
  std::vector<SavedTensor> tensors;
  for (const io::TensorView& source : model.checkpoint.tensors) {
    if (glob_matches("*.attn.bias", source.name)) continue;  // The causal mask.
    if (model.config.tied && source.name == "lm_head.weight") continue;
    SavedTensor tensor = saved(source, dtype);
    if (is_conv1d(source.name)) {
      tensor.form = SavedForm::kTransposed;
      std::swap(tensor.spec.shape[0], tensor.spec.shape[1]);
    }
    tensors.push_back(std::move(tensor));
  }
  const std::vector<SavedTensor> missing = missing_biases(tensors);
  tensors.insert(tensors.end(), missing.begin(), missing.end());
  return tensors;
}

nlohmann::ordered_json gpt2_config(const LoadedModel& model, const nlohmann::ordered_json& from) {
  const ModelConfig& config = model.config;
  nlohmann::ordered_json to = {{"model_type", "gpt2"},
                               {"architectures", {"GPT2LMHeadModel"}},
                               {"n_embd", config.d_model},
                               {"n_layer", config.n_layers},
                               {"n_head", config.n_heads},
                               {"n_inner", config.d_mlp},
                               {"n_positions", config.n_ctx},
                               {"vocab_size", config.d_vocab},
                               {"layer_norm_epsilon", config.norm_eps},
                               {"activation_function", from.value("activation_function", "gelu")},
                               {"tie_word_embeddings", config.tied}};
  // transformers would otherwise assume GPT-2's own 50256, which smaller vocabularies lack.
  to["bos_token_id"] = config.bos ? nlohmann::ordered_json(*config.bos) : nullptr;
  to["eos_token_id"] = config.eos ? nlohmann::ordered_json(*config.eos) : nullptr;
  return to;
}

}  // namespace

std::vector<SavedTensor> saved_tensors(const LoadedModel& model, io::DType dtype) {
  if (model.config.family == "nanogpt") return gpt2_tensors(model, dtype);
  std::vector<SavedTensor> tensors;
  for (const io::TensorView& source : model.checkpoint.tensors) {
    tensors.push_back(saved(source, dtype));
  }
  return tensors;
}

std::string saved_config(const LoadedModel& model, const std::string& dtype) {
  auto config = nlohmann::ordered_json::parse(model.config_json);
  if (model.config.family == "nanogpt") config = gpt2_config(model, config);
  config["torch_dtype"] = dtype;
  if (config.contains("dtype")) config["dtype"] = dtype;
  return io::dump_json(config, 2) + "\n";
}

}  // namespace weir
