#include "weir/model/convert.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/progress.h"
#include "weir/hooks/hooks.h"
#include "weir/io/atomic_file.h"
#include "weir/io/atomic_folder.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/model/hugging_face_form.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kShardBytes = 5'000'000'000;
constexpr int64_t kChunkElements = 1 << 22;

io::DType stored_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return io::DType::kF32;
    case at::kBFloat16:
      return io::DType::kBF16;
    case at::kHalf:
      return io::DType::kF16;
    default:
      fail(ErrorCode::kInvalidArgument, "convert: expected float32, bfloat16 or float16, got {}",
           dtype_name(dtype));
  }
}

uint64_t bytes_of(const SavedTensor& tensor) {
  uint64_t n_bytes = 0;
  if (!io::tensor_bytes(tensor.spec.dtype, tensor.spec.shape, &n_bytes)) {
    fail(ErrorCode::kCorruptData, "convert: tensor '{}' is too large", tensor.spec.name);
  }
  return n_bytes;
}

void append(io::SafetensorsWriter& writer, const at::Tensor& values, at::ScalarType dtype) {
  const at::Tensor stored = values.to(dtype).contiguous();
  writer.append(stored.data_ptr(), stored.nbytes());
}

// Some rows at a time, so that a quantised table is never dequantised as a whole.
void write_rows(io::SafetensorsWriter& writer, const io::TensorView& source, at::ScalarType dtype) {
  const int64_t n_rows = source.shape.empty() ? 1 : source.shape[0];
  if (n_rows == 0) return;
  const int64_t per_row = std::max<int64_t>(1, source.n_elements() / n_rows);
  const int64_t step = std::max<int64_t>(1, kChunkElements / per_row);
  for (int64_t first = 0; first < n_rows; first += step) {
    throw_if_interrupted();
    io::TensorView chunk = source;
    const int64_t count = std::min(step, n_rows - first);
    const uint64_t row_bytes = source.n_bytes / n_rows;
    if (!chunk.shape.empty()) chunk.shape[0] = count;
    chunk.data += row_bytes * first;
    chunk.n_bytes = row_bytes * count;
    append(writer, to_tensor(chunk), dtype);
  }
}

// A matrix that is a tensor of its own: block types are dequantised some rows at a time.
void write_matrix(io::SafetensorsWriter& writer, const Matrix& matrix, at::ScalarType dtype) {
  const int64_t step = std::max<int64_t>(1, kChunkElements / matrix.n_in());
  for (int64_t first = 0; first < matrix.n_out(); first += step) {
    throw_if_interrupted();
    const int64_t count = std::min(step, matrix.n_out() - first);
    append(writer, matrix.slice_out(first, count).dense(at::kFloat).t(), dtype);
  }
}

// The tensor put together from its parts. Entries that are no parameter's keep the checkpoint's
// values.
at::Tensor assembled(const SavedTensor& tensor, at::ScalarType dtype) {
  at::Tensor stored = at::zeros(tensor.pieces.front().origin.shape, dtype);
  int64_t n_covered = 0;
  for (const SavedPiece& piece : tensor.pieces) {
    n_covered += region_of(stored, piece.origin).numel();
  }
  if (n_covered < stored.numel() && tensor.source.data != nullptr) {
    stored.copy_(to_tensor(tensor.source));
  }
  for (const SavedPiece& piece : tensor.pieces) {
    if (piece.matrix.defined()) {
      store(piece.matrix.dense(at::kFloat), piece.origin, stored);
    } else if (piece.vector.defined()) {
      store(piece.vector, piece.origin, stored);
    } else {
      region_of(stored, piece.origin).fill_(piece.neutral);
    }
  }
  return tensor.turned ? stored.t() : stored;
}

bool is_whole_matrix(const SavedTensor& tensor) {
  const SavedPiece& piece = tensor.pieces.front();
  return piece.matrix.defined() && piece.origin.transposed && !tensor.turned &&
         std::vector<int64_t>{piece.matrix.n_out(), piece.matrix.n_in()} == tensor.spec.shape;
}

void write_tensor(io::SafetensorsWriter& writer, const SavedTensor& tensor, at::ScalarType dtype) {
  throw_if_interrupted();
  if (tensor.pieces.empty()) {
    if (io::is_real(tensor.source.dtype)) return write_rows(writer, tensor.source, dtype);
    return writer.append(tensor.source.data, tensor.source.n_bytes);
  }
  if (is_whole_matrix(tensor)) return write_matrix(writer, tensor.pieces.front().matrix, dtype);
  append(writer, assembled(tensor, dtype), dtype);
}

using Shard = std::vector<SavedTensor>;

std::vector<Shard> shards_of(const std::vector<SavedTensor>& tensors) {
  std::vector<Shard> shards(1);
  uint64_t n_bytes = 0;
  for (const SavedTensor& tensor : tensors) {
    if (!shards.back().empty() && n_bytes + bytes_of(tensor) > kShardBytes) {
      shards.emplace_back();
      n_bytes = 0;
    }
    n_bytes += bytes_of(tensor);
    shards.back().push_back(tensor);
  }
  return shards;
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

void write_shard(const fs::path& path, const Shard& shard, at::ScalarType dtype,
                 Progress& progress) {
  std::vector<io::TensorSpec> specs;
  for (const SavedTensor& tensor : shard) specs.push_back(tensor.spec);
  io::SafetensorsWriter writer(path, specs, {{"format", "pt"}});
  for (const SavedTensor& tensor : shard) {
    write_tensor(writer, tensor, dtype);
    progress.advance(bytes_of(tensor));
  }
  writer.finish();
}

void write_index(const fs::path& folder, const std::vector<Shard>& shards, uint64_t total) {
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total;
  for (size_t i = 0; i < shards.size(); ++i) {
    for (const SavedTensor& tensor : shards[i]) {
      index["weight_map"][tensor.spec.name] = shard_name(i, shards.size());
    }
  }
  io::write_file(folder / "model.safetensors.index.json", io::dump_json(index, 2) + "\n");
}

void write_model(const std::vector<SavedTensor>& tensors, const fs::path& folder,
                 at::ScalarType dtype) {
  const std::vector<Shard> shards = shards_of(tensors);
  uint64_t total = 0;
  for (const SavedTensor& tensor : tensors) total += bytes_of(tensor);
  Progress progress("convert", total, "B");
  for (size_t i = 0; i < shards.size(); ++i) {
    write_shard(folder / shard_name(i, shards.size()), shards[i], dtype, progress);
  }
  if (shards.size() > 1) write_index(folder, shards, total);
}

// Weights that another model left in the folder would be read in place of, or beside, the new ones.
void remove_other_weights(const fs::path& folder, const std::set<std::string>& written) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    bool is_weights = false;
    for (const char* glob : {"model*.safetensors", "model.safetensors.index.json",
                             "pytorch_model*.bin", "pytorch_model.bin.index.json"}) {
      is_weights = is_weights || glob_matches(glob, name);
    }
    if (is_weights && written.count(name) == 0) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

void save_hf(const LoadedModel& model, const fs::path& folder, const SaveOptions& options) {
  if (!model.config.rotary.frequency_factors.empty()) {
    fail(ErrorCode::kUnsupported,
         "{}: its rotary frequency factors are none that a config.json can express",
         model.path.string());
  }
  using Existing = io::AtomicFolder::Existing;
  io::AtomicFolder out(folder, options.overwrite ? Existing::kReplace : Existing::kRefuse);
  const at::NoGradGuard no_grad;
  std::vector<SavedTensor> tensors = saved_tensors(model, stored_type(options.dtype));
  // Wide elements first, so that every tensor is aligned.
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return io::block_bytes(a.spec.dtype) > io::block_bytes(b.spec.dtype);
  });
  write_model(tensors, out.path(), options.dtype);
  if (options.also) options.also(out.path());
  io::write_file(out.path() / "config.json", saved_config(model, dtype_name(options.dtype)));
  std::set<std::string> written;
  for (const fs::directory_entry& entry : fs::directory_iterator(out.path())) {
    written.insert(entry.path().filename().string());
  }
  out.commit("config.json");
  remove_other_weights(folder, written);
}

}  // namespace weir
