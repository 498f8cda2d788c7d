#include "weir/tensor/matrix.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

// Outputs converted at once for a GEMM: 1024 rows of 4096 inputs are 16 MB, about a cache.
constexpr int64_t kTileRows = 1024;
// Up to here products with the stored form beat converting it for a GEMM (docs/performance.md).
constexpr int64_t kFewRows = 32;
// Multiply-adds below which splitting a product between threads costs more than it gives.
constexpr int64_t kWorthAThread = 1 << 15;

io::DType stored_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return io::DType::kF32;
    case at::kHalf:
      return io::DType::kF16;
    case at::kBFloat16:
      return io::DType::kBF16;
    default:
      return io::DType::kF64;
  }
}

void dequantise_rows(const io::TensorView& blocks, int64_t first, int64_t count, float* out) {
  const int64_t n_in = blocks.shape[1];
  const int64_t row_bytes = static_cast<int64_t>(blocks.n_bytes) / blocks.shape[0];
  const auto dequantise = kernels::best().format(blocks.dtype)->dequantise;
  at::parallel_for(0, count, 32, [&](int64_t begin, int64_t end) {
    dequantise(blocks.data + (first + begin) * row_bytes, (end - begin) * n_in, out + begin * n_in);
  });
}

bool needs_graph(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
  const auto requires_grad = [](const at::Tensor& t) { return t.defined() && t.requires_grad(); };
  return at::GradMode::is_enabled() && (requires_grad(a) || requires_grad(b) || requires_grad(c));
}

/// Calls product(first, count) for parts of the outputs, on several threads if that pays.
template <typename Product>
void split_outputs(int64_t n_out, int64_t work_each, const Product& product) {
  const int64_t grain = std::max<int64_t>(8, kWorthAThread / std::max<int64_t>(work_each, 1));
  at::parallel_for(0, n_out, grain,
                   [&](int64_t begin, int64_t end) { product(begin, end - begin); });
}

void add_bias(const float* bias, int64_t first, int64_t count, at::Tensor& y) {
  for (int64_t n = 0; n < y.size(0); ++n) {
    float* row = y.data_ptr<float>() + n * y.size(1);
    for (int64_t i = first; i < first + count; ++i) row[i] += bias[i];
  }
}

}  // namespace

Matrix::Matrix(at::Tensor weight) : dense_(std::move(weight)) {
  require(dense_.dim() == 2, "matrix: expected two dimensions [in, out], got {}", dense_.dim());
}

Matrix Matrix::from_rows(const io::TensorView& rows) {
  require(rows.shape.size() == 2, "matrix: '{}' has {} dimensions, expected 2", rows.name,
          rows.shape.size());
  if (!io::is_block_type(rows.dtype)) return Matrix(to_tensor(rows).t());
  Matrix matrix;
  matrix.blocks_ = rows;
  return matrix;
}

int64_t Matrix::n_in() const { return is_quantised() ? blocks_.shape[1] : dense_.size(0); }
int64_t Matrix::n_out() const { return is_quantised() ? blocks_.shape[0] : dense_.size(1); }

bool Matrix::is_same(const Matrix& other) const {
  if (!defined() || is_quantised() != other.is_quantised()) return false;
  if (is_quantised()) return blocks_.data == other.blocks_.data;
  return other.dense_.defined() && dense_.is_alias_of(other.dense_) &&
         dense_.data_ptr() == other.dense_.data_ptr() && dense_.sizes() == other.dense_.sizes() &&
         dense_.strides() == other.dense_.strides();
}

std::string Matrix::dtype_name() const {
  if (is_quantised()) return std::string(io::to_string(blocks_.dtype));
  switch (dense_.scalar_type()) {
    case at::kFloat:
      return "F32";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kDouble:
      return "F64";
    default:
      return at::toString(dense_.scalar_type());
  }
}

int64_t Matrix::n_bytes() const {
  if (!defined()) return 0;
  return is_quantised() ? static_cast<int64_t>(blocks_.n_bytes)
                        : dense_.numel() * static_cast<int64_t>(dense_.element_size());
}

at::Tensor Matrix::dense(at::ScalarType dtype) const {
  if (!is_quantised()) return dense_.scalar_type() == dtype ? dense_ : dense_.to(dtype);
  at::Tensor rows = at::empty({n_out(), n_in()}, at::kFloat);
  dequantise_rows(blocks_, 0, n_out(), rows.data_ptr<float>());
  return rows.to(dtype).t();
}

at::Tensor Matrix::apply(const at::Tensor& x, const at::Tensor& bias) const {
  require(x.size(-1) == n_in(), "matrix: expected inputs of width {}, got {}", n_in(), x.size(-1));
  const bool is_half = dense_.defined() && dense_.element_size() == 2;
  const bool own_kernels = x.device().is_cpu() && !needs_graph(x, bias, dense_) &&
                           (is_quantised() || (x.scalar_type() == at::kFloat && has_kernel()));
  if (!own_kernels) return at::linear(x, dense(x.scalar_type()).t(), bias);

  const at::Tensor rows = x.reshape({-1, n_in()}).to(at::kFloat).contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = n_out();
  at::Tensor y;
  if (rows.size(0) <= kFewRows) {
    y = apply_to_few(rows, bias);
  } else if (is_quantised() || is_half) {
    y = apply_tiled(rows);
    if (bias.defined()) y.add_(bias);
  } else {
    return at::linear(x, dense_.t(), bias);
  }
  return y.view(shape).to(x.scalar_type());
}

bool Matrix::has_kernel() const {
  const bool by_rows = dense_.stride(0) == 1, by_columns = dense_.stride(1) == 1;
  return dense_.device().is_cpu() && (by_rows || by_columns) &&
         kernels::best().format(stored_type(dense_.scalar_type())) != nullptr;
}

at::Tensor Matrix::apply_to_few(const at::Tensor& x, const at::Tensor& bias) const {
  at::Tensor y = at::empty({x.size(0), n_out()}, at::kFloat);
  const at::Tensor offset = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  const auto finish = [&](int64_t first, int64_t count) {
    if (offset.defined()) add_bias(offset.data_ptr<float>(), first, count, y);
  };
  const int64_t n_x = x.size(0), work = n_in() * n_x;
  const auto* data =
      is_quantised() ? blocks_.data : static_cast<const std::byte*>(dense_.data_ptr());
  const auto& kernel =
      *kernels::best().format(is_quantised() ? blocks_.dtype : stored_type(dense_.scalar_type()));
  if (is_quantised() || dense_.stride(0) == 1) {
    const int64_t row_bytes = is_quantised()
                                  ? static_cast<int64_t>(blocks_.n_bytes) / blocks_.shape[0]
                                  : dense_.stride(1) * static_cast<int64_t>(dense_.element_size());
    split_outputs(n_out(), work, [&](int64_t first, int64_t count) {
      kernel.rows_times_x({data + first * row_bytes, row_bytes, count, n_in(), x.data_ptr<float>(),
                           n_in(), n_x, y.data_ptr<float>() + first, n_out()});
      finish(first, count);
    });
    return y;
  }
  const auto element = static_cast<int64_t>(dense_.element_size());
  split_outputs(n_out(), work, [&](int64_t first, int64_t count) {
    kernel.x_times_columns({data + first * element, dense_.stride(0) * element, count, n_in(),
                            x.data_ptr<float>(), n_in(), n_x, y.data_ptr<float>() + first,
                            n_out()});
    finish(first, count);
  });
  return y;
}

at::Tensor Matrix::apply_tiled(const at::Tensor& x) const {
  at::Tensor y = at::empty({x.size(0), n_out()}, at::kFloat);
  const int64_t tile = std::min(kTileRows, n_out());
  const at::Tensor scratch = is_quantised() ? at::empty({tile, n_in()}, at::kFloat) : at::Tensor();
  for (int64_t first = 0; first < n_out(); first += tile) {
    const int64_t count = std::min(tile, n_out() - first);
    at::Tensor target = y.slice(1, first, first + count);
    if (is_quantised()) {
      dequantise_rows(blocks_, first, count, scratch.data_ptr<float>());
      at::mm_out(target, x, scratch.slice(0, 0, count).t());
    } else {
      at::mm_out(target, x, dense_.slice(1, first, first + count).to(at::kFloat));
    }
  }
  return y;
}

at::Tensor Matrix::lookup(const at::Tensor& ids, at::ScalarType dtype) const {
  if (!is_quantised()) return at::embedding(dense_.t(), ids).to(dtype);
  const at::Tensor flat = ids.to(at::kLong).reshape({-1}).contiguous();
  if (flat.numel() > 0) {
    require(flat.min().item<int64_t>() >= 0 && flat.max().item<int64_t>() < n_out(),
            "matrix: expected ids from 0 to {}, got {} to {}", n_out() - 1,
            flat.min().item<int64_t>(), flat.max().item<int64_t>());
  }
  at::Tensor out = at::empty({flat.size(0), n_in()}, at::kFloat);
  for (int64_t i = 0; i < flat.size(0); ++i) {
    dequantise_rows(blocks_, flat.data_ptr<int64_t>()[i], 1, out.data_ptr<float>() + i * n_in());
  }
  std::vector<int64_t> shape = ids.sizes().vec();
  shape.push_back(n_in());
  return out.view(shape).to(dtype);
}

Matrix Matrix::slice_out(int64_t first, int64_t count) const {
  if (!is_quantised()) return Matrix(dense_.slice(1, first, first + count));
  Matrix part = *this;
  const uint64_t row_bytes = blocks_.n_bytes / blocks_.shape[0];
  part.blocks_.shape[0] = count;
  part.blocks_.data += row_bytes * first;
  part.blocks_.n_bytes = row_bytes * count;
  return part;
}

Matrix Matrix::select_out(const at::Tensor& index) const {
  if (!is_quantised()) return Matrix(dense_.t().index_select(0, index).t());
  const int64_t row_bytes = static_cast<int64_t>(blocks_.n_bytes) / blocks_.shape[0];
  const at::Tensor bytes =
      at::from_blob(const_cast<std::byte*>(blocks_.data), {blocks_.shape[0], row_bytes}, at::kByte);
  const auto kept = std::make_shared<at::Tensor>(bytes.index_select(0, index));
  Matrix picked = *this;
  picked.blocks_.shape[0] = index.size(0);
  picked.blocks_.data = static_cast<const std::byte*>(kept->data_ptr());
  picked.blocks_.n_bytes = kept->nbytes();
  picked.blocks_.owner = kept;
  return picked;
}

Matrix Matrix::to(at::Device device, at::ScalarType dtype) const {
  if (!defined()) return {};
  return Matrix(dense(dtype).to(device));
}

}  // namespace weir
