#include "weir/pretrain/lora.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPrefix = "base_model.model.";
constexpr const char* kTensors = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeight = ".weight";

const std::vector<std::string> kUsual = {"q_proj", "v_proj", "c_attn", "query_key_value",
                                         "qkv_proj"};

bool is_targeted(const std::string& module, const std::vector<std::string>& targets) {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return module == target || ends_with(module, "." + target);
  });
}

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

io::TensorMap read_tensors_of(const fs::path& folder) {
  return io::read_safetensors(folder / kTensors);
}

void refuse_more(const json& config, const std::string& what) {
  const auto refuse = [&](const std::string& key) {
    fail(ErrorCode::kUnsupported, "{}: '{}' is more than A and B", what, key);
  };
  for (const char* key : {"use_dora", "lora_bias", "use_qalora"}) {
    if (config.value(key, false)) refuse(key);
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save"}) {
    if (config.contains(key) && !config[key].is_null() && !config[key].empty()) refuse(key);
  }
  if (config.value("bias", "none") != "none") refuse("bias");
}

}  // namespace

Lora::Lora(const LoadedModel& model, const LoraOptions& options) : options_(options) {
  require(options.rank > 0 && options.alpha > 0,
          "lora: expected a rank and an alpha above 0, got {} and {}", options.rank, options.alpha);
  const std::vector<std::string>& targets = options.targets.empty() ? kUsual : options.targets;
  std::map<std::string, size_t> index;
  at::Generator random = at::detail::createCPUGenerator(options.seed);
  for (const Origin& origin : model.origins) {
    const bool is_matrix = origin.shape.size() == 2 && origin.row < 0 &&
                           origin.parameter.rfind("blocks.", 0) == 0 &&
                           ends_with(origin.tensor, kWeight);
    if (!is_matrix) continue;
    const std::string name = origin.tensor.substr(0, origin.tensor.size() - 7);
    if (!is_targeted(name, targets)) continue;
    const auto [found, is_new] = index.try_emplace(name, modules_.size());
    if (is_new) {
      const int64_t out = origin.shape[origin.axis], in = origin.shape[1 - origin.axis];
      Module module{name,
                    at::empty({options.rank, in}),
                    at::zeros({out, options.rank}),
                    origin.axis == 1,
                    {}};
      const double bound = 1 / std::sqrt(static_cast<double>(in));  // kaiming_uniform, a = sqrt 5
      module.a.uniform_(-bound, bound, random);
      module.a.requires_grad_(true);
      module.b.requires_grad_(true);
      modules_.push_back(std::move(module));
    }
    modules_[found->second].parts.push_back(origin);
  }
  if (modules_.empty()) {
    std::string list;
    for (const std::string& target : targets) list += (list.empty() ? "" : ", ") + target;
    fail(ErrorCode::kNotFound, "lora: no matrix of {} is called {}", model.config.family, list);
  }
}

Lora Lora::read(const LoadedModel& model, const fs::path& folder) {
  const json config = io::read_json(folder / kConfig);
  const std::string what = (folder / kConfig).string();
  refuse_more(config, what);
  LoraOptions options;
  options.rank = io::get_int(config, "r", 1, 1 << 20, what);
  options.alpha = io::get_double(config, "lora_alpha", what);
  options.scale_by_root = config.value("use_rslora", false);
  for (const json& target : config.at("target_modules")) options.targets.push_back(target);
  Lora lora(model, options);
  lora.load(folder);
  return lora;
}

std::vector<at::Tensor> Lora::leaves() const {
  std::vector<at::Tensor> leaves;
  for (const Module& module : modules_) {
    leaves.push_back(module.a);
    leaves.push_back(module.b);
  }
  return leaves;
}

double Lora::scale() const {
  const auto rank = static_cast<double>(options_.rank);
  return options_.alpha / (options_.scale_by_root ? std::sqrt(rank) : rank);
}

Weights Lora::applied(const Weights& weights, const ModelConfig& config) const {
  Weights result = weights;
  std::map<std::string, at::Tensor> changes;  // By parameter, as held.
  for (const Module& module : modules_) {
    const at::Tensor product = at::mm(module.b, module.a) * scale();
    const at::Tensor stored = module.outputs_last ? product.t() : product;
    for (const Origin& part : module.parts) {
      const at::Tensor region = region_of(stored, part).flatten(part.axis, part.axis + 1);
      changes[part.parameter] = part.transposed ? region.t() : region;
    }
  }
  for (BlockWeights& block : result.blocks) {
    const auto layer = std::to_string(&block - result.blocks.data());
    const auto change = [&](const char* site, Matrix& matrix) {
      const auto found = changes.find("blocks." + layer + "." + site);
      if (found != changes.end()) matrix = Matrix(matrix.dense() + found->second);
    };
    change("attn.W_Q", block.attn.W_Q);
    change("attn.W_K", block.attn.W_K);
    change("attn.W_V", block.attn.W_V);
    change("attn.W_O", block.attn.W_O);
    change("mlp.W_in", block.mlp.W_in);
    change("mlp.W_gate", block.mlp.W_gate);
    change("mlp.W_out", block.mlp.W_out);
  }
  require(static_cast<int64_t>(result.blocks.size()) == config.n_layers,
          "lora: weights of another model");
  return result;
}

void Lora::save(const fs::path& folder, const std::string& base) const {
  std::vector<io::TensorView> views;
  std::set<std::string> targets;
  for (const Module& module : modules_) {
    views.push_back(to_view(kPrefix + module.name + ".lora_A.weight", module.a.detach()));
    views.push_back(to_view(kPrefix + module.name + ".lora_B.weight", module.b.detach()));
    targets.insert(last_part(module.name));
  }
  io::write_safetensors(folder / kTensors, views, {{"format", "pt"}});
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", base},
                                         {"r", options_.rank},
                                         {"lora_alpha", options_.alpha},
                                         {"use_rslora", options_.scale_by_root},
                                         {"lora_dropout", 0.0},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", modules_.front().outputs_last},
                                         {"inference_mode", true},
                                         {"target_modules", targets}};
  io::write_file(folder / kConfig, io::dump_json(config, 2) + "\n");
}

void Lora::load(const fs::path& folder) {
  const at::NoGradGuard no_grad;
  const io::TensorMap saved = read_tensors_of(folder);
  if (saved.tensors.size() != 2 * modules_.size()) {
    fail(ErrorCode::kCorruptData, "{}: expected A and B of {} modules, found {} tensors",
         saved.source, modules_.size(), saved.tensors.size());
  }
  for (const Module& module : modules_) {
    for (const auto& [part, tensor] :
         {std::pair{".lora_A.weight", module.a}, std::pair{".lora_B.weight", module.b}}) {
      const at::Tensor value = to_tensor(saved.at(kPrefix + module.name + part));
      if (value.sizes() != tensor.sizes()) {
        fail(ErrorCode::kCorruptData, "{}: '{}{}' is {}, expected {}", saved.source, module.name,
             part, c10::str(value.sizes()), c10::str(tensor.sizes()));
      }
      tensor.detach().copy_(value);
    }
  }
}

}  // namespace weir
