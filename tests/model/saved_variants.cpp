#include "tests/model/saved_variants.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "tests/model/golden_model.h"
#include "weir/model/own.h"
#include "weir/model/process.h"

namespace weir {
namespace {

constexpr double kStep = 1e-3;

bool is_table(const std::string& name) { return name == "embed.W_E" || name == "unembed.W_U"; }

// What folding a LayerNorm adds to a matrix that has no bias.
bool reads_without_bias(const LoadedModel& model) {
  const BlockWeights& block = model.weights.blocks.front();
  return !model.weights.b_U.defined() || !block.attn.b_Q.defined() || !block.mlp.b_in.defined();
}

}  // namespace

bool has_projected_tables(const LoadedModel& model) {
  for (const Origin& origin : model.origins) {
    if (origin.parameter == "embed.W_E") return false;
  }
  return true;
}

LoadedModel edited(const LoadedModel& model, bool cuts_tie) {
  LoadedModel result = model;
  if (cuts_tie) untie(result.weights);
  const bool tied = result.weights.W_U.is_same(result.weights.W_E);
  double shift = 0.01;
  for (const Parameter& parameter : parameters(result.weights, result.config)) {
    const bool is_second_use = tied && parameter.name == "unembed.W_U";
    if ((has_projected_tables(model) && is_table(parameter.name)) || is_second_use) continue;
    const at::Tensor value = parameter.get(at::kFloat);
    // Different for each parameter, and for each head of it.
    const at::Tensor factor = at::arange(value.size(0)).remainder(3).mul(0.1).add(0.9);
    std::vector<int64_t> shape(value.dim(), 1);
    shape[0] = -1;
    parameter.set(value * factor.view(shape) + shift);
    shift = -shift * 0.98;
  }
  return result;
}

LoadedModel trained(const LoadedModel& model, const at::Tensor& tokens) {
  LoadedModel result = own(model);
  std::vector<std::string> globs = {"*"};
  if (has_projected_tables(model)) globs = {"blocks.*", "pos_embed.*"};
  const std::vector<Parameter> leaves = trainable(result, globs);
  ForwardInput input;
  input.tokens = tokens;
  const Transformer transformer(result.config, result.weights);
  next_token_loss(transformer.forward(result.weights, input).logits, tokens).backward();
  const at::NoGradGuard no_grad;
  for (const Parameter& leaf : leaves) {
    at::Tensor held = leaf.held();
    if (held.grad().defined()) held.sub_(held.grad(), kStep);
  }
  return result;
}

LoadedModel folded(const LoadedModel& model) {
  ProcessOptions options;
  options.fold_norm = model.config.norm == NormKind::kRmsNorm || !reads_without_bias(model);
  options.fold_value_biases = model.weights.blocks.front().attn.b_O.defined();
  if (has_projected_tables(model)) {
    options.center_writing_weights = options.center_unembed = false;
  }
  return process_weights(model, options);
}

}  // namespace weir
