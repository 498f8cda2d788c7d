#pragma once

#include <memory>
#include <string>

namespace weir::cli {

/// Lines of stdin. Unlike std::getline it notices Ctrl-C while it waits for one. On a terminal each
/// comes after `prompt`, can be edited, and earlier ones come back by the Up key.
class LineReader {
 public:
  explicit LineReader(const std::string& prompt);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// False at the end of the input. kInterrupted once the user asked to stop.
  bool next(std::string& line);

 private:
  class Bytes;
  class Editor;
  std::string prompt_;  ///< "" when stdin is no terminal.
  std::unique_ptr<Bytes> bytes_;
  std::unique_ptr<Editor> editor_;  ///< Null without a terminal that can move its cursor.
};

}  // namespace weir::cli
