#pragma once

#include <string>

namespace weir::cli {

/// Lines of stdin. Unlike std::getline it notices Ctrl-C while it waits for one.
class LineReader {
 public:
  LineReader();
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// False at the end of the input. kInterrupted once the user asked to stop.
  bool next(std::string& line);

 private:
  bool read_more();

  int descriptor_;
  std::string pending_;  ///< Read, but not yet given out.
};

}  // namespace weir::cli
