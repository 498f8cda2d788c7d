#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/hooks/hooks.h"
#include "weir/io/file_tensor.h"
#include "weir/io/printable.h"
#include "weir/model/loader.h"
#include "weir/tensor/convert.h"

namespace weir {

CheckpointReader::CheckpointReader(const io::TensorMap& tensors) : tensors_(tensors) {
  for (const io::TensorView& tensor : tensors.tensors) by_name_[tensor.name] = &tensor;
}

void CheckpointReader::set_prefixes(std::vector<std::string> prefixes) {
  prefixes_ = std::move(prefixes);
}

const io::TensorView* CheckpointReader::find(const std::string& name) const {
  for (const std::string& prefix : prefixes_) {
    const auto found = by_name_.find(prefix + name);
    if (found != by_name_.end()) return found->second;
  }
  return nullptr;
}

bool CheckpointReader::has(const std::string& name) const { return find(name) != nullptr; }

const io::TensorView& CheckpointReader::take(const std::string& name,
                                             const std::vector<int64_t>& shape) {
  const io::TensorView* tensor = find(name);
  if (tensor == nullptr) {
    std::vector<std::string> known;
    for (const auto& [other, view] : by_name_) known.push_back(other);
    fail(ErrorCode::kCorruptData, "{}: tensor '{}' {} is missing{}", tensors_.source,
         prefixes_.front() + name, io::shape_text(shape),
         did_you_mean(prefixes_.front() + name, known));
  }
  if (tensor->shape != shape) {
    fail(ErrorCode::kCorruptData, "{}: tensor '{}' has shape {}, config.json asks for {}",
         tensors_.source, tensor->name, io::shape_text(tensor->shape), io::shape_text(shape));
  }
  if (!io::is_real(tensor->dtype)) {
    fail(ErrorCode::kUnsupported,
         "{}: tensor '{}' holds {}, expected floating point or a GGUF block type", tensors_.source,
         tensor->name, io::to_string(tensor->dtype));
  }
  used_.insert(tensor);
  return *tensor;
}

Matrix CheckpointReader::linear(const std::string& name, int64_t n_out, int64_t n_in) {
  return Matrix::from_rows(take(name, {n_out, n_in}));
}

Matrix CheckpointReader::conv1d(const std::string& name, int64_t n_in, int64_t n_out) {
  return Matrix(to_tensor(take(name, {n_in, n_out})));
}

at::Tensor CheckpointReader::tensor(const std::string& name, const std::vector<int64_t>& shape) {
  return to_tensor(take(name, shape)).to(at::kFloat);
}

at::Tensor CheckpointReader::optional_tensor(const std::string& name,
                                             const std::vector<int64_t>& shape) {
  return has(name) ? tensor(name, shape) : at::Tensor();
}

NormWeights CheckpointReader::norm(const std::string& prefix, int64_t n, NormKind kind) {
  NormWeights norm;
  norm.present = true;
  norm.w = tensor(prefix + ".weight", {n});
  if (kind == NormKind::kLayerNorm) norm.b = tensor(prefix + ".bias", {n});
  return norm;
}

void CheckpointReader::ignore(const std::vector<std::string>& globs) {
  ignored_.insert(ignored_.end(), globs.begin(), globs.end());
}

void CheckpointReader::finish() const {
  constexpr size_t kNamed = 5;
  std::vector<std::string> extra;
  for (const io::TensorView& tensor : tensors_.tensors) {
    if (used_.count(&tensor) != 0) continue;
    bool ignored = false;
    for (const std::string& glob : ignored_) ignored = ignored || glob_matches(glob, tensor.name);
    if (!ignored) extra.push_back("'" + io::printable(tensor.name) + "'");
  }
  if (extra.empty()) return;
  std::string named = extra[0];
  for (size_t i = 1; i < std::min(kNamed, extra.size()); ++i) named += ", " + extra[i];
  if (extra.size() > kNamed) named += fmt::format(" and {} more", extra.size() - kNamed);
  fail(ErrorCode::kCorruptData,
       "{}: {} tensors belong to no part of the model that config.json describes: {}",
       tensors_.source, extra.size(), named);
}

}  // namespace weir
