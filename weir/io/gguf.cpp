#include "weir/io/gguf.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "weir/base/error.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint64_t kMaxNameBytes = 65535;
constexpr uint32_t kMaxDimensions = 4;
constexpr int kMaxArrayDepth = 4;
// The least that one entry of each list takes, to bound counts before anything is allocated.
constexpr uint64_t kLeastMetadataBytes = 8 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

struct TensorType {
  uint32_t number;
  std::string_view name;
  std::optional<DType> dtype;  ///< Empty: known, not implemented.
};

constexpr TensorType kTensorTypes[] = {
    {0, "F32", DType::kF32},    {1, "F16", DType::kF16},
    {2, "Q4_0", DType::kQ4_0},  {3, "Q4_1", DType::kQ4_1},
    {6, "Q5_0", DType::kQ5_0},  {7, "Q5_1", DType::kQ5_1},
    {8, "Q8_0", DType::kQ8_0},  {9, "Q8_1", {}},
    {10, "Q2_K", DType::kQ2_K}, {11, "Q3_K", DType::kQ3_K},
    {12, "Q4_K", DType::kQ4_K}, {13, "Q5_K", DType::kQ5_K},
    {14, "Q6_K", DType::kQ6_K}, {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},        {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},        {19, "IQ1_S", {}},
    {20, "IQ4_NL", {}},         {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},          {23, "IQ4_XS", {}},
    {24, "I8", DType::kI8},     {25, "I16", DType::kI16},
    {26, "I32", DType::kI32},   {27, "I64", DType::kI64},
    {28, "F64", DType::kF64},   {29, "IQ1_M", {}},
    {30, "BF16", DType::kBF16}, {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},          {39, "MXFP4", {}},
};

template <typename T>
T load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

/// Walks the file from the front; every read is checked against what is left.
class Reader {
 public:
  explicit Reader(const MappedFile& file) : file_(file) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return file_.size() - position_; }

  const std::byte* take(uint64_t n_bytes, std::string_view what) {
    if (n_bytes > left()) {
      fail(ErrorCode::kCorruptData, "{}: {} at byte {} needs {} bytes, {} are left", file_.path(),
           printable(what), position_, n_bytes, left());
    }
    const std::byte* data = file_.data() + position_;
    position_ += n_bytes;
    return data;
  }

  template <typename T>
  T read(std::string_view what) {
    return load<T>(take(sizeof(T), what));
  }

  /// A count of things of at least `least_bytes` each, so the caller may allocate that many.
  uint64_t read_count(uint64_t least_bytes, std::string_view what) {
    const auto count = read<uint64_t>(what);
    if (count > left() / least_bytes) {
      fail(ErrorCode::kCorruptData, "{}: {} is {}, more than the {} bytes left can hold",
           file_.path(), printable(what), count, left());
    }
    return count;
  }

  std::string_view read_string(std::string_view what) {
    const auto length = read<uint64_t>(what);
    return {reinterpret_cast<const char*>(take(length, what)), static_cast<size_t>(length)};
  }

  std::string_view read_name(std::string_view what) {
    const std::string_view name = read_string(what);
    if (name.empty() || name.size() > kMaxNameBytes) {
      fail(ErrorCode::kCorruptData, "{}: {} of {} bytes, expected 1 to {}", file_.path(), what,
           name.size(), kMaxNameBytes);
    }
    return name;
  }

  GgufType read_type(std::string_view key) {
    const auto number = read<uint32_t>("a metadata type");
    if (number > static_cast<uint32_t>(GgufType::kF64)) {
      fail(ErrorCode::kCorruptData, "{}: metadata '{}' has the unknown type {}", file_.path(),
           printable(key), number);
    }
    return static_cast<GgufType>(number);
  }

  GgufValue read_value(std::string_view key) {
    const GgufType type = read_type(key);
    if (type == GgufType::kString) return {type, read_string(key)};
    if (type == GgufType::kArray) return {type, read_array(key, 1)};
    return load_scalar(type, take(scalar_bytes(type), key));
  }

 private:
  GgufArray read_array(std::string_view key, int depth) {
    if (depth > kMaxArrayDepth) {
      fail(ErrorCode::kUnsupported, "{}: metadata '{}' nests arrays more than {} deep",
           file_.path(), printable(key), kMaxArrayDepth);
    }
    GgufArray array;
    array.type = read_type(key);
    if (array.type == GgufType::kString) {
      array.size = read_count(sizeof(uint64_t), key);
      array.strings.reserve(array.size);
      for (uint64_t i = 0; i < array.size; ++i) array.strings.push_back(read_string(key));
    } else if (array.type == GgufType::kArray) {
      array.size = read_count(sizeof(uint32_t) + sizeof(uint64_t), key);
      array.arrays.reserve(array.size);
      for (uint64_t i = 0; i < array.size; ++i) array.arrays.push_back(read_array(key, depth + 1));
    } else {
      const uint64_t n_bytes = scalar_bytes(array.type);
      array.size = read_count(n_bytes, key);
      array.data = take(array.size * n_bytes, key);
    }
    return array;
  }

  const MappedFile& file_;
  uint64_t position_ = 0;
};

uint32_t read_version(Reader& reader, const MappedFile& file) {
  const std::byte* magic = reader.take(kMagic.size(), "the magic 'GGUF'");
  if (std::memcmp(magic, kMagic.data(), kMagic.size()) != 0) {
    fail(ErrorCode::kCorruptData, "{}: expected a GGUF file, found another magic", file.path());
  }
  const auto version = reader.read<uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped == 2 || swapped == 3) {
    fail(ErrorCode::kUnsupported,
         "{}: this GGUF is big-endian; only little-endian ones are read, convert it first",
         file.path());
  }
  fail(ErrorCode::kUnsupported, "{}: GGUF version {}; versions 2 and 3 are read", file.path(),
       version);
}

DType read_tensor_type(Reader& reader, const MappedFile& file, std::string_view name) {
  const auto number = reader.read<uint32_t>("a tensor type");
  for (const TensorType& type : kTensorTypes) {
    if (type.number != number) continue;
    if (type.dtype) return *type.dtype;
    fail(ErrorCode::kUnsupported,
         "{}: tensor '{}' is {}, which Weir does not read; use F16, BF16, Q4_0 to Q8_0 or a K type",
         file.path(), printable(name), type.name);
  }
  fail(ErrorCode::kUnsupported, "{}: tensor '{}' has the unknown type {}", file.path(),
       printable(name), number);
}

struct PlacedTensor {
  TensorView view;
  uint64_t offset = 0;  ///< From the start of the data section.
};

PlacedTensor read_tensor(Reader& reader, const MappedFile& file) {
  PlacedTensor tensor;
  TensorView& view = tensor.view;
  view.name = reader.read_name("a tensor name");
  const auto n_dimensions = reader.read<uint32_t>("a tensor's dimension count");
  if (n_dimensions > kMaxDimensions) {
    fail(ErrorCode::kUnsupported, "{}: tensor '{}' has {} dimensions; at most {} are read",
         file.path(), printable(view.name), n_dimensions, kMaxDimensions);
  }
  for (uint32_t i = 0; i < n_dimensions; ++i) {
    view.shape.push_back(reader.read<int64_t>("a tensor dimension"));
  }
  std::reverse(view.shape.begin(), view.shape.end());
  view.dtype = read_tensor_type(reader, file, view.name);
  if (!tensor_bytes(view.dtype, view.shape, &view.n_bytes)) {
    fail(ErrorCode::kCorruptData, "{}: tensor '{}': shape [{}] does not suit {}", file.path(),
         printable(view.name), fmt::join(view.shape, ", "), to_string(view.dtype));
  }
  tensor.offset = reader.read<uint64_t>("a tensor offset");
  return tensor;
}

uint64_t read_alignment(const GgufFile& gguf, const MappedFile& file) {
  const uint64_t alignment = gguf.find_u64("general.alignment").value_or(kDefaultAlignment);
  const bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!is_power_of_two || alignment < 8 || alignment > kMaxAlignment) {
    fail(ErrorCode::kCorruptData, "{}: alignment {}, expected a power of two from 8 to {}",
         file.path(), alignment, kMaxAlignment);
  }
  return alignment;
}

/// Points every tensor at its bytes.
void place_tensors(std::vector<PlacedTensor>& tensors, uint64_t data_start, uint64_t alignment,
                   const std::shared_ptr<const MappedFile>& file) {
  const uint64_t available = file->size() > data_start ? file->size() - data_start : 0;
  for (PlacedTensor& tensor : tensors) {
    TensorView& view = tensor.view;
    if (tensor.offset % alignment != 0) {
      fail(ErrorCode::kCorruptData, "{}: tensor '{}' starts at {}, not a multiple of {}",
           file->path(), printable(view.name), tensor.offset, alignment);
    }
    if (tensor.offset > available || view.n_bytes > available - tensor.offset) {
      fail(ErrorCode::kCorruptData,
           "{}: tensor '{}' takes {} bytes from {}, the data section holds {}; is the file cut?",
           file->path(), printable(view.name), view.n_bytes, tensor.offset, available);
    }
    // An empty tensor may stand at the very end, past the padding that never came.
    if (view.n_bytes > 0) view.data = file->data() + data_start + tensor.offset;
    view.owner = file;
  }
}

void check_overlaps(const std::vector<PlacedTensor>& tensors, const MappedFile& file) {
  std::vector<const PlacedTensor*> by_offset;
  for (const PlacedTensor& tensor : tensors) {
    if (tensor.view.n_bytes > 0) by_offset.push_back(&tensor);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const PlacedTensor& before = *by_offset[i - 1];
    if (before.offset + before.view.n_bytes > by_offset[i]->offset) {
      fail(ErrorCode::kCorruptData, "{}: tensors '{}' and '{}' overlap", file.path(),
           printable(before.view.name), printable(by_offset[i]->view.name));
    }
  }
}

void check_unique(std::unordered_set<std::string_view>& names, std::string_view name,
                  std::string_view what, const MappedFile& file) {
  if (!names.insert(name).second) {
    fail(ErrorCode::kCorruptData, "{}: {} '{}' occurs twice", file.path(), what, printable(name));
  }
}

[[noreturn]] void fail_type(const MappedFile& file, std::string_view key, const GgufValue& value,
                            std::string_view expected) {
  std::string found(to_string(value.type));
  if (const auto* array = std::get_if<GgufArray>(&value.value)) {
    found += fmt::format(" of {}", to_string(array->type));
  }
  fail(ErrorCode::kCorruptData, "{}: metadata '{}': expected {}, found {}", file.path(), key,
       expected, found);
}

template <typename T>
T required(std::optional<T> value, const MappedFile& file, std::string_view key) {
  if (!value) fail(ErrorCode::kCorruptData, "{}: metadata '{}' is missing", file.path(), key);
  return *std::move(value);
}

/// The value of `key` through one of the as_x conversions; empty when there is no such key.
template <typename T>
std::optional<T> found(const GgufFile& gguf, const MappedFile& file, std::string_view key,
                       std::optional<T> (*convert)(const GgufValue&), std::string_view expected) {
  const GgufValue* value = gguf.find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<T> result = convert(*value);
  if (!result) fail_type(file, key, *value, expected);
  return result;
}

}  // namespace

const GgufValue* GgufFile::find(std::string_view key) const {
  for (const GgufEntry& entry : metadata_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::optional<std::string> GgufFile::find_string(std::string_view key) const {
  const auto text = found(*this, *file_, key, as_string, "a string");
  if (!text) return std::nullopt;
  return std::string(*text);
}
std::optional<uint64_t> GgufFile::find_u64(std::string_view key) const {
  return found(*this, *file_, key, as_u64, "an integer of at least 0");
}
std::optional<double> GgufFile::find_double(std::string_view key) const {
  return found(*this, *file_, key, as_double, "a number");
}
std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  return found(*this, *file_, key, as_bool, "a bool");
}
std::optional<std::vector<std::string_view>> GgufFile::find_string_array(
    std::string_view key) const {
  return found(*this, *file_, key, as_string_array, "an array of strings");
}
std::optional<std::vector<float>> GgufFile::find_float_array(std::string_view key) const {
  return found(*this, *file_, key, as_float_array, "an array of numbers");
}
std::optional<std::vector<int64_t>> GgufFile::find_int_array(std::string_view key) const {
  return found(*this, *file_, key, as_int_array, "an array of integers below 2^63");
}

std::string GgufFile::get_string(std::string_view key) const {
  return required(find_string(key), *file_, key);
}
uint64_t GgufFile::get_u64(std::string_view key) const {
  return required(find_u64(key), *file_, key);
}
double GgufFile::get_double(std::string_view key) const {
  return required(find_double(key), *file_, key);
}
bool GgufFile::get_bool(std::string_view key) const {
  return required(find_bool(key), *file_, key);
}
std::vector<std::string_view> GgufFile::get_string_array(std::string_view key) const {
  return required(find_string_array(key), *file_, key);
}
std::vector<int64_t> GgufFile::get_int_array(std::string_view key) const {
  return required(find_int_array(key), *file_, key);
}

GgufFile parse_gguf(std::shared_ptr<const MappedFile> file) {
  Reader reader(*file);
  GgufFile gguf;
  gguf.file_ = file;
  gguf.version_ = read_version(reader, *file);
  // The tensor count comes first, so it can only be bounded loosely until the metadata are read.
  const uint64_t n_tensors = reader.read_count(kLeastTensorBytes, "the tensor count");
  const uint64_t n_metadata = reader.read_count(kLeastMetadataBytes, "the metadata count");

  std::unordered_set<std::string_view> keys;
  for (uint64_t i = 0; i < n_metadata; ++i) {
    const std::string_view key = reader.read_name("a metadata key");
    check_unique(keys, key, "metadata", *file);
    gguf.metadata_.push_back({key, reader.read_value(key)});
    const GgufValue& value = gguf.metadata_.back().value;
    if (value.type == GgufType::kString) {
      gguf.tensors_.metadata.emplace(key, std::get<std::string_view>(value.value));
    }
  }

  std::vector<PlacedTensor> tensors;
  for (uint64_t i = 0; i < n_tensors; ++i) tensors.push_back(read_tensor(reader, *file));
  std::unordered_set<std::string_view> names;
  for (const PlacedTensor& tensor : tensors) check_unique(names, tensor.view.name, "tensor", *file);
  const uint64_t alignment = read_alignment(gguf, *file);
  const uint64_t data_start = (reader.position() + alignment - 1) / alignment * alignment;
  place_tensors(tensors, data_start, alignment, file);
  check_overlaps(tensors, *file);

  gguf.tensors_.source = file->path();
  gguf.tensors_.tensors.reserve(tensors.size());
  for (PlacedTensor& tensor : tensors) gguf.tensors_.tensors.push_back(std::move(tensor.view));
  return gguf;
}

GgufFile read_gguf(const std::filesystem::path& path) { return parse_gguf(MappedFile::open(path)); }

}  // namespace weir::io
