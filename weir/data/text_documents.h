#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace weir::data {

/// How a file of text is cut into documents. Empty documents are left out.
struct TextOptions {
  /// Of .txt files: documents lie between these ("<|endoftext|>"), a line's end directly after one
  /// belongs to it. Empty: a file is one document, unless blank_lines.
  std::string separator;
  /// Of .txt files: documents are runs of lines between lines without anything but white space.
  bool blank_lines = false;
  /// Of JSON lines: the member that holds the text.
  std::string field = "text";
  /// A longer document is refused: it is held in memory.
  uint64_t most_bytes = uint64_t{256} << 20;
};

/// The documents of a .txt or .jsonl file, compressed or not, one after the other. Memory: the
/// document and 1 MB.
class TextDocuments {
 public:
  /// By the name of the file (see kind_of). kInvalidArgument for contradicting options.
  static std::unique_ptr<TextDocuments> open(const std::filesystem::path& file,
                                             const TextOptions& options);
  virtual ~TextDocuments() = default;

  /// Puts the next document into `text`; false when there is none left. kCorruptData, with the file
  /// and the line or document, for text that is no UTF-8, a line that is no JSON object with the
  /// field as a string, or a document that is too long.
  virtual bool next(std::string* text) = 0;
  /// How far the file was read, in its own bytes.
  virtual uint64_t file_position() const = 0;
};

}  // namespace weir::data
