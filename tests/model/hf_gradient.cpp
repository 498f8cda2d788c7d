#include "tests/model/hf_gradient.h"

#include <regex>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/model/golden_model.h"
#include "weir/base/ends_with.h"
#include "weir/base/error.h"

namespace weir {
namespace {

bool ends_with_any(const std::string& text, const std::vector<std::string>& ends) {
  for (const std::string& end : ends) {
    if (ends_with(text, end)) return true;
  }
  return false;
}

class Gradients {
 public:
  explicit Gradients(const at::Tensor& loss) : loss_(loss) {}
  at::Tensor operator()(const at::Tensor& leaf) const {
    return torch::autograd::grad({loss_}, {leaf}, {}, /*retain_graph=*/true)[0];
  }
  /// In nn.Linear's layout [out, in].
  at::Tensor rows(const Matrix& matrix) const { return (*this)(matrix.storage()).t(); }

 private:
  at::Tensor loss_;
};

at::Tensor table_gradient(const Gradients& grad, const LoadedModel& model, const Weights& weights) {
  const bool projected = model.config.family == "opt" && !model.config.tied;
  if (!projected) return grad.rows(weights.W_E);
  const auto file = read_all(model.path / "model.safetensors");
  return at::mm(grad.rows(weights.W_E), file.at("model.decoder.project_in.weight")) +
         at::mm(grad.rows(weights.W_U), file.at("model.decoder.project_out.weight").t());
}

at::Tensor block_gradient(const std::string& name, const Gradients& grad, const ModelConfig& config,
                          const BlockWeights& block) {
  const AttentionWeights& attn = block.attn;
  if (ends_with_any(name, {"ln_1.weight", "input_layernorm.weight", "attn_layer_norm.weight"})) {
    return grad(block.ln1.w);
  }
  if (ends_with(name, "q_layernorm.norms.0.weight")) return grad(attn.q_norm.w)[0];
  if (ends_with(name, "q_layernorm.weight")) return grad(attn.q_norm.w);
  if (ends_with(name, "q_norm.weight")) return grad(attn.q_norm.w);
  if (ends_with(name, "q_proj.weight")) return grad.rows(attn.W_Q);
  const std::vector<at::Tensor> qkv = {grad.rows(attn.W_Q), grad.rows(attn.W_K),
                                       grad.rows(attn.W_V)};
  if (ends_with(name, "c_attn.weight")) return at::cat(qkv, 0).t();
  if (ends_with(name, "qkv_proj.weight")) return at::cat(qkv, 0);
  if (ends_with(name, "query_key_value.weight")) {
    std::vector<at::Tensor> by_head;
    for (const at::Tensor& part : qkv) {
      by_head.push_back(part.unflatten(0, {config.n_heads, config.d_head}));
    }
    return at::stack(by_head, 1).flatten(0, 2);
  }
  if (ends_with(name, "c_fc.weight")) {
    return config.family == "gpt2" ? grad.rows(block.mlp.W_in).t() : grad.rows(block.mlp.W_in);
  }
  if (ends_with(name, "gate_up_proj.weight")) {
    return at::cat({grad.rows(block.mlp.W_gate), grad.rows(block.mlp.W_in)}, 0);
  }
  require(ends_with_any(name, {"fc1.weight", "fc_in.weight", "up_proj.weight", "h_to_4h.weight"}),
          "test: no rule for the gradient of {}", name);
  return grad.rows(block.mlp.W_in);
}

}  // namespace

void require_gradients(Weights& weights) {
  const auto want = [](const at::Tensor& tensor) {
    if (tensor.defined()) tensor.requires_grad_(true);
  };
  want(weights.W_E.storage());
  want(weights.W_U.storage());
  for (BlockWeights& block : weights.blocks) {
    for (const Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O,
                                 &block.mlp.W_in, &block.mlp.W_gate, &block.mlp.W_out}) {
      want(matrix->storage());
    }
    want(block.ln1.w);
    want(block.attn.q_norm.w);
  }
}

at::Tensor hf_gradient(const std::string& name, const at::Tensor& loss, const LoadedModel& model,
                       const Weights& weights) {
  const Gradients grad(loss);
  if (ends_with_any(name, {"lm_head.weight", "embed_out.weight"})) return grad.rows(weights.W_U);
  std::smatch match;
  if (std::regex_search(name, match, std::regex("\\.(h|layers)\\.([0-9]+)\\."))) {
    return block_gradient(name, grad, model.config, weights.blocks.at(std::stoul(match[2])));
  }
  return table_gradient(grad, model, weights);
}

}  // namespace weir
