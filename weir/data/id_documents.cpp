#include "weir/data/id_documents.h"

#include <algorithm>

#include "weir/base/error.h"
#include "weir/data/input_files.h"
#include "weir/io/little_endian.h"
#include "weir/io/npy.h"

namespace weir::data {
namespace {

constexpr int64_t kPieceIds = 65536;
constexpr uint64_t kBinHeaderBytes = 256 * sizeof(int32_t);

/// Files of llm.c by their first two numbers.
struct BinForm {
  int32_t magic, version;
  io::DType dtype;
};
constexpr BinForm kBinForms[] = {{20240520, 1, io::DType::kU16}, {20240801, 7, io::DType::kU32}};

bool is_whole(io::DType dtype) { return !io::is_real(dtype) && dtype != io::DType::kBool; }

template <typename Number>
int64_t load_id(const std::byte* data, int64_t place) {
  // What does not fit into int64 is no id either.
  const auto value = reinterpret_cast<const Number*>(data)[place];
  return static_cast<int64_t>(value);
}

}  // namespace

IdDocuments::IdDocuments(const std::filesystem::path& file, const IdOptions& options)
    : options_(options) {
  require(kind_of(file) == FileKind::kIds, "{}: expected a file of token ids (.npy, .bin)",
          file.string());
  require(!options.ends_at || !options.begins_at,
          "documents: expected an id that ends them or one that begins them, got both");
  if (file.extension() == ".bin") {
    file_ = io::MappedFile::open(file);
    read_bin();
    return;
  }
  npy_ = io::read_npy(file).tensors.front();
  const size_t rank = npy_.shape.size();
  if (!is_whole(npy_.dtype) || rank < 1 || rank > 2) {
    fail(ErrorCode::kUnsupported,
         "{}: expected one or two dimensions of whole numbers, found {} of {}", file.string(), rank,
         to_string(npy_.dtype));
  }
  file_ = io::MappedFile::open(file);  // Its path, for messages.
  dtype_ = npy_.dtype;
  data_ = npy_.data;
  n_ = npy_.n_elements();
  if (rank == 2) row_length_ = npy_.shape[1];
}

void IdDocuments::read_bin() {
  const std::string_view bytes = file_->bytes();
  data_ = file_->data();
  const auto first = bytes.size() >= 4 ? io::load<int32_t>(bytes, 0) : 0;
  const auto* form = std::find_if(std::begin(kBinForms), std::end(kBinForms),
                                  [&](const BinForm& known) { return known.magic == first; });
  if (form == std::end(kBinForms)) {
    if (bytes.size() % 2 != 0) {
      fail(ErrorCode::kCorruptData, "{}: expected llm.c's header or 16-bit ids, found {} bytes",
           file_->path(), bytes.size());
    }
    n_ = static_cast<int64_t>(bytes.size() / 2);
    return;
  }
  if (bytes.size() < kBinHeaderBytes) {
    fail(ErrorCode::kCorruptData, "{}: expected {} bytes of header, found {}", file_->path(),
         kBinHeaderBytes, bytes.size());
  }
  const auto version = io::load<int32_t>(bytes, 4);
  if (version != form->version) {
    fail(ErrorCode::kUnsupported, "{}: expected version {} after {}, found {}", file_->path(),
         form->version, form->magic, version);
  }
  dtype_ = form->dtype;
  n_ = io::load<int32_t>(bytes, 8);
  data_ += kBinHeaderBytes;
  const auto n_bytes = static_cast<int64_t>(bytes.size() - kBinHeaderBytes);
  if (n_ < 0 || n_bytes != n_ * io::block_bytes(dtype_)) {
    fail(ErrorCode::kCorruptData, "{}: expected {} ids of {} after the header, found {} bytes",
         file_->path(), n_, to_string(dtype_), n_bytes);
  }
}

int64_t IdDocuments::id_at(int64_t place) const {
  switch (dtype_) {
    case io::DType::kI8:
      return load_id<int8_t>(data_, place);
    case io::DType::kU8:
      return load_id<uint8_t>(data_, place);
    case io::DType::kI16:
      return load_id<int16_t>(data_, place);
    case io::DType::kU16:
      return load_id<uint16_t>(data_, place);
    case io::DType::kI32:
      return load_id<int32_t>(data_, place);
    case io::DType::kU32:
      return load_id<uint32_t>(data_, place);
    default:
      return load_id<int64_t>(data_, place);  // kI64, kU64
  }
}

bool IdDocuments::is_last_of_document(int64_t place) const {
  if (place + 1 == n_) return true;
  if (options_.ends_at && id_at(place) == *options_.ends_at) return true;
  if (options_.begins_at && id_at(place + 1) == *options_.begins_at) return true;
  return row_length_ > 0 && (place + 1) % row_length_ == 0;
}

bool IdDocuments::next(int64_t vocab_size, Piece* piece) {
  piece->ids.clear();
  piece->ends_document = false;
  while (next_ < n_ && !piece->ends_document &&
         static_cast<int64_t>(piece->ids.size()) < kPieceIds) {
    const int64_t id = id_at(next_);
    if (id < 0 || id >= vocab_size) {
      fail(ErrorCode::kCorruptData, "{}: expected ids of 0 to {}, found {} at place {}",
           file_->path(), vocab_size - 1, id, next_);
    }
    piece->ids.push_back(static_cast<uint32_t>(id));
    piece->ends_document = is_last_of_document(next_++);
  }
  return !piece->ids.empty();
}

}  // namespace weir::data
