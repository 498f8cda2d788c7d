#include "weir/model/gguf_metadata.h"

#include <algorithm>
#include <cstdlib>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr uint64_t kMaxSize = uint64_t{1} << 32;

}  // namespace

GgufMetadata::GgufMetadata(const io::GgufFile& file)
    : file_(file), prefix_(file.get_string("general.architecture") + ".") {}

bool GgufMetadata::has(std::string_view key) const { return file_.find(full(key)) != nullptr; }

int64_t GgufMetadata::size(std::string_view key) const {
  return bounded(key, file_.get_u64(full(key)));
}

int64_t GgufMetadata::size_or(std::string_view key, int64_t fallback) const {
  const auto found = file_.find_u64(full(key));
  return found ? bounded(key, *found) : fallback;
}

double GgufMetadata::number(std::string_view key) const {
  return shortest_decimal(file_.get_double(full(key)));
}

double GgufMetadata::number_or(std::string_view key, double fallback) const {
  const auto found = file_.find_double(full(key));
  return found ? shortest_decimal(*found) : fallback;
}

bool GgufMetadata::flag_or(std::string_view key, bool fallback) const {
  return file_.find_bool(full(key)).value_or(fallback);
}

std::string GgufMetadata::text_or(std::string_view key, std::string_view fallback) const {
  return file_.find_string(full(key)).value_or(std::string(fallback));
}

int64_t GgufMetadata::head_size() const {
  const int64_t n_heads = size("attention.head_count");
  if (n_heads == 0) {
    fail(ErrorCode::kCorruptData, "{}: {} is 0", file_.tensors().source,
         full("attention.head_count"));
  }
  return size_or("attention.key_length", size("embedding_length") / n_heads);
}

double GgufMetadata::rotary_share() const {
  const int64_t head = std::max<int64_t>(1, head_size());
  return static_cast<double>(size_or("rope.dimension_count", head)) / static_cast<double>(head);
}

int64_t GgufMetadata::bounded(std::string_view key, uint64_t value) const {
  if (value > kMaxSize) {
    fail(ErrorCode::kCorruptData, "{}: {} is {}, more than {}", file_.tensors().source, full(key),
         value, kMaxSize);
  }
  return static_cast<int64_t>(value);
}

double shortest_decimal(double float_value) {
  return std::strtod(fmt::format("{}", static_cast<float>(float_value)).c_str(), nullptr);
}

}  // namespace weir
