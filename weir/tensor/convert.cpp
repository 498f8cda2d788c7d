#include "weir/tensor/convert.h"

#include <filesystem>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/io/dequantize.h"
#include "weir/io/npy.h"
#include "weir/io/safetensors.h"
#include "weir/io/torch_archive.h"

namespace weir {
namespace {

using io::DType;

// The ATen type with the same bytes, or Undefined when there is none.
at::ScalarType same_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return at::kDouble;
    case DType::kF32:
      return at::kFloat;
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    case DType::kI64:
      return at::kLong;
    case DType::kI32:
      return at::kInt;
    case DType::kI16:
      return at::kShort;
    case DType::kI8:
      return at::kChar;
    case DType::kU8:
      return at::kByte;
    case DType::kBool:
      return at::kBool;
    default:
      return at::ScalarType::Undefined;
  }
}

template <typename Unsigned>
at::Tensor widen(const io::TensorView& view) {
  at::Tensor out = at::empty(view.shape, at::kLong);
  const auto* source = reinterpret_cast<const Unsigned*>(view.data);
  int64_t* target = out.data_ptr<int64_t>();
  for (int64_t i = 0; i < out.numel(); ++i) target[i] = static_cast<int64_t>(source[i]);
  return out;
}

DType stored_dtype(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return DType::kF64;
    case at::kFloat:
      return DType::kF32;
    case at::kHalf:
      return DType::kF16;
    case at::kBFloat16:
      return DType::kBF16;
    case at::kLong:
      return DType::kI64;
    case at::kInt:
      return DType::kI32;
    case at::kShort:
      return DType::kI16;
    case at::kChar:
      return DType::kI8;
    case at::kByte:
      return DType::kU8;
    case at::kBool:
      return DType::kBool;
    default:
      fail(ErrorCode::kUnsupported, "tensor: no stored form for dtype {}", at::toString(type));
  }
}

}  // namespace

at::Tensor to_tensor(const io::TensorView& view) {
  const at::ScalarType type = same_bytes(view.dtype);
  if (type != at::ScalarType::Undefined) {
    if (view.n_elements() == 0) return at::empty(view.shape, type);
    std::shared_ptr<const void> owner = view.owner;
    return at::from_blob(
        const_cast<std::byte*>(view.data), view.shape, [owner](void*) {},
        at::TensorOptions().dtype(type));
  }
  switch (view.dtype) {
    case DType::kU64:
      return widen<uint64_t>(view);
    case DType::kU32:
      return widen<uint32_t>(view);
    case DType::kU16:
      return widen<uint16_t>(view);
    default:
      break;
  }
  at::Tensor out = at::empty(view.shape, at::kFloat);
  io::dequantize(view.dtype, view.data, view.n_elements(), out.data_ptr<float>());
  return out;
}

io::TensorView to_view(std::string name, const at::Tensor& tensor) {
  auto kept = std::make_shared<at::Tensor>(tensor.detach().to(at::kCPU).contiguous());
  io::TensorView view;
  view.name = std::move(name);
  view.dtype = stored_dtype(kept->scalar_type());
  view.shape = kept->sizes().vec();
  view.data = static_cast<const std::byte*>(kept->data_ptr());
  view.n_bytes = kept->nbytes();
  view.owner = kept;
  return view;
}

std::vector<double> to_doubles(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

std::vector<std::vector<double>> to_rows(const at::Tensor& matrix) {
  std::vector<std::vector<double>> rows;
  for (int64_t i = 0; i < matrix.size(0); ++i) rows.push_back(to_doubles(matrix[i]));
  return rows;
}

at::ScalarType parse_dtype(std::string_view name) {
  if (name == "float32" || name == "fp32" || name == "f32") return at::kFloat;
  if (name == "bfloat16" || name == "bf16") return at::kBFloat16;
  if (name == "float16" || name == "fp16" || name == "f16") return at::kHalf;
  if (name == "float64" || name == "fp64" || name == "f64") return at::kDouble;
  fail(ErrorCode::kInvalidArgument,
       "dtype: expected float32, bfloat16, float16 or float64, got '{}'", name);
}

std::string dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    case at::kDouble:
      return "float64";
    default:
      return at::toString(dtype);
  }
}

io::TensorMap read_tensors(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".npz") return io::read_npz(path);
  if (extension == ".pt" || extension == ".bin" || extension == ".pth") {
    return io::read_torch_archive(path);
  }
  return io::read_safetensors(path);
}

}  // namespace weir
