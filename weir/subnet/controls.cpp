#include "weir/subnet/controls.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "weir/io/json.h"
#include "weir/model/initial_weights.h"

namespace weir {

StreamOf mapped_embeddings(const LanguageModel& lm, LinearMap map) {
  return [&lm, map = std::move(map)](const at::Tensor& tokens) {
    ForwardInput input;
    input.tokens = tokens;
    input.stop_at_layer = 0;
    const at::Tensor x = lm.transformer().forward(input).residual;
    return at::linear(x.to(at::kDouble), map.coef, map.intercept).to(x.scalar_type());
  };
}

LoadedModel with_random_blocks(const LoadedModel& model, uint64_t seed, bool tables_too) {
  const at::NoGradGuard no_grad;
  const LoadedModel fresh = initial_weights(io::parse_json(model.config_json, "config.json"), seed);
  LoadedModel result = model;
  result.weights.blocks = fresh.weights.blocks;
  if (tables_too) result.weights = fresh.weights;
  return result;
}

}  // namespace weir
