#include "weir/io/npy_header.h"

#include <array>
#include <charconv>
#include <set>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/little_endian.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxDims = 64;

struct NumpyType {
  std::string_view descr;
  DType dtype;
};
constexpr std::array kNumpyTypes = {
    NumpyType{"<f8", DType::kF64}, NumpyType{"<f4", DType::kF32}, NumpyType{"<f2", DType::kF16},
    NumpyType{"<i8", DType::kI64}, NumpyType{"<i4", DType::kI32}, NumpyType{"<i2", DType::kI16},
    NumpyType{"|i1", DType::kI8},  NumpyType{"<u8", DType::kU64}, NumpyType{"<u4", DType::kU32},
    NumpyType{"<u2", DType::kU16}, NumpyType{"|u1", DType::kU8},  NumpyType{"|b1", DType::kBool}};

// Reads the dictionary, left to right.
class DictionaryReader {
 public:
  DictionaryReader(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  NpyHeader read() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (!seen_.insert(key).second) corrupt("a key is given twice");
      read_value(key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!text_.empty()) corrupt("something follows the dictionary");
    if (seen_.size() != 3) corrupt("'descr', 'fortran_order' or 'shape' is missing");
    return header_;
  }

 private:
  [[noreturn]] void corrupt(std::string_view fault) const {
    fail(ErrorCode::kCorruptData, "{}: not a valid npy header: {}", what_, fault);
  }

  void skip_blanks() {
    const size_t first = text_.find_first_not_of(" \t\n");
    text_.remove_prefix(first == std::string_view::npos ? text_.size() : first);
  }
  bool accept(char wanted) {
    skip_blanks();
    if (text_.empty() || text_[0] != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) corrupt(fmt::format("'{}' expected", wanted));
  }
  bool accept_word(std::string_view word) {
    skip_blanks();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  std::string_view quoted() {
    skip_blanks();
    const char quote = text_.empty() ? '\0' : text_[0];
    if (quote != '\'' && quote != '"') corrupt("a string expected");
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) corrupt("a string does not end");
    const std::string_view result = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return result;
  }

  void read_value(std::string_view key) {
    if (key == "descr") return read_type();
    if (key == "shape") return read_shape();
    if (key != "fortran_order") corrupt("unknown key '" + printable(key) + "'");
    header_.is_fortran = accept_word("True");
    if (!header_.is_fortran && !accept_word("False")) corrupt("True or False expected");
  }

  void read_type() {
    skip_blanks();
    if (!text_.empty() && text_[0] == '[') {
      fail(ErrorCode::kUnsupported, "{}: arrays of records are not supported", what_);
    }
    const std::string_view descr = quoted();
    for (const NumpyType& type : kNumpyTypes) {
      if (type.descr != descr) continue;
      header_.dtype = type.dtype;
      return;
    }
    if (descr.substr(0, 2) == "|O") {
      fail(ErrorCode::kUnsupported,
           "{}: an array of pickled Python objects is not read; nothing was executed", what_);
    }
    const bool is_type =
        descr.size() >= 2 && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
    if (!is_type) corrupt("'" + printable(descr) + "' is not an element type");
    fail(ErrorCode::kUnsupported, "{}: the element type '{}' is not supported", what_,
         printable(descr));
  }

  void read_shape() {
    expect('(');
    while (!accept(')')) {
      int64_t size = 0;
      skip_blanks();
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) corrupt("a size expected in 'shape'");
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      header_.shape.push_back(size);
      if (header_.shape.size() > kMaxDims) corrupt("too many dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  std::string_view what_;
  NpyHeader header_;
  std::set<std::string_view> seen_;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view bytes, std::string_view what) {
  const auto corrupt = [&](std::string_view fault) {
    fail(ErrorCode::kCorruptData, "{}: not a valid npy file: {}", what, fault);
  };
  if (bytes.size() < kMagic.size() + 2 || bytes.substr(0, kMagic.size()) != kMagic) {
    corrupt("it does not start with \\x93NUMPY and a version");
  }
  const auto version = static_cast<uint8_t>(bytes[kMagic.size()]);
  if (version < 1 || version > 3) corrupt(fmt::format("format version {} is unknown", version));
  const uint64_t length_offset = kMagic.size() + 2;
  const uint64_t text_offset = length_offset + (version == 1 ? 2 : 4);
  if (bytes.size() < text_offset) corrupt("the header is cut");
  const uint64_t length =
      version == 1 ? load<uint16_t>(bytes, length_offset) : load<uint32_t>(bytes, length_offset);
  if (length > bytes.size() - text_offset) {
    corrupt(fmt::format("a header of {} bytes, at most {} can follow", length,
                        bytes.size() - text_offset));
  }
  NpyHeader header = DictionaryReader(bytes.substr(text_offset, length), what).read();
  header.data_offset = text_offset + length;
  if (!tensor_bytes(header.dtype, header.shape, &header.n_bytes)) {
    corrupt("the shape " + shape_text(header.shape) + " is too large");
  }
  return header;
}

std::string npy_header_text(const TensorView& tensor) {
  std::string_view descr;
  for (const NumpyType& type : kNumpyTypes) {
    if (type.dtype == tensor.dtype) descr = type.descr;
  }
  require(!descr.empty(), "npz: array '{}': numpy has no type for {}; convert it first",
          printable(tensor.name), to_string(tensor.dtype));
  std::string sizes;
  for (const int64_t size : tensor.shape) sizes += std::to_string(size) + ", ";
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, sizes);
  const size_t fixed_bytes = kMagic.size() + 2 + 2;
  const size_t total = (fixed_bytes + text.size() + 1 + 63) / 64 * 64;
  require(total - fixed_bytes <= 0xffff, "npz: array '{}' has too many dimensions",
          printable(tensor.name));
  text.resize(total - fixed_bytes - 1, ' ');
  std::string result(kMagic);
  result += std::string("\x01\x00", 2);
  store<uint16_t>(&result, static_cast<uint16_t>(text.size() + 1));
  return result + text + '\n';
}

}  // namespace weir::io
