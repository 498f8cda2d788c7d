#include "bench/measure.h"

#include <chrono>
#include <fstream>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir::bench {

double seconds_of(const std::function<void()>& call) {
  throw_if_interrupted();
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<double> measure(int64_t runs, const std::function<void()>& call) {
  call();
  std::vector<double> seconds;
  for (int64_t i = 0; i < runs; ++i) seconds.push_back(seconds_of(call));
  return seconds;
}

std::string checked(const std::string& what, double difference, double tolerance) {
  if (!(difference <= tolerance)) {
    fail(ErrorCode::kInternal, "bench: {} differ by {:.3g}, expected at most {:.3g}", what,
         difference, tolerance);
  }
  return fmt::format("{} agree to {:.2g}", what, difference);
}

std::string proc_field(const std::string& path, const std::string& field) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (line.rfind(field, 0) != 0 || colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

int64_t peak_rss() {
  const std::string kilobytes = proc_field("/proc/self/status", "VmHWM");
  return kilobytes.empty() ? 0 : std::stoll(kilobytes) * 1024;
}

double forward_flops(const LanguageModelShape& shape, double n_tokens, double mean_keys,
                     double n_logits) {
  const auto d = static_cast<double>(shape.d_model);
  const double attention = 2 * d * (2 * d + 2 * static_cast<double>(shape.d_kv));
  const double mlp = 2 * d * static_cast<double>(shape.d_mlp) * (shape.gated ? 3 : 2);
  const double mixing = 2 * 2 * d * mean_keys;
  return n_tokens * static_cast<double>(shape.n_layers) * (attention + mlp + mixing) +
         n_logits * 2 * d * static_cast<double>(shape.d_vocab);
}

}  // namespace weir::bench
