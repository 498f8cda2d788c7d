#include "weir/model/weights.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/model/places.h"

namespace weir {
namespace {

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
    Parameter& parameter = result.emplace_back();
    parameter.name = place.name;
    parameter.get = [place](at::ScalarType dtype) { return read(place, dtype); };
    parameter.set = [place](const at::Tensor& value) { write(place, value); };
    parameter.held = [place] {
      return place.matrix != nullptr ? place.matrix->storage() : *place.tensor;
    };
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

void untie(Weights& weights) {
  if (!weights.W_U.is_same(weights.W_E)) return;
  const at::Tensor& dense = weights.W_E.storage();
  weights.W_U = Matrix(dense.defined() ? dense.clone() : weights.W_E.dense(at::kFloat));
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
  bool copies = false;  // Also what already is on that device in that dtype.

  at::Tensor converted(const at::Tensor& tensor) const {
    return tensor.to(device, dtype, /*non_blocking=*/false, copies);
  }
  void operator()(Matrix& matrix) const {
    if (!matrix.defined()) return;
    if (!matrix.is_quantised()) {
      matrix = Matrix(converted(matrix.storage()));
    } else if (!keeps_blocks) {
      matrix = matrix.to(device, dtype);
    }
  }
  void operator()(at::Tensor& tensor) const {
    if (tensor.defined()) tensor = converted(tensor);
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
  return converted(weights, {device, dtype, /*keeps_blocks=*/false, /*copies=*/true});
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
