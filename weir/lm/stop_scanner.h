#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// Finds stop strings in text that arrives in pieces, wherever the pieces break, and holds back
/// what may still turn out to be the beginning of one.
class StopScanner {
 public:
  /// Empty stop strings are refused (kInvalidArgument).
  explicit StopScanner(std::vector<std::string> stop_strings);

  /// The text that became certain. Once a stop string is complete, the text before it is the last
  /// that comes out.
  std::string push(std::string_view piece);
  /// What is held back, when no more text will come.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stop_strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace weir
