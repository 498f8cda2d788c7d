// ablate_head MODEL TEXT: the token that the model expects after the text, as it is and with one
// attention head replaced by zero. MODEL is anything that `weir` takes: smollm2-135m, a folder, a
// file.
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/lm/language_model.h"
#include "weir/store/model_store.h"

namespace {

void ablate_head(const std::string& model, const std::string& text) {
  const auto lm = weir::LanguageModel::load(weir::resolve_model(model));
  weir::Intervention ablation;
  ablation.where = "blocks.2.attn.hook_z";
  ablation.heads = std::vector<int64_t>{3};  // head 2.3 ...
  ablation.value = at::zeros({});            // ... replaced by zero
  weir::RunOptions options;
  options.interventions = {ablation};
  options.cache.emplace().names = {"blocks.*.attn.hook_pattern"};
  const weir::RunResult plain = lm.run(lm.encode(text)), ablated = lm.run(lm.encode(text), options);

  for (const weir::RunResult* result : {&plain, &ablated}) {
    const auto next = result->logits[0][-1].argmax().item<int64_t>();
    fmt::print("next token: '{}'\n", lm.token_text(next));
  }
  for (const std::string& name : ablated.cache.names()) {
    const at::Tensor pattern = ablated.cache[name];  // [batch, head, query, key]
    fmt::print("{}: {:.3f} of the attention on the first token\n", name,
               pattern.select(-1, 0).mean().item<double>());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: ablate_head MODEL TEXT\n");
    return 2;
  }
  try {
    ablate_head(argv[1], argv[2]);
  } catch (const weir::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
