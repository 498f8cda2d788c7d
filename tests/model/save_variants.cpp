// save_variants MODEL EXPECTED OUT: writes a golden model (a folder or file) edited, trained and
// folded into the folders OUT/edited, ..., and Weir's logits of the tokens in EXPECTED
// (expected.safetensors) beside each, for tools/check_convert.py to compare with transformers'.
#include <cstdio>
#include <filesystem>

#include <ATen/ATen.h>

#include "tests/model/golden_model.h"
#include "tests/model/saved_variants.h"
#include "weir/io/safetensors.h"
#include "weir/model/convert.h"
#include "weir/tensor/convert.h"

namespace {

void write(const weir::LoadedModel& model, const at::Tensor& tokens,
           const std::filesystem::path& folder) {
  weir::save_hf(model, folder);
  weir::ForwardInput input;
  input.tokens = tokens;
  const at::Tensor logits = weir::Transformer(model.config, model.weights).forward(input).logits;
  weir::io::write_safetensors(folder.string() + ".logits.safetensors",
                              {weir::to_view("logits", logits.detach())});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: save_variants MODEL EXPECTED OUT\n");
    return 2;
  }
  const std::filesystem::path out = argv[3];
  const weir::LoadedModel model = weir::load_model(argv[1]);
  const at::Tensor tokens = weir::read_all(argv[2]).at("tokens");
  write(weir::edited(model, /*cuts_tie=*/false), tokens, out / "edited");
  write(weir::edited(model, /*cuts_tie=*/true), tokens, out / "edited_untied");
  write(weir::trained(model, tokens), tokens, out / "trained");
  write(weir::folded(model), tokens, out / "folded");
  return 0;
}
