#include "weir/model/checkpoint_reader.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/base/nearest.h"
#include "weir/hooks/hooks.h"
#include "weir/io/file_tensor.h"
#include "weir/io/printable.h"
#include "weir/model/places.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int64_t kComparedRows = 4096;

// The part's runs with every field set.
OutputRuns runs_of(const OutputRuns& outputs, int64_t n_out) {
  if (outputs.length == 0) return {0, n_out, n_out, 1};
  OutputRuns runs = outputs;
  if (runs.step == 0) runs.step = n_out;
  return runs;
}

at::Tensor index_of(const OutputRuns& runs) {
  return at::arange(runs.count * runs.step, at::kLong)
      .view({runs.count, runs.step})
      .narrow(1, runs.first, runs.length)
      .flatten();
}

Matrix outputs_of(const Matrix& fused, const OutputRuns& runs) {
  if (runs.length == fused.n_out()) return fused;
  return runs.count == 1 ? fused.slice_out(runs.first, runs.length)
                         : fused.select_out(index_of(runs));
}

bool same_values(const Matrix& a, const Matrix& b) {
  if (a.is_same(b)) return true;
  for (int64_t first = 0; first < a.n_out(); first += kComparedRows) {
    const int64_t count = std::min(kComparedRows, a.n_out() - first);
    if (!a.slice_out(first, count).dense().equal(b.slice_out(first, count).dense())) return false;
  }
  return true;
}

}  // namespace

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

const io::TensorView* CheckpointReader::make(const std::string& name,
                                             const std::vector<int64_t>& shape) {
  made_.push_back(to_view(name, at::zeros(shape)));
  by_name_[name] = &made_.back();
  return &made_.back();
}

bool CheckpointReader::has(const std::string& name) const { return find(name) != nullptr; }

const io::TensorView& CheckpointReader::take(const std::string& name,
                                             const std::vector<int64_t>& shape) {
  const io::TensorView* tensor = find(name);
  if (tensor == nullptr && makes_missing_) return *make(prefixes_.front() + name, shape);
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

Matrix CheckpointReader::remembered(Matrix matrix, Origin origin) {
  handed_matrices_.push_back(matrix);
  origins_of_.emplace(matrix.data(), std::vector<Origin>{std::move(origin)});
  return matrix;
}

at::Tensor CheckpointReader::remembered(at::Tensor tensor, std::vector<Origin> origins) {
  handed_tensors_.push_back(tensor);
  origins_of_.emplace(tensor.data_ptr(), std::move(origins));
  return tensor;
}

Matrix CheckpointReader::linear(const std::string& name, int64_t n_out, int64_t n_in,
                                const OutputRuns& outputs) {
  const io::TensorView& stored = take(name, {n_out, n_in});
  const OutputRuns runs = runs_of(outputs, n_out);
  return remembered(outputs_of(Matrix::from_rows(stored), runs),
                    {"", stored.name, stored.shape, 0, runs, /*transposed=*/true});
}

Matrix CheckpointReader::conv1d(const std::string& name, int64_t n_in, int64_t n_out,
                                const OutputRuns& outputs) {
  const io::TensorView& stored = take(name, {n_in, n_out});
  const OutputRuns runs = runs_of(outputs, n_out);
  return remembered(outputs_of(Matrix(to_tensor(stored)), runs),
                    {"", stored.name, stored.shape, 1, runs, /*transposed=*/false});
}

at::Tensor CheckpointReader::tensor(const std::string& name, const std::vector<int64_t>& shape,
                                    const OutputRuns& outputs) {
  const io::TensorView& stored = take(name, shape);
  Origin origin{"", stored.name, shape, 0, runs_of(outputs, shape[0]), /*transposed=*/false};
  const at::Tensor part = region_of(to_tensor(stored).to(at::kFloat), origin).flatten(0, 1);
  return remembered(part, {std::move(origin)});
}

at::Tensor CheckpointReader::optional_tensor(const std::string& name,
                                             const std::vector<int64_t>& shape,
                                             const OutputRuns& outputs) {
  return has(name) ? tensor(name, shape, outputs) : at::Tensor();
}

at::Tensor CheckpointReader::rows(const std::vector<std::string>& names, int64_t n) {
  std::vector<at::Tensor> vectors;
  std::vector<Origin> origins;
  for (const std::string& name : names) {
    const io::TensorView& stored = take(name, {n});
    Origin origin{"", stored.name, stored.shape, 0, {0, n, n, 1}, /*transposed=*/false};
    origin.row = static_cast<int64_t>(vectors.size());
    origins.push_back(std::move(origin));
    vectors.push_back(to_tensor(stored).to(at::kFloat));
  }
  return remembered(at::stack(vectors), std::move(origins));
}

Matrix CheckpointReader::output_table(const std::string& name, const Matrix& table, bool tied) {
  const int64_t n_out = table.n_out(), n_in = table.n_in();
  head_ = {"", name, {n_out, n_in}, 0, {0, n_out, n_out, 1}, /*transposed=*/true};
  const bool made = makes_missing_ && !tied;
  if (!has(name) && !made) return table;
  Matrix own = linear(name, n_out, n_in);
  if (!has(name)) return own;
  head_.tensor = find(name)->name;
  if (!tied) return own;
  if (same_values(own, table)) return table;
  log::warn(
      "{}: config.json ties the unembedding to the embedding, but '{}' holds other values; "
      "they are used, as transformers 5 uses them",
      tensors_.source, head_.tensor);
  return own;
}

std::vector<Origin> CheckpointReader::origins(const Weights& weights,
                                              const ModelConfig& config) const {
  Weights handles = weights;
  std::vector<Origin> result;
  for (const Place& place : places_of(handles, config)) {
    if (!place.is_held()) continue;
    const void* data = place.matrix != nullptr ? place.matrix->data() : place.tensor->data_ptr();
    const auto found = origins_of_.find(data);
    if (found == origins_of_.end()) continue;
    const bool is_tied_head = place.matrix == &handles.W_U && place.is_tied();
    for (const Origin& origin : found->second) {
      result.push_back(is_tied_head ? head_ : origin);
      result.back().parameter = place.name;
    }
  }
  return result;
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
