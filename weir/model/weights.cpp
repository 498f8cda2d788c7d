#include "weir/model/weights.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir {
namespace {

// How what is held looks under its TransformerLens name.
enum class Layout {
  kPlain,           // As held.
  kFlat,            // [heads, K] held as [heads K]: b_Q, b_K, b_V
  kTable,           // [out, in] held as [in, out]: W_E
  kHeadsOfOutputs,  // [heads, in, K] held as [in, heads K]: W_Q, W_K, W_V
  kHeadsOfInputs,   // [heads, K, out] held as [heads K, out]: W_O
};

// Where a parameter is held; one of matrix and tensor is set.
struct Place {
  std::string name;
  std::vector<int64_t> shape;  // Under its TransformerLens name.
  Layout layout = Layout::kPlain;
  Matrix* matrix = nullptr;
  at::Tensor* tensor = nullptr;

  bool is_held() const { return matrix != nullptr ? matrix->defined() : tensor->defined(); }
};

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

at::Tensor read(const Place& place, at::ScalarType dtype) {
  return as_shown(place.matrix != nullptr ? place.matrix->dense(dtype) : place.tensor->to(dtype),
                  place);
}

void write(const Place& place, const at::Tensor& value) {
  require(value.defined() && value.sizes() == at::IntArrayRef(place.shape),
          "parameter '{}': expected shape {}, got {}", place.name,
          c10::str(at::IntArrayRef(place.shape)),
          value.defined() ? c10::str(value.sizes()) : "an undefined tensor");
  require(value.is_floating_point(), "parameter '{}': expected floating point values, got {}",
          place.name, at::toString(value.scalar_type()));
  if (place.matrix != nullptr) {
    *place.matrix = Matrix(as_held(value, place));
  } else {
    *place.tensor = as_held(value, place);
  }
}

// Lists the places of a model in forward order: all that its config allows, held or not.
class Places {
 public:
  Places(Weights& weights, const ModelConfig& config) : config_(config) {
    const int64_t d = config.d_model, v = config.d_vocab;
    add("embed.W_E", {v, d}, weights.W_E, Layout::kTable);
    if (config.position == PositionKind::kLearned) {
      add("pos_embed.W_pos", {n_positions(weights), d}, weights.W_pos);
    }
    add_norm("embed.ln", weights.embed_norm, d, d);
    for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
      add_block("blocks." + std::to_string(layer) + ".", weights.blocks[layer]);
    }
    add_norm("ln_final", weights.ln_final, d, d);
    add("unembed.W_U", {d, v}, weights.W_U);
    add("unembed.b_U", {v}, weights.b_U);
  }

  std::vector<Place> take() && { return std::move(places_); }

 private:
  int64_t n_positions(const Weights& weights) const {
    return weights.W_pos.defined() ? weights.W_pos.size(0) : config_.n_ctx;
  }

  void add(std::string name, std::vector<int64_t> shape, Matrix& matrix,
           Layout layout = Layout::kPlain) {
    places_.push_back({std::move(name), std::move(shape), layout, &matrix, nullptr});
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
    add_norm(attn + "q_norm", weights.q_norm, whole ? h * k : k, whole ? h * k : k);
    add_norm(attn + "k_norm", weights.k_norm, whole ? g * k : k, whole ? g * k : k);
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

std::vector<Place> places_of(Weights& weights, const ModelConfig& config) {
  return Places(weights, config).take();
}

// TransformerLens calls the matrices of grouped key heads _W_K, _W_V, _b_K, _b_V.
std::string without_group_mark(std::string_view name) {
  std::string plain(name);
  const size_t dot = plain.rfind("attn._");
  if (dot != std::string::npos) plain.erase(dot + 5, 1);
  return plain;
}

Place place_of(Weights& weights, const ModelConfig& config, std::string_view name, bool held) {
  const std::string plain = without_group_mark(name);
  std::vector<std::string> known;
  for (const Place& place : places_of(weights, config)) {
    if (held && !place.is_held()) continue;
    if (place.name == plain) return place;
    known.push_back(place.name);
  }
  fail(ErrorCode::kNotFound, "weights: this model has no parameter '{}'{}", name,
       did_you_mean(plain, known));
}

}  // namespace

std::vector<Parameter> parameters(Weights& weights, const ModelConfig& config) {
  std::vector<Parameter> result;
  for (const Place& place : places_of(weights, config)) {
    if (!place.is_held()) continue;
    result.push_back({place.name, [place](at::ScalarType dtype) { return read(place, dtype); },
                      [place](const at::Tensor& value) { write(place, value); }});
  }
  return result;
}

at::Tensor get_parameter(const Weights& weights, const ModelConfig& config, std::string_view name,
                         at::ScalarType dtype) {
  Weights handles = weights;
  return read(place_of(handles, config, name, /*held=*/true), dtype);
}

void set_parameter(Weights& weights, const ModelConfig& config, std::string_view name,
                   const at::Tensor& value) {
  write(place_of(weights, config, name, /*held=*/false), value);
}

namespace {

// Calls visit(Matrix&) and visit(at::Tensor&) for everything that a Weights can hold, W_U apart.
template <typename Visit>
void visit_norm(NormWeights& norm, const Visit& visit) {
  visit(norm.w);
  visit(norm.b);
}

template <typename Visit>
void visit_block(BlockWeights& block, const Visit& visit) {
  AttentionWeights& attn = block.attn;
  MlpWeights& mlp = block.mlp;
  for (NormWeights* norm :
       {&block.ln1, &block.ln2, &block.ln1_post, &block.ln2_post, &attn.q_norm, &attn.k_norm}) {
    visit_norm(*norm, visit);
  }
  for (Matrix* matrix :
       {&attn.W_Q, &attn.W_K, &attn.W_V, &attn.W_O, &mlp.W_in, &mlp.W_gate, &mlp.W_out}) {
    visit(*matrix);
  }
  for (at::Tensor* bias :
       {&attn.b_Q, &attn.b_K, &attn.b_V, &attn.b_O, &mlp.b_in, &mlp.b_gate, &mlp.b_out}) {
    visit(*bias);
  }
}

template <typename Visit>
void visit_all(Weights& weights, const Visit& visit) {
  visit(weights.W_E);
  visit(weights.W_pos);
  visit_norm(weights.embed_norm, visit);
  for (BlockWeights& block : weights.blocks) visit_block(block, visit);
  visit_norm(weights.ln_final, visit);
  visit(weights.b_U);
}

struct Converter {
  at::Device device;
  at::ScalarType dtype;
  bool keeps_blocks = false;
  void operator()(Matrix& matrix) const {
    if (!keeps_blocks || !matrix.is_quantised()) matrix = matrix.to(device, dtype);
  }
  void operator()(at::Tensor& tensor) const {
    if (tensor.defined()) tensor = tensor.to(device, dtype);
  }
};

struct ByteCounter {
  int64_t& total;
  void operator()(const Matrix& matrix) const { total += matrix.n_bytes(); }
  void operator()(const at::Tensor& tensor) const {
    if (tensor.defined()) total += static_cast<int64_t>(tensor.nbytes());
  }
};

}  // namespace

namespace {

// A tied unembedding stays the object that W_E is.
Weights converted(const Weights& weights, const Converter& convert) {
  Weights result = weights;
  visit_all(result, convert);
  if (weights.W_U.is_same(weights.W_E)) {
    result.W_U = result.W_E;
  } else {
    convert(result.W_U);
  }
  return result;
}

}  // namespace

Weights to(const Weights& weights, at::Device device, at::ScalarType dtype) {
  return converted(weights, {device, dtype});
}

Weights for_computing_in(const Weights& weights, at::ScalarType dtype) {
  if (dtype == at::kFloat) return weights;
  const at::Tensor& table = weights.W_E.storage();
  const at::Device device = table.defined() ? table.device() : at::Device(at::kCPU);
  return converted(weights, {device, dtype, dtype != at::kDouble});
}

int64_t n_parameters(const Weights& weights, const ModelConfig& config) {
  Weights handles = weights;
  const bool tied = weights.W_U.is_same(weights.W_E);
  int64_t total = 0;
  for (const Place& place : places_of(handles, config)) {
    if (!place.is_held() || (tied && place.matrix == &handles.W_U)) continue;
    int64_t count = 1;
    for (const int64_t size : place.shape) count *= size;
    total += count;
  }
  return total;
}

int64_t n_bytes(const Weights& weights) {
  Weights handles = weights;
  int64_t total = 0;
  visit_all(handles, ByteCounter{total});
  return weights.W_U.is_same(weights.W_E) ? total : total + weights.W_U.n_bytes();
}

}  // namespace weir
