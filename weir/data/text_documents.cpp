#include "weir/data/text_documents.h"

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/data/input_files.h"
#include "weir/io/byte_stream.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"

namespace weir::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Text up to a delimiter, again and again.
class Splitter {
 public:
  Splitter(const std::filesystem::path& file, uint64_t most_bytes)
      : stream_(file), path_(file.string()), most_bytes_(most_bytes) {}

  /// The text before the next `delimiter` (before the end of the file, for "" or when none is left)
  /// without it; false at the end of the file.
  bool next(std::string_view delimiter, std::string* text);
  /// Takes `text` away if it comes next.
  void skip(std::string_view text);
  const std::string& path() const { return path_; }
  uint64_t file_position() const { return stream_.file_position(); }

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }
  /// Reads more; false at the end of the file.
  bool fill();

  io::ByteStream stream_;
  std::string path_;
  uint64_t most_bytes_;
  std::string buffer_;
  size_t begin_ = 0;  ///< What lies before was handed out.
};

bool Splitter::fill() {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  buffer_.erase(0, begin_);
  begin_ = 0;
  if (buffer_.size() > most_bytes_) {
    fail(ErrorCode::kCorruptData,
         "{}: expected documents of at most {} MB, found a longer one; --separator or "
         "--blank-lines cut a file into documents",
         path_, most_bytes_ >> 20);
  }
  const size_t size = buffer_.size();
  buffer_.resize(size + kPieceBytes);
  const size_t count = stream_.read(buffer_.data() + size, kPieceBytes);
  buffer_.resize(size + count);
  return count > 0;
}

bool Splitter::next(std::string_view delimiter, std::string* text) {
  size_t searched = 0;
  for (;;) {
    const size_t place =
        delimiter.empty() ? std::string_view::npos : rest().find(delimiter, searched);
    if (place != std::string_view::npos) {
      text->assign(rest().substr(0, place));
      begin_ += place + delimiter.size();
      return true;
    }
    // The delimiter may lie across what is here and what comes.
    searched = rest().size() - std::min(rest().size(), delimiter.size());
    if (fill()) continue;
    if (rest().empty()) return false;
    text->assign(rest());
    begin_ = buffer_.size();
    return true;
  }
}

void Splitter::skip(std::string_view text) {
  while (rest().size() < text.size() && fill()) {
  }
  if (rest().substr(0, text.size()) == text) begin_ += text.size();
}

void check_utf8(const std::string& text, const Splitter& file, const char* unit, int64_t number) {
  if (io::is_utf8(text)) return;
  fail(ErrorCode::kCorruptData, "{}: {} {}: expected UTF-8, found other bytes; convert it (iconv)",
       file.path(), unit, number);
}

/// A .txt file between separators, or whole.
class SeparatedText final : public TextDocuments {
 public:
  SeparatedText(const std::filesystem::path& file, const TextOptions& options)
      : splitter_(file, options.most_bytes), separator_(options.separator) {
    splitter_.skip(kByteOrderMark);
  }

  bool next(std::string* text) override {
    do {
      if (!splitter_.next(separator_, text)) return false;
      if (!separator_.empty()) splitter_.skip("\n");
      ++n_;
    } while (text->empty());
    check_utf8(*text, splitter_, "document", n_);
    return true;
  }
  uint64_t file_position() const override { return splitter_.file_position(); }

 private:
  Splitter splitter_;
  std::string separator_;
  int64_t n_ = 0;
};

/// A .txt file between blank lines.
class Paragraphs final : public TextDocuments {
 public:
  Paragraphs(const std::filesystem::path& file, const TextOptions& options)
      : splitter_(file, options.most_bytes), most_bytes_(options.most_bytes) {
    splitter_.skip(kByteOrderMark);
  }

  bool next(std::string* text) override {
    text->clear();
    for (std::string line; splitter_.next("\n", &line);) {
      ++n_lines_;
      const bool is_blank = line.find_first_not_of(" \t\r") == std::string::npos;
      if (!is_blank) *text += line + "\n";
      if (is_blank && !text->empty()) break;
      if (text->size() > most_bytes_) {
        fail(ErrorCode::kCorruptData,
             "{}: expected documents of at most {} MB, found none at line {}", splitter_.path(),
             most_bytes_ >> 20, n_lines_);
      }
    }
    check_utf8(*text, splitter_, "the document before line", n_lines_);
    return !text->empty();
  }
  uint64_t file_position() const override { return splitter_.file_position(); }

 private:
  Splitter splitter_;
  uint64_t most_bytes_;
  int64_t n_lines_ = 0;
};

class JsonLines final : public TextDocuments {
 public:
  JsonLines(const std::filesystem::path& file, const TextOptions& options)
      : splitter_(file, options.most_bytes), field_(options.field) {}

  bool next(std::string* text) override {
    for (std::string line; splitter_.next("\n", &line);) {
      ++n_lines_;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const std::string what = splitter_.path() + " line " + std::to_string(n_lines_);
      const nlohmann::json document = io::parse_json(line, what);
      if (!document.is_object()) {
        fail(ErrorCode::kCorruptData, "{}: expected a JSON object with the member '{}'", what,
             io::printable(field_));
      }
      *text = io::get_string(document, field_, what);
      if (!text->empty()) return true;
    }
    return false;
  }
  uint64_t file_position() const override { return splitter_.file_position(); }

 private:
  Splitter splitter_;
  std::string field_;
  int64_t n_lines_ = 0;
};

}  // namespace

std::unique_ptr<TextDocuments> TextDocuments::open(const std::filesystem::path& file,
                                                   const TextOptions& options) {
  require(options.separator.empty() || !options.blank_lines,
          "documents: expected a separator or blank lines, got both");
  switch (kind_of(file)) {
    case FileKind::kJsonLines:
      return std::make_unique<JsonLines>(file, options);
    case FileKind::kText:
      if (options.blank_lines) return std::make_unique<Paragraphs>(file, options);
      return std::make_unique<SeparatedText>(file, options);
    case FileKind::kIds:
      break;
  }
  fail(ErrorCode::kInvalidArgument, "{}: expected text, found a file of token ids", file.string());
}

}  // namespace weir::data
