// top_token MODEL ID...: the token that the model expects after those with the given ids, and how
// far each layer's residual stream reaches at the last of them.
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/lm/language_model.h"
#include "weir/store/model_store.h"

namespace {

int64_t token_id(std::string_view word) {
  int64_t id = 0;
  const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
  weir::require(error == std::errc() && rest == word.data() + word.size(),
                "expected token ids (weir tokenize gives them), found '{}'", word);
  return id;
}

void show_top_token(const std::string& model, const std::vector<int64_t>& ids) {
  const auto lm = weir::LanguageModel::load(weir::resolve_model(model));
  weir::RunOptions options;
  options.cache.emplace().names = {"blocks.*.hook_resid_post"};
  const weir::RunResult result = lm.run(weir::left_pad({ids}), options);
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    const at::Tensor stream = result.cache[fmt::format("blocks.{}.hook_resid_post", layer)];
    fmt::print("layer {}: norm {:.3f}\n", layer, stream[0][-1].norm().item<double>());
  }
  fmt::print("top token: {}\n", result.logits[0][-1].argmax().item<int64_t>());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: top_token MODEL ID...\n");
    return 2;
  }
  try {
    std::vector<int64_t> ids;
    for (int i = 2; i < argc; ++i) ids.push_back(token_id(argv[i]));
    show_top_token(argv[1], ids);
  } catch (const weir::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
