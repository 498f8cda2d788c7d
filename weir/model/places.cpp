#include "weir/model/places.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor as_shown(const at::Tensor& held, const Place& place) {
  switch (place.layout) {
    case Layout::kPlain:
      return held;
    case Layout::kFlat:
      return held.view(place.shape);
    case Layout::kTable:
      return held.t();
    case Layout::kHeadsOfOutputs:
      return held.unflatten(1, {place.shape[0], place.shape[2]}).permute({1, 0, 2});
    case Layout::kHeadsOfInputs:
      return held.unflatten(0, {place.shape[0], place.shape[1]});
  }
  fail(ErrorCode::kInternal, "weights: unknown layout");
}

at::Tensor as_held(const at::Tensor& shown, const Place& place) {
  switch (place.layout) {
    case Layout::kPlain:
      return shown;
    case Layout::kFlat:
      return shown.reshape({-1});
    case Layout::kTable:
      return shown.t();
    case Layout::kHeadsOfOutputs:
      return shown.permute({1, 0, 2}).flatten(1);
    case Layout::kHeadsOfInputs:
      return shown.flatten(0, 1);
  }
  fail(ErrorCode::kInternal, "weights: unknown layout");
}

// Lists the places of a model in forward order: all that its config allows, held or not.
class Places {
 public:
  Places(Weights& weights, const ModelConfig& config) : config_(config) {
    const int64_t d = config.d_model, v = config.d_vocab;
    add("embed.W_E", {v, d}, weights.W_E, Layout::kTable);
    places_.back().partner = &weights.W_U;
    if (config.position == PositionKind::kLearned) {
      add("pos_embed.W_pos", {n_positions(weights), d}, weights.W_pos);
    }
    add_norm("embed.ln", weights.embed_norm, d, d);
    for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
      add_block("blocks." + std::to_string(layer) + ".", weights.blocks[layer]);
    }
    add_norm("ln_final", weights.ln_final, d, d);
    add("unembed.W_U", {d, v}, weights.W_U);
    places_.back().partner = &weights.W_E;
    add("unembed.b_U", {v}, weights.b_U);
  }

  std::vector<Place> take() && { return std::move(places_); }

 private:
  int64_t n_positions(const Weights& weights) const {
    return weights.W_pos.defined() ? weights.W_pos.size(0) : config_.n_ctx;
  }

  void add(std::string name, std::vector<int64_t> shape, Matrix& matrix,
           Layout layout = Layout::kPlain) {
    places_.push_back({std::move(name), std::move(shape), layout, &matrix});
  }

  void add(std::string name, std::vector<int64_t> shape, at::Tensor& tensor,
           Layout layout = Layout::kPlain) {
    places_.push_back({std::move(name), std::move(shape), layout, nullptr, &tensor});
  }

  void add_norm(const std::string& prefix, NormWeights& norm, int64_t n_gain, int64_t n_bias) {
    if (!norm.present) return;
    add(prefix + ".w", {n_gain}, norm.w);
    add(prefix + ".b", {n_bias}, norm.b);
  }

  void add_block(const std::string& block, BlockWeights& weights) {
    const int64_t d = config_.d_model;
    add_norm(block + "ln1", weights.ln1, d, d);
    add_attention(block + "attn.", weights.attn);
    add_norm(block + "ln1_post", weights.ln1_post, d, d);
    add_norm(block + "ln2", weights.ln2, d, d);
    add_mlp(block + "mlp.", weights.mlp);
    add_norm(block + "ln2_post", weights.ln2_post, d, d);
  }

  void add_attention(const std::string& attn, AttentionWeights& weights) {
    const int64_t d = config_.d_model, k = config_.d_head;
    const int64_t h = config_.n_heads, g = config_.n_kv_heads;
    add(attn + "W_Q", {h, d, k}, weights.W_Q, Layout::kHeadsOfOutputs);
    add(attn + "b_Q", {h, k}, weights.b_Q, Layout::kFlat);
    add(attn + "W_K", {g, d, k}, weights.W_K, Layout::kHeadsOfOutputs);
    add(attn + "b_K", {g, k}, weights.b_K, Layout::kFlat);
    add(attn + "W_V", {g, d, k}, weights.W_V, Layout::kHeadsOfOutputs);
    add(attn + "b_V", {g, k}, weights.b_V, Layout::kFlat);
    const bool whole = config_.qk_norm == QkNorm::kWholeProjection;
    if (config_.qk_norm == QkNorm::kOwnPerHead) {
      add(attn + "q_norm.w", {h, k}, weights.q_norm.w);
      add(attn + "k_norm.w", {g, k}, weights.k_norm.w);
    } else {
      add_norm(attn + "q_norm", weights.q_norm, whole ? h * k : k, whole ? h * k : k);
      add_norm(attn + "k_norm", weights.k_norm, whole ? g * k : k, whole ? g * k : k);
    }
    add(attn + "W_O", {h, k, d}, weights.W_O, Layout::kHeadsOfInputs);
    add(attn + "b_O", {d}, weights.b_O);
  }

  void add_mlp(const std::string& mlp, MlpWeights& weights) {
    const int64_t d = config_.d_model, m = config_.d_mlp;
    if (config_.gated_mlp) {
      add(mlp + "W_gate", {d, m}, weights.W_gate);
      add(mlp + "b_gate", {m}, weights.b_gate);
    }
    add(mlp + "W_in", {d, m}, weights.W_in);
    add(mlp + "b_in", {m}, weights.b_in);
    add(mlp + "W_out", {m, d}, weights.W_out);
    add(mlp + "b_out", {d}, weights.b_out);
  }

  const ModelConfig& config_;
  std::vector<Place> places_;
};

}  // namespace

at::Tensor Place::held(at::ScalarType dtype) const {
  return matrix != nullptr ? matrix->dense(dtype) : tensor->to(dtype);
}

std::vector<Place> places_of(Weights& weights, const ModelConfig& config) {
  return Places(weights, config).take();
}

at::Tensor read(const Place& place, at::ScalarType dtype) {
  return as_shown(place.held(dtype), place);
}

void hold(const Place& place, const at::Tensor& held) {
  if (place.tensor != nullptr) {
    *place.tensor = held;
    return;
  }
  const bool tied = place.is_tied();
  *place.matrix = Matrix(held);
  if (tied) *place.partner = *place.matrix;
}

void write(const Place& place, const at::Tensor& value) {
  require(value.defined() && value.sizes() == at::IntArrayRef(place.shape),
          "parameter '{}': expected shape {}, got {}", place.name,
          c10::str(at::IntArrayRef(place.shape)),
          value.defined() ? c10::str(value.sizes()) : "an undefined tensor");
  require(value.is_floating_point(), "parameter '{}': expected floating point values, got {}",
          place.name, at::toString(value.scalar_type()));
  hold(place, as_held(value, place));
}

}  // namespace weir
