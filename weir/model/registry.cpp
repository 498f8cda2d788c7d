#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/model/architectures/families.h"

namespace weir {

const std::vector<Family>& families() {
  using namespace architectures;
  static const std::vector<Family> all = {
      bloom(), gemma(), gemma2(),  gemma3_text(), gpt2(),    gpt_neo(), gpt_neox(),
      gptj(),  llama(), mistral(), nanogpt(),     olmo2(),   opt(),     phi(),
      phi3(),  qwen2(), qwen3(),   smollm3(),     stablelm()};
  return all;
}

const Family& family(const std::string& model_type) {
  std::string known;
  for (const Family& candidate : families()) {
    if (candidate.name == model_type) return candidate;
    known += (known.empty() ? "" : ", ") + candidate.name;
  }
  fail(ErrorCode::kUnsupported, "config.json: model_type '{}' is not one of {}",
       io::printable(model_type), known);
}

}  // namespace weir
