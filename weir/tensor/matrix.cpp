#include "weir/tensor/matrix.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"
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

// A stretch of outputs this long divides evenly for kernels that make several columns at once.
constexpr int64_t kPieceColumns = 128;
constexpr int64_t kPieceRows = 32;

/// Rows of stored elements, one output each, `row_bytes` apart.
struct StoredRows {
  const std::byte* data;
  int64_t row_bytes, n_in;
  io::DType dtype;
};

void dequantise_rows(const StoredRows& rows, int64_t first, int64_t count, float* out) {
  const auto dequantise = kernels::best().format(rows.dtype)->dequantise;
  at::parallel_for(0, count, 32, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      dequantise(rows.data + (first + row) * rows.row_bytes, rows.n_in, out + row * rows.n_in);
    }
  });
}

StoredRows stored_rows(const io::TensorView& blocks) {
  const int64_t row_bytes = static_cast<int64_t>(blocks.n_bytes) / blocks.shape[0];
  return {blocks.data, row_bytes, blocks.shape[1], blocks.dtype};
}

// The outputs of a dense matrix when `by_rows`, else its inputs, as rows.
StoredRows stored_rows(const at::Tensor& dense, bool by_rows) {
  const auto* data = static_cast<const std::byte*>(dense.data_ptr());
  const int64_t stride = dense.stride(by_rows ? 1 : 0);
  return {data, stride * static_cast<int64_t>(dense.element_size()), dense.size(0),
          stored_type(dense.scalar_type())};
}

void add_bias(const float* bias, int64_t first, int64_t count, at::Tensor& y) {
  for (int64_t n = 0; n < y.size(0); ++n) {
    float* row = y.data_ptr<float>() + n * y.size(1);
    for (int64_t i = first; i < first + count; ++i) row[i] += bias[i];
  }
}

at::Tensor rows_of(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)}).to(at::kFloat).contiguous();
}

at::Tensor shaped_like(const at::Tensor& y, const at::Tensor& x) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = y.size(1);
  return y.view(shape).to(x.scalar_type());
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
  dequantise_rows(stored_rows(blocks_), 0, n_out(), rows.data_ptr<float>());
  return rows.to(dtype).t();
}

at::Tensor Matrix::apply(const at::Tensor& x, const at::Tensor& bias) const {
  require(x.size(-1) == n_in(), "matrix: expected inputs of width {}, got {}", n_in(), x.size(-1));
  if (!multiplies_as_stored(x, bias)) {
    const at::ScalarType sums = needs_widening(x) ? at::kFloat : x.scalar_type();
    const at::Tensor offset = bias.defined() ? bias.to(sums) : bias;
    return at::linear(x.to(sums), dense(sums).t(), offset).to(x.scalar_type());
  }
  if (x.numel() <= kFewRows * n_in()) return apply_together(x, {{*this, bias}})[0];
  if (!is_quantised() && !is_half(dense_.scalar_type())) {
    const at::Tensor offset = bias.defined() ? bias.to(at::kFloat) : bias;
    return at::linear(x.to(at::kFloat), dense_.t(), offset).to(x.scalar_type());
  }
  at::Tensor y = apply_tiled(rows_of(x));
  if (bias.defined()) y.add_(bias);
  return shaped_like(y, x);
}

bool Matrix::multiplies_as_stored(const at::Tensor& x, const at::Tensor& bias) const {
  if (!x.device().is_cpu() || needs_graph({x, bias, dense_})) return false;
  if (is_quantised()) return true;
  const bool in_float = x.scalar_type() == at::kFloat || is_half(x.scalar_type());
  return in_float && dense_.device().is_cpu() && (dense_.stride(0) == 1 || dense_.stride(1) == 1) &&
         kernels::best().format(stored_type(dense_.scalar_type())) != nullptr;
}

/// y = x W + bias for few rows of x, made stretch by stretch of the outputs.
struct Matrix::FewRows {
  FewRows(const Matrix& matrix, at::Tensor rows, const at::Tensor& offset)
      : by_rows(matrix.is_quantised() || matrix.dense_.stride(0) == 1),
        stored(matrix.is_quantised() ? stored_rows(matrix.blocks_)
                                     : stored_rows(matrix.dense_, by_rows)),
        x(std::move(rows)),
        bias(offset.defined() ? offset.to(at::kFloat).contiguous() : offset),
        y(at::empty({x.size(0), matrix.n_out()}, at::kFloat)) {}

  void make(int64_t first, int64_t count) {
    const kernels::FormatKernels& kernel = *kernels::best().format(stored.dtype);
    const float* in = x.data_ptr<float>();
    float* out = y.data_ptr<float>() + first;
    const int64_t n_in = x.size(1), n_x = x.size(0);
    if (by_rows) {
      kernel.rows_times_x({stored.data + first * stored.row_bytes, stored.row_bytes, count, n_in,
                           in, n_in, n_x, out, y.size(1)});
    } else {
      const int64_t element = stored.dtype == io::DType::kF32 ? 4 : 2;
      kernel.x_times_columns({stored.data + first * element, stored.row_bytes, count, n_in, in,
                              n_in, n_x, out, y.size(1)});
    }
    if (bias.defined()) add_bias(bias.data_ptr<float>(), first, count, y);
  }

  bool by_rows;
  StoredRows stored;
  at::Tensor x, bias, y;
};

std::vector<at::Tensor> apply_together(const at::Tensor& x, const std::vector<Affine>& maps) {
  const bool few = x.numel() <= kFewRows * x.size(-1) &&
                   std::all_of(maps.begin(), maps.end(), [&](const Affine& map) {
                     return map.matrix.multiplies_as_stored(x, map.bias);
                   });
  std::vector<at::Tensor> results;
  if (!few) {
    for (const Affine& map : maps) results.push_back(map.matrix.apply(x, map.bias));
    return results;
  }
  struct Piece {
    size_t map;
    int64_t first, count;
  };
  const at::Tensor rows = rows_of(x);
  std::vector<Matrix::FewRows> products;
  std::vector<Piece> pieces;
  for (const Affine& map : maps) {
    require(map.matrix.n_in() == x.size(-1), "matrix: expected inputs of width {}, got {}",
            map.matrix.n_in(), x.size(-1));
    products.emplace_back(map.matrix, rows, map.bias);
    const int64_t length = products.back().by_rows ? kPieceRows : kPieceColumns;
    for (int64_t first = 0; first < map.matrix.n_out(); first += length) {
      const int64_t count = std::min(length, map.matrix.n_out() - first);
      pieces.push_back({products.size() - 1, first, count});
    }
  }
  const int64_t work = kPieceRows * std::max<int64_t>(rows.numel(), 1);
  const auto n_pieces = static_cast<int64_t>(pieces.size());
  at::parallel_for(0, n_pieces, std::max<int64_t>(1, kWorthAThread / work),
                   [&](int64_t begin, int64_t end) {
                     while (begin < end) {
                       const Piece& from = pieces[begin];
                       int64_t count = 0;
                       for (; begin < end && pieces[begin].map == from.map; ++begin) {
                         count += pieces[begin].count;
                       }
                       products[from.map].make(from.first, count);
                     }
                   });
  for (const Matrix::FewRows& product : products) results.push_back(shaped_like(product.y, x));
  return results;
}

at::Tensor Matrix::apply_tiled(const at::Tensor& x) const {
  at::Tensor y = at::empty({x.size(0), n_out()}, at::kFloat);
  const int64_t tile = std::min(kTileRows, n_out());
  const at::Tensor scratch = at::empty({tile * n_in()}, at::kFloat);
  for (int64_t first = 0; first < n_out(); first += tile) {
    const int64_t count = std::min(tile, n_out() - first);
    at::Tensor target = y.slice(1, first, first + count);
    at::mm_out(target, x, widened_tile(first, count, scratch));
  }
  return y;
}

// Outputs first .. first + count as float32 [in, count] in `scratch`, laid out as they are stored.
at::Tensor Matrix::widened_tile(int64_t first, int64_t count, const at::Tensor& scratch) const {
  auto* out = scratch.data_ptr<float>();
  if (is_quantised() || dense_.stride(0) == 1) {
    dequantise_rows(is_quantised() ? stored_rows(blocks_) : stored_rows(dense_, true), first, count,
                    out);
    return scratch.slice(0, 0, count * n_in()).view({count, n_in()}).t();
  }
  StoredRows inputs = stored_rows(dense_, false);
  inputs.data += first * static_cast<int64_t>(dense_.element_size());
  inputs.n_in = count;
  dequantise_rows(inputs, 0, n_in(), out);
  return scratch.slice(0, 0, n_in() * count).view({n_in(), count});
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
    dequantise_rows(stored_rows(blocks_), flat.data_ptr<int64_t>()[i], 1,
                    out.data_ptr<float>() + i * n_in());
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
