#include "tests/model/golden_model.h"

#include <algorithm>
#include <fstream>

#include <ATen/ATen.h>

#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {

namespace fs = std::filesystem;

fs::path golden_folder(const std::string& name) {
  return fs::path(WEIR_GOLDEN_DIR) / "models" / name;
}

fs::path golden_case(const std::string& name) { return golden_topic("models") / name; }

const std::vector<std::string>& golden_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(fs::path(WEIR_GOLDEN_DIR) / "models")) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }();
  return names;
}

CacheOptions only(std::vector<std::string> globs) {
  CacheOptions options;
  options.names = std::move(globs);
  return options;
}

at::Tensor next_token_loss(const at::Tensor& logits, const at::Tensor& tokens) {
  const at::Tensor log_probs = logits.slice(1, 0, logits.size(1) - 1).log_softmax(-1);
  return -log_probs.gather(-1, tokens.slice(1, 1).unsqueeze(-1)).mean();
}

fs::path copy_with_config(const fs::path& folder, const fs::path& target,
                          const std::string& config_json) {
  fs::create_directories(target);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.rfind("model", 0) == 0) {
      fs::copy(entry.path(), target / file, fs::copy_options::overwrite_existing);
    }
  }
  std::ofstream(target / "config.json") << config_json;
  return target;
}

}  // namespace weir
