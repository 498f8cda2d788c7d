#include "weir/model/gguf_names.h"

#include <charconv>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "weir/base/error.h"
#include "weir/io/dequantize.h"
#include "weir/io/file_tensor.h"
#include "weir/model/stored_rows.h"

namespace weir {
namespace {

using Index = std::vector<int64_t>;

// "blk.12.attn_q.weight" is stem "blk.*.attn_q", layer "12", suffix ".weight".
struct NameParts {
  std::string stem;
  std::string layer;
  std::string suffix;
};

NameParts parts_of(const std::string& name) {
  NameParts parts;
  const size_t last_dot = name.rfind('.');
  parts.stem = name.substr(0, last_dot);
  if (last_dot != std::string::npos) parts.suffix = name.substr(last_dot);
  constexpr std::string_view kBlock = "blk.";
  if (parts.stem.compare(0, kBlock.size(), kBlock) != 0) return parts;
  const size_t end = parts.stem.find('.', kBlock.size());
  if (end == std::string::npos) return parts;
  parts.layer = parts.stem.substr(kBlock.size(), end - kBlock.size());
  parts.stem.replace(kBlock.size(), parts.layer.size(), "*");
  return parts;
}

std::string full_name(std::string_view pattern, const NameParts& parts) {
  std::string name(pattern);
  const size_t star = name.find('*');
  if (star != std::string::npos) name.replace(star, 1, parts.layer);
  return name + parts.suffix;
}

int64_t rows_per_head(const io::TensorView& tensor, int64_t n_heads, int64_t multiple) {
  const int64_t n_rows = tensor.shape.empty() ? 0 : tensor.shape[0];
  if (n_heads <= 0 || n_rows == 0 || n_rows % (n_heads * multiple) != 0) {
    fail(ErrorCode::kCorruptData, "gguf: tensor '{}' has {} rows, not a multiple of {} ({} heads)",
         tensor.name, n_rows, n_heads * multiple, n_heads);
  }
  return n_rows / n_heads;
}

io::TensorView gain_minus_one(const io::TensorView& tensor) {
  io::TensorView result = tensor;
  const int64_t n = tensor.n_elements();
  const std::shared_ptr<std::byte[]> values = io::allocate_tensor(sizeof(float) * n);
  auto* gain = reinterpret_cast<float*>(values.get());
  io::dequantize(tensor.dtype, tensor.data, n, gain);
  for (int64_t i = 0; i < n; ++i) gain[i] -= 1;
  result.dtype = io::DType::kF32;
  result.n_bytes = sizeof(float) * n;
  result.data = values.get();
  result.owner = values;
  return result;
}

// Rows (q, k, v; head; K) to (head; q, k, v; K).
Index unstacked_rows(const io::TensorView& tensor, int64_t n_heads) {
  const int64_t size = rows_per_head(tensor, n_heads, 3) / 3;
  Index index;
  for (int64_t head = 0; head < n_heads; ++head) {
    for (int64_t part = 0; part < 3; ++part) {
      for (int64_t i = 0; i < size; ++i) index.push_back((part * n_heads + head) * size + i);
    }
  }
  return index;
}

void add_thirds(const io::TensorView& tensor, std::string_view pattern, const NameParts& parts,
                std::vector<io::TensorView>* out) {
  const int64_t size = rows_per_head(tensor, 1, 3) / 3;
  const uint64_t row_bytes = tensor.n_bytes / (3 * size);
  for (int64_t part = 0; part < 3; ++part) {
    io::TensorView third = tensor;
    std::string name(pattern);
    name.replace(name.find("{qkv}"), 5, 1, "qkv"[part]);
    third.name = full_name(name, parts);
    third.shape[0] = size;
    third.n_bytes = row_bytes * size;
    third.data += row_bytes * size * part;
    out->push_back(std::move(third));
  }
}

io::TensorView undo(const io::TensorView& tensor, GgufChange change, const GgufHeads& heads) {
  switch (change) {
    case GgufChange::kRotaryQueryRows:
      return with_half_split_rows(tensor, heads.n_heads);
    case GgufChange::kRotaryKeyRows:
      return with_half_split_rows(tensor, heads.n_kv_heads);
    case GgufChange::kStackedRows:
      return with_rows(tensor, unstacked_rows(tensor, heads.n_heads));
    case GgufChange::kGainPlusOne:
      return gain_minus_one(tensor);
    case GgufChange::kNone:
    case GgufChange::kSplitThree:
      break;
  }
  return tensor;
}

}  // namespace

io::TensorMap hugging_face_tensors(const io::TensorMap& gguf, const std::vector<GgufName>& names,
                                   const GgufHeads& heads) {
  std::unordered_map<std::string_view, const GgufName*> by_stem;
  for (const GgufName& name : names) by_stem[name.gguf] = &name;
  io::TensorMap result;
  result.source = gguf.source;
  for (const io::TensorView& tensor : gguf.tensors) {
    const NameParts parts = parts_of(tensor.name);
    const auto found = by_stem.find(parts.stem);
    if (found == by_stem.end()) {
      result.tensors.push_back(tensor);
      continue;
    }
    const GgufName& name = *found->second;
    if (name.change == GgufChange::kSplitThree) {
      add_thirds(tensor, name.hugging_face, parts, &result.tensors);
      continue;
    }
    io::TensorView view = undo(tensor, name.change, heads);
    view.name = full_name(name.hugging_face, parts);
    result.tensors.push_back(std::move(view));
  }
  return result;
}

}  // namespace weir
