#include "weir/subnet/mask_space.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/model/heads.h"

namespace weir {
namespace {

struct KindName {
  MatrixKind kind;
  const char *place, *short_name;
};
constexpr KindName kKinds[] = {
    {MatrixKind::kQ, "attn.W_Q", "q"},
    {MatrixKind::kK, "attn.W_K", "k"},
    {MatrixKind::kV, "attn.W_V", "v"},
    {MatrixKind::kO, "attn.W_O", "o"},
    {MatrixKind::kGate, "mlp.W_gate", "mlp_gate"},
    {MatrixKind::kIn, "mlp.W_in", "mlp_in"},
    {MatrixKind::kOut, "mlp.W_out", "mlp_out"},
};

Matrix& matrix_in(BlockWeights& block, MatrixKind kind) {
  switch (kind) {
    case MatrixKind::kQ:
      return block.attn.W_Q;
    case MatrixKind::kK:
      return block.attn.W_K;
    case MatrixKind::kV:
      return block.attn.W_V;
    case MatrixKind::kO:
      return block.attn.W_O;
    case MatrixKind::kGate:
      return block.mlp.W_gate;
    case MatrixKind::kIn:
      return block.mlp.W_in;
    case MatrixKind::kOut:
      return block.mlp.W_out;
  }
  fail(ErrorCode::kInternal, "masks: unknown matrix");
}

constexpr std::pair<MaskUnit, const char*> kUnits[] = {{MaskUnit::kWeight, "weight"},
                                                       {MaskUnit::kNeuron, "neuron"},
                                                       {MaskUnit::kHead, "head"},
                                                       {MaskUnit::kLayer, "layer"},
                                                       {MaskUnit::kSvd, "svd"}};

}  // namespace

std::string to_string(MatrixKind kind) {
  for (const KindName& known : kKinds) {
    if (known.kind == kind) return known.short_name;
  }
  fail(ErrorCode::kInternal, "masks: unknown matrix");
}

Matrix& BlockMatrix::in(Weights& weights) const {
  return matrix_in(weights.blocks[static_cast<size_t>(layer)], kind);
}

const Matrix& BlockMatrix::in(const Weights& weights) const {
  return in(const_cast<Weights&>(weights));
}

at::Tensor& BlockMatrix::bias_in(Weights& weights) const {
  BlockWeights& block = weights.blocks[static_cast<size_t>(layer)];
  switch (kind) {
    case MatrixKind::kQ:
      return block.attn.b_Q;
    case MatrixKind::kK:
      return block.attn.b_K;
    case MatrixKind::kV:
      return block.attn.b_V;
    case MatrixKind::kO:
      return block.attn.b_O;
    case MatrixKind::kGate:
      return block.mlp.b_gate;
    case MatrixKind::kIn:
      return block.mlp.b_in;
    case MatrixKind::kOut:
      return block.mlp.b_out;
  }
  fail(ErrorCode::kInternal, "masks: unknown matrix");
}

std::vector<BlockMatrix> block_matrices(const Weights& weights) {
  std::vector<BlockMatrix> all;
  for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
    for (const KindName& kind : kKinds) {
      BlockMatrix matrix{fmt::format("blocks.{}.{}", layer, kind.place),
                         static_cast<int64_t>(layer), kind.kind};
      if (matrix.in(weights).defined()) all.push_back(std::move(matrix));
    }
  }
  return all;
}

BlockMatrix block_matrix_of(const std::string& name) {
  for (const KindName& kind : kKinds) {
    const size_t dot = name.size() - std::min(name.size(), std::string(kind.place).size() + 1);
    const std::string layer = dot > 7 ? name.substr(7, dot - 7) : "";
    const bool is_number = !layer.empty() && layer.size() < 7 &&
                           layer.find_first_not_of("0123456789") == std::string::npos;
    if (is_number && name == fmt::format("blocks.{}.{}", layer, kind.place)) {
      return {name, std::stoll(layer), kind.kind};
    }
  }
  fail(ErrorCode::kInvalidArgument, "masks: '{}' is no matrix of attention or MLP", name);
}

std::string to_string(MaskUnit unit) {
  for (const auto& [known, name] : kUnits) {
    if (known == unit) return name;
  }
  fail(ErrorCode::kInternal, "masks: unknown unit");
}

MaskUnit mask_unit_of(const std::string& name) {
  for (const auto& [unit, known] : kUnits) {
    if (known == name) return unit;
  }
  fail(ErrorCode::kInvalidArgument, "masks: expected weight, neuron, head, layer or svd, got '{}'",
       name);
}

MaskSpace::MaskSpace(const Weights& weights, const ModelConfig& config, MaskUnit unit,
                     at::ScalarType dtype)
    : weights_(weights), config_(config), unit_(unit), dtype_(dtype) {
  const at::NoGradGuard no_grad;
  const int64_t heads = config.n_heads, k = config.d_head;
  for (const BlockMatrix& matrix : block_matrices(weights)) {
    const bool is_o = matrix.kind == MatrixKind::kO, is_out = matrix.kind == MatrixKind::kOut;
    switch (unit) {
      case MaskUnit::kWeight:
        add(matrix, {matrix.in(weights).n_in(), matrix.in(weights).n_out()});
        break;
      case MaskUnit::kNeuron:
        if (is_out) add(matrix, {matrix.in(weights).n_in()});
        break;
      case MaskUnit::kHead:
        if (is_o) add(matrix, {heads});
        break;
      case MaskUnit::kLayer:
        if (is_o || is_out) add(matrix, {1});
        break;
      case MaskUnit::kSvd:
        if (is_o || matrix.kind == MatrixKind::kQ) add(matrix, {heads, k});
        break;
    }
  }
}

void MaskSpace::add(const BlockMatrix& matrix, std::vector<int64_t> shape) {
  parts_.push_back({matrix, std::move(shape)});
  base_.push_back(matrix.in(weights_).dense(dtype_).detach());
  if (unit_ != MaskUnit::kSvd) return;
  std::vector<at::Tensor> directions;
  for (int64_t head = 0; head < config_.n_heads; ++head) {
    const bool writes = matrix.kind == MatrixKind::kO;
    const Svd svd = writes ? ov(weights_, config_, matrix.layer, head).svd()
                           : qk(weights_, config_, matrix.layer, head).svd();
    directions.push_back(writes ? svd.Vh.t() : svd.U);
  }
  directions_.push_back(at::stack(directions).to(dtype_));
}

int64_t MaskSpace::size() const {
  return std::accumulate(
      parts_.begin(), parts_.end(), int64_t{0},
      [](int64_t sum, const MaskPart& part) { return sum + c10::multiply_integers(part.shape); });
}

std::vector<at::Tensor> MaskSpace::filled(double value) const {
  std::vector<at::Tensor> all;
  for (size_t i = 0; i < parts_.size(); ++i) {
    all.push_back(unit_ == MaskUnit::kWeight
                      ? at::full_like(base_[i], value)
                      : at::full(parts_[i].shape, value, base_[i].options()));
  }
  return all;
}

void MaskSpace::ablate_to_means(std::vector<at::Tensor> means) {
  require(means.size() == parts_.size(), "masks: expected the mean input of {} parts, got {}",
          parts_.size(), means.size());
  for (size_t i = 0; i < means.size(); ++i) {
    require(means[i].dim() == 1 && means[i].size(0) == base_[i].size(0),
            "masks: expected the mean input of '{}' to have {} entries, got {}",
            parts_[i].matrix.name, base_[i].size(0), c10::str(means[i].sizes()));
    means[i] = means[i].to(base_[i].options());
  }
  means_ = std::move(means);
}

// z of neurons, heads and layers as a factor of the matrix's rows.
at::Tensor MaskSpace::spread(const at::Tensor& z) const {
  if (unit_ == MaskUnit::kWeight) return z;
  if (unit_ == MaskUnit::kHead) return z.repeat_interleave(config_.d_head).unsqueeze(1);
  return z.unsqueeze(1);
}

at::Tensor MaskSpace::masked(size_t part, const at::Tensor& z) const {
  const at::Tensor& w = base_[part];
  if (unit_ != MaskUnit::kSvd) return w * spread(z);
  const at::Tensor& v = directions_[part];       // [H, D, K]
  const at::Tensor gain = (z - 1).unsqueeze(1);  // [H, 1, K]
  const int64_t heads = config_.n_heads, k = config_.d_head;
  if (parts_[part].matrix.kind == MatrixKind::kO) {
    const at::Tensor rows = w.view({heads, k, w.size(1)});
    return (rows + at::matmul(at::matmul(rows, v) * gain, v.transpose(1, 2))).flatten(0, 1);
  }
  const at::Tensor columns = w.unflatten(1, {heads, k}).permute({1, 0, 2});  // [H, D, K]
  const at::Tensor changed = columns + at::matmul(v * gain, at::matmul(v.transpose(1, 2), columns));
  return changed.permute({1, 0, 2}).flatten(1);
}

at::Tensor MaskSpace::gradient(size_t part, const at::Tensor& of_matrix) const {
  const at::Tensor& w = base_[part];
  switch (unit_) {
    case MaskUnit::kWeight:
      return w * of_matrix;
    case MaskUnit::kNeuron:
      return (w * of_matrix).sum(1);
    case MaskUnit::kHead:
      return (w * of_matrix).sum(1).view({config_.n_heads, config_.d_head}).sum(1);
    case MaskUnit::kLayer:
      return (w * of_matrix).sum().view({1});
    case MaskUnit::kSvd:
      break;
  }
  const at::Tensor& v = directions_[part];
  const int64_t heads = config_.n_heads, k = config_.d_head;
  if (parts_[part].matrix.kind == MatrixKind::kO) {
    const at::Tensor rows = w.view({heads, k, -1}), g = of_matrix.reshape({heads, k, -1});
    return (at::matmul(rows, v) * at::matmul(g, v)).sum(1);
  }
  const at::Tensor columns = w.unflatten(1, {heads, k}).permute({1, 0, 2});
  const at::Tensor g = of_matrix.unflatten(1, {heads, k}).permute({1, 0, 2});
  const at::Tensor vt = v.transpose(1, 2);
  return (at::matmul(vt, columns) * at::matmul(vt, g)).sum(2);
}

void MaskSpace::install(Weights& overlay, size_t part, const at::Tensor& masked) const {
  const BlockMatrix& matrix = parts_[part].matrix;
  matrix.in(overlay) = Matrix(masked);
  if (means_.empty()) return;
  const at::Tensor lost = at::matmul(means_[part], base_[part] - masked);
  at::Tensor& bias = matrix.bias_in(overlay);
  bias = bias.defined() ? bias.to(lost.scalar_type()) + lost : lost;
}

Weights MaskSpace::overlay(const std::vector<at::Tensor>& z) const {
  const at::NoGradGuard no_grad;
  require(z.size() == parts_.size(), "masks: expected values of {} parts, got {}", parts_.size(),
          z.size());
  Weights result = weights_;
  for (size_t i = 0; i < z.size(); ++i) {
    require(z[i].sizes() == at::IntArrayRef(parts_[i].shape),
            "masks: expected values of shape {} for '{}', got {}",
            c10::str(at::IntArrayRef(parts_[i].shape)), parts_[i].matrix.name,
            c10::str(z[i].sizes()));
    install(result, i, masked(i, z[i].to(dtype_)));
  }
  return result;
}

}  // namespace weir
