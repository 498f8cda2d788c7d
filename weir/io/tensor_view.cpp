#include "weir/io/tensor_view.h"

#include <limits>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir::io {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int64_t block_elements;
  int64_t block_bytes;
};

// In the order of the enumeration, so that a dtype is its own index.
constexpr DTypeRow kDTypes[] = {
    {DType::kF64, "F64", 1, 8},        {DType::kF32, "F32", 1, 4},
    {DType::kF16, "F16", 1, 2},        {DType::kBF16, "BF16", 1, 2},
    {DType::kF8E4M3, "F8_E4M3", 1, 1}, {DType::kF8E5M2, "F8_E5M2", 1, 1},
    {DType::kI64, "I64", 1, 8},        {DType::kI32, "I32", 1, 4},
    {DType::kI16, "I16", 1, 2},        {DType::kI8, "I8", 1, 1},
    {DType::kU64, "U64", 1, 8},        {DType::kU32, "U32", 1, 4},
    {DType::kU16, "U16", 1, 2},        {DType::kU8, "U8", 1, 1},
    {DType::kBool, "BOOL", 1, 1},      {DType::kQ4_0, "Q4_0", 32, 18},
    {DType::kQ4_1, "Q4_1", 32, 20},    {DType::kQ5_0, "Q5_0", 32, 22},
    {DType::kQ5_1, "Q5_1", 32, 24},    {DType::kQ8_0, "Q8_0", 32, 34},
    {DType::kQ2_K, "Q2_K", 256, 84},   {DType::kQ3_K, "Q3_K", 256, 110},
    {DType::kQ4_K, "Q4_K", 256, 144},  {DType::kQ5_K, "Q5_K", 256, 176},
    {DType::kQ6_K, "Q6_K", 256, 210},
};

const DTypeRow& row(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view to_string(DType dtype) { return row(dtype).name; }
bool is_block_type(DType dtype) { return row(dtype).block_elements > 1; }
// The enumeration starts with the real types and ends with the blocks.
bool is_real(DType dtype) { return dtype <= DType::kF8E5M2 || is_block_type(dtype); }
int64_t block_elements(DType dtype) { return row(dtype).block_elements; }
int64_t block_bytes(DType dtype) { return row(dtype).block_bytes; }

bool tensor_bytes(DType dtype, const std::vector<int64_t>& shape, uint64_t* n_bytes) {
  const DTypeRow& type = row(dtype);
  const int64_t row_length = shape.empty() ? 1 : shape.back();
  if (row_length % type.block_elements != 0) return false;
  // Even where a later dimension is 0, so that no reader ever sees a product that overflows.
  int64_t n_elements = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(n_elements, size, &n_elements)) return false;
  }
  int64_t total = 0;
  if (__builtin_mul_overflow(n_elements / type.block_elements, type.block_bytes, &total)) {
    return false;
  }
  *n_bytes = static_cast<uint64_t>(total);
  return true;
}

int64_t TensorView::n_elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

const TensorView* TensorMap::find(std::string_view name) const {
  for (const TensorView& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

const TensorView& TensorMap::at(std::string_view name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors) names.push_back(tensor.name);
  fail(ErrorCode::kNotFound, "{}: no tensor '{}'{}", source, name, did_you_mean(name, names));
}

}  // namespace weir::io
