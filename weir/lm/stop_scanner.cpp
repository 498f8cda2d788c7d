#include "weir/lm/stop_scanner.h"

#include <algorithm>
#include <utility>

#include "weir/base/error.h"

namespace weir {
namespace {

// Length of the longest end of `text` that a stop string begins with, the whole string excluded.
size_t possible_beginning(const std::string& text, const std::string& stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.compare(text.size() - n, n, stop, 0, n) == 0) return n;
  }
  return 0;
}

}  // namespace

StopScanner::StopScanner(std::vector<std::string> stop_strings)
    : stop_strings_(std::move(stop_strings)) {
  for (const std::string& stop : stop_strings_) {
    require(!stop.empty(), "generate: a stop string is empty");
  }
}

std::string StopScanner::push(std::string_view piece) {
  if (stopped_) return {};
  held_ += piece;
  size_t first = std::string::npos, n_held = 0;
  for (const std::string& stop : stop_strings_) {
    first = std::min(first, held_.find(stop));
    n_held = std::max(n_held, possible_beginning(held_, stop));
  }
  stopped_ = first != std::string::npos;
  const size_t n_certain = stopped_ ? first : held_.size() - n_held;
  std::string certain = held_.substr(0, n_certain);
  held_ = stopped_ ? "" : held_.substr(n_certain);
  return certain;
}

std::string StopScanner::finish() { return std::exchange(held_, {}); }

}  // namespace weir
