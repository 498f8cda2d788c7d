#include "weir/rl/policy.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/lm/unembedding.h"

namespace weir::rl {
namespace {

using Source = PolicySpec::Source;

// The stream (or what a module writes) that the policy reads, [B, T, D].
at::Tensor read_vector(const Transformer& model, const Weights& weights, const TokenBatch& batch,
                       const PolicySpec& spec) {
  ForwardInput input;
  input.tokens = batch.tokens;
  input.attention_mask = batch.attention_mask;
  input.logits = LogitsAt::kNone;
  input.stop_at_layer = spec.source == Source::kFull ? model.config().n_layers : spec.layer;
  if (spec.source == Source::kFull || spec.source == Source::kLayer) {
    return model.forward(weights, input).residual;
  }
  Hooks hooks(model.hook_names());
  at::Tensor read;
  const char* site = spec.source == Source::kAttention ? "attn_out" : "mlp_out";
  hooks.add(fmt::format("blocks.{}.hook_{}", spec.layer - 1, site),
            [&read](const at::Tensor& activation, const HookContext&) {
              read = activation;
              return activation;
            });
  input.hooks = &hooks;
  model.forward(weights, input);
  return read;
}

}  // namespace

std::string PolicySpec::name() const {
  if (source == Source::kFull) {
    return temperature == 1 ? "full" : fmt::format("full, T {:g}", temperature);
  }
  std::string text = fmt::format("{} {}",
                                 source == Source::kLayer       ? "layer"
                                 : source == Source::kAttention ? "attention"
                                                                : "mlp",
                                 layer);
  if (norm == PolicyNorm::kOwn) text += ", final norm";
  if (norm == PolicyNorm::kControlled) text += ", unit rms";
  return temperature == 1 ? text : text + fmt::format(", T {:g}", temperature);
}

bool PolicySpec::operator==(const PolicySpec& other) const {
  if (source != other.source || temperature != other.temperature) return false;
  return source == Source::kFull || (layer == other.layer && norm == other.norm);
}

PolicySpec policy_spec(const std::string& source, int64_t layer, const std::string& norm,
                       double temperature, int64_t n_layers) {
  PolicySpec spec;
  require(temperature > 0, "policy: expected a temperature above 0, got {}", temperature);
  spec.temperature = temperature;
  if (source == "full") return spec;
  require(source == "layer" || source == "attention" || source == "mlp",
          "policy: expected full, layer, attention or mlp, got '{}'", source);
  spec.source = source == "layer"       ? Source::kLayer
                : source == "attention" ? Source::kAttention
                                        : Source::kMlp;
  require(layer >= 1 && layer <= n_layers,
          "policy: expected a layer from 1 to {} (they count from 1), got {}", n_layers, layer);
  spec.layer = layer;
  spec.norm = policy_norm_of(norm == "final_norm" ? "own"
                             : norm == "unit_rms" ? "controlled"
                                                  : norm);
  require(spec.norm != PolicyNorm::kFrozen,
          "policy: the frozen norm needs the layers above; expected none, own or controlled");
  return spec;
}

PolicyScores policy_scores(const Transformer& model, const Weights& weights,
                           const TokenBatch& batch, const at::Tensor& mask,
                           const PolicySpec& spec) {
  check_shape(batch);
  const int64_t rows = batch.tokens.size(0), columns = batch.tokens.size(1) - 1;
  require(mask.dim() == 2 && mask.size(0) == rows && mask.size(1) == columns,
          "policy scores: expected a mask [{}, {}], got {}", rows, columns, c10::str(mask.sizes()));
  const Weights computed = for_computing_in(weights, model.dtype());
  // The last token of a row is read by nobody.
  TokenBatch read = batch;
  read.tokens = batch.tokens.slice(1, 0, columns);
  if (batch.attention_mask.defined()) {
    read.attention_mask = batch.attention_mask.slice(1, 0, columns);
  }
  const at::Tensor places = mask.gt(0).flatten().nonzero().flatten();
  const at::Tensor stream = read_vector(model, computed, read, spec);
  at::Tensor x = stream.flatten(0, 1).index_select(0, places);
  x = policy_vector(model.config(), computed, x,
                    spec.source == Source::kFull ? PolicyNorm::kOwn : spec.norm);
  VocabScoreOptions options;
  options.targets = batch.tokens.slice(1, 1).flatten().index_select(0, places);
  options.temperature = spec.temperature;
  const VocabScores scores = unembedding_scores(model.config(), computed, x, options);
  const auto spread = [&](const at::Tensor& values) {
    return at::zeros({rows * columns}, values.options())
        .index_put({places}, values)
        .view({rows, columns});
  };
  return {spread(scores.log_prob), spread(scores.entropy)};
}

}  // namespace weir::rl
