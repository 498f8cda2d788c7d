#include "weir/io/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"
#include "weir/io/sharded.h"

namespace weir::io {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

constexpr std::array kStoredTypes = {DType::kF64,    DType::kF32,    DType::kF16, DType::kBF16,
                                     DType::kF8E4M3, DType::kF8E5M2, DType::kI64, DType::kI32,
                                     DType::kI16,    DType::kI8,     DType::kU64, DType::kU32,
                                     DType::kU16,    DType::kU8,     DType::kBool};
// Valid in the format, of no use to any model that Weir runs.
constexpr std::array<std::string_view, 8> kKnownButUnread = {
    "F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64", "C128"};

struct Entry {
  TensorSpec spec;
  uint64_t begin = 0;
  uint64_t end = 0;
};

class HeaderReader {
 public:
  explicit HeaderReader(const std::shared_ptr<const MappedFile>& file) : file_(file) {}

  TensorMap read() {
    const uint64_t header_bytes = header_length();
    const std::string_view text = file_->bytes().substr(kLengthBytes, header_bytes);
    if (text[0] != '{') corrupt("the header does not start with '{{'");
    const json header = parse_json(text, file_->path() + ": header");
    TensorMap map;
    map.source = file_->path();
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadataKey) {
        map.metadata = metadata(value);
      } else {
        entries.push_back(entry(name, value));
      }
    }
    const uint64_t data_start = kLengthBytes + header_bytes;
    check_layout(&entries, file_->size() - data_start);
    map.tensors.reserve(entries.size());
    for (Entry& item : entries) {
      map.tensors.push_back(file_tensor(file_, std::move(item.spec.name), item.spec.dtype,
                                        std::move(item.spec.shape), data_start + item.begin));
    }
    return map;
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, "{}: not valid safetensors: {}", file_->path(),
         fmt::format(format, std::forward<Args>(args)...));
  }

  uint64_t header_length() const {
    if (file_->size() < kLengthBytes) {
      corrupt("{} bytes are too few for a header length", file_->size());
    }
    uint64_t length = 0;
    for (size_t i = kLengthBytes; i-- > 0;) {
      length = length << 8 | static_cast<uint8_t>(file_->data()[i]);
    }
    if (length > kMaxHeaderBytes) {
      corrupt("a header of {} bytes, at most {} are allowed", length, kMaxHeaderBytes);
    }
    if (length > file_->size() - kLengthBytes) {
      corrupt("a header of {} bytes, but only {} follow", length, file_->size() - kLengthBytes);
    }
    if (length == 0) corrupt("the header is empty");
    return length;
  }

  std::map<std::string, std::string> metadata(const json& value) const {
    std::map<std::string, std::string> result;
    if (value.is_null()) return result;
    if (!value.is_object()) corrupt("__metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) corrupt("__metadata__ '{}' is not a string", printable(key));
      result.emplace(key, text.get<std::string>());
    }
    return result;
  }

  Entry entry(const std::string& name, const json& value) const {
    if (!value.is_object()) corrupt("tensor '{}' is not described by an object", printable(name));
    for (const auto& [key, ignored] : value.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        corrupt("tensor '{}': unknown field '{}'", printable(name), printable(key));
      }
    }
    Entry result;
    result.spec.name = name;
    result.spec.dtype = dtype(name, value);
    for (const uint64_t size : naturals(name, value, "shape")) {
      result.spec.shape.push_back(static_cast<int64_t>(size));
    }
    const std::vector<uint64_t> offsets = naturals(name, value, "data_offsets");
    if (offsets.size() != 2) corrupt("tensor '{}': data_offsets is no pair", printable(name));
    result.begin = offsets[0];
    result.end = offsets[1];
    return result;
  }

  DType dtype(const std::string& name, const json& value) const {
    const auto found = value.find("dtype");
    if (found == value.end() || !found->is_string()) {
      corrupt("tensor '{}': dtype is missing or not a string", printable(name));
    }
    const auto& text = found->get_ref<const std::string&>();
    for (const DType type : kStoredTypes) {
      if (to_string(type) == text) return type;
    }
    if (std::find(kKnownButUnread.begin(), kKnownButUnread.end(), text) != kKnownButUnread.end()) {
      fail(ErrorCode::kUnsupported, "{}: tensor '{}': element type {} is not supported",
           file_->path(), printable(name), text);
    }
    corrupt("tensor '{}': unknown dtype '{}'", printable(name), printable(text));
  }

  // A list of integers from 0 to 2^63 - 1.
  std::vector<uint64_t> naturals(const std::string& name, const json& value,
                                 const char* key) const {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_array()) {
      corrupt("tensor '{}': {} is missing or not a list", printable(name), key);
    }
    std::vector<uint64_t> result;
    for (const json& number : *found) {
      if (!number.is_number_unsigned() || number.get<uint64_t>() > INT64_MAX) {
        corrupt("tensor '{}': {} holds something else than sizes", printable(name), key);
      }
      result.push_back(number.get<uint64_t>());
    }
    return result;
  }

  // Sorts by place; the extents must cover the data exactly.
  void check_layout(std::vector<Entry>* entries, uint64_t data_bytes) const {
    std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.begin, a.end, a.spec.name) < std::tie(b.begin, b.end, b.spec.name);
    });
    uint64_t place = 0;
    for (const Entry& item : *entries) {
      const std::string name = printable(item.spec.name);
      if (item.begin != place) {
        corrupt("tensor '{}' starts at {}, expected {}: a hole or an overlap", name, item.begin,
                place);
      }
      uint64_t n_bytes = 0;
      if (!tensor_bytes(item.spec.dtype, item.spec.shape, &n_bytes)) {
        corrupt("tensor '{}': the shape {} is too large", name, shape_text(item.spec.shape));
      }
      if (item.end < item.begin || item.end - item.begin != n_bytes) {
        corrupt("tensor '{}': {} of shape {} needs {} bytes, its offsets are {} to {}", name,
                to_string(item.spec.dtype), shape_text(item.spec.shape), n_bytes, item.begin,
                item.end);
      }
      place = item.end;
    }
    if (place != data_bytes) {
      corrupt("the tensors take {} bytes, the file holds {}", place, data_bytes);
    }
  }

  std::shared_ptr<const MappedFile> file_;
};

std::string header_text(const json& header) {
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

TensorMap read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(MappedFile::open(path));
}

TensorMap parse_safetensors(const std::shared_ptr<const MappedFile>& file) {
  return HeaderReader(file).read();
}

TensorMap read_sharded_safetensors(const std::filesystem::path& index_path) {
  return read_sharded(index_path, &read_safetensors);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::vector<TensorSpec>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path), path_(path.string()) {
  json header = json::object();
  for (const auto& [key, text] : metadata) {
    require(is_utf8(key) && is_utf8(text), "{}: metadata '{}' is not UTF-8", path_, printable(key));
    header[kMetadataKey][key] = text;
  }
  uint64_t place = 0;
  for (const TensorSpec& spec : tensors) {
    const std::string name = printable(spec.name);
    require(spec.name != kMetadataKey && is_utf8(spec.name) && !header.contains(spec.name),
            "{}: tensor name '{}' is reserved, given twice or not UTF-8", path_, name);
    require(!is_block_type(spec.dtype), "{}: tensor '{}': safetensors has no {}; dequantize it",
            path_, name, to_string(spec.dtype));
    uint64_t n_bytes = 0;
    require(tensor_bytes(spec.dtype, spec.shape, &n_bytes), "{}: tensor '{}': bad shape {}", path_,
            name, shape_text(spec.shape));
    header[spec.name] = {{"dtype", to_string(spec.dtype)},
                         {"shape", spec.shape},
                         {"data_offsets", {place, place + n_bytes}}};
    extents_.push_back({spec.name, place, place + n_bytes});
    place += n_bytes;
  }
  const std::string text = header_text(header);
  require(text.size() <= kMaxHeaderBytes, "{}: a header of {} bytes is too large", path_,
          text.size());
  std::string length;
  for (uint64_t rest = text.size(); length.size() < kLengthBytes; rest >>= 8) {
    length += static_cast<char>(rest & 0xff);
  }
  file_.write(length);
  file_.write(text);
}

void SafetensorsWriter::append(const void* data, uint64_t n_bytes) {
  const uint64_t total = extents_.empty() ? 0 : extents_.back().end;
  require(n_bytes <= total - written_, "{}: {} bytes more than the tensors take", path_,
          n_bytes - (total - written_));
  file_.write({static_cast<const char*>(data), n_bytes});
  written_ += n_bytes;
  while (next_ < extents_.size() && extents_[next_].end <= written_) ++next_;
}

void SafetensorsWriter::write(std::string_view name, const void* data, uint64_t n_bytes) {
  // Tensors without elements complete themselves; look back over them.
  size_t place = next_;
  while (place > 0 && extents_[place - 1].begin == written_) --place;
  while (place < extents_.size() && extents_[place].begin == written_ &&
         extents_[place].name != name) {
    ++place;
  }
  require(place < extents_.size() && extents_[place].begin == written_,
          "{}: tensor '{}' is not the next one", path_, printable(name));
  const uint64_t expected = extents_[place].end - extents_[place].begin;
  require(n_bytes == expected, "{}: tensor '{}': expected {} bytes, got {}", path_, printable(name),
          expected, n_bytes);
  append(data, n_bytes);
}

void SafetensorsWriter::finish() {
  const uint64_t total = extents_.empty() ? 0 : extents_.back().end;
  require(written_ == total, "{}: finished after {} of {} bytes", path_, written_, total);
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return block_bytes(a->dtype) > block_bytes(b->dtype);
  });
  std::vector<TensorSpec> specs;
  for (const TensorView* tensor : order) {
    specs.push_back({tensor->name, tensor->dtype, tensor->shape});
  }
  SafetensorsWriter writer(path, specs, metadata);
  for (const TensorView* tensor : order) writer.write(tensor->name, tensor->data, tensor->n_bytes);
  writer.finish();
}

}  // namespace weir::io
