#include "weir/model/architectures/qwen_windows.h"

#include "weir/io/json.h"

namespace weir::architectures {

std::vector<int64_t> qwen_windows(const ConfigReader& read, int64_t n_layers) {
  const bool used = read.flag_or("use_sliding_window", false);
  const int64_t first =
      io::find_int(read.json(), "max_window_layers", 0, int64_t{1} << 31, "config.json")
          .value_or(28);
  std::vector<bool> slides;
  for (int64_t layer = 0; layer < n_layers; ++layer) slides.push_back(layer >= first);
  return layer_windows(read, used ? read.size_or("sliding_window", 4096) : 0, slides);
}

}  // namespace weir::architectures
