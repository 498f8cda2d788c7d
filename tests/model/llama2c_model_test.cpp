// stories260K, a trained Llama with grouped key heads, against the logits of run.c
// (tests/golden/llama2c). run.c sums in float32 one row at a time; logits reach 20, so 1e-4 is
// about fifty units in the last place.
#include "weir/model/llama2c_model.h"

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/model/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

fs::path golden() { return fs::path(WEIR_GOLDEN_DIR) / "llama2c"; }

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens) {
  ForwardInput input;
  input.tokens = tokens;
  return Transformer(model.config, model.weights).forward(input).logits;
}

at::Tensor reference_tokens(const nlohmann::json& reference) {
  return at::tensor(reference["tokens"].get<std::vector<int64_t>>()).unsqueeze(0);
}

TEST(Llama2cModel, GivesTheLogitsOfTheReferenceProgram) {
  const nlohmann::json reference = io::read_json(golden() / "ref_logits.json");
  const auto file = io::MappedFile::open(golden() / "ref_logits_f32.bin");
  const at::Tensor tokens = reference_tokens(reference);
  const at::Tensor expected =
      at::from_blob(const_cast<std::byte*>(file->data()), {1, tokens.size(1), 512}, at::kFloat);
  const at::Tensor logits = logits_of(load_model(golden() / "stories260K.bin"), tokens);
  EXPECT_LT(max_difference(logits, expected), 1e-4);
  EXPECT_NEAR(next_token_loss(logits, tokens).item<double>(), reference["mean_nll"].get<double>(),
              2e-6);
}

TEST(Llama2cModel, IsALlamaToEverythingElse) {
  const LoadedModel model = load_model(golden() / "stories260K.bin");
  EXPECT_EQ(model.config.family, "llama");
  EXPECT_EQ(model.config.n_kv_heads, 4);
  EXPECT_TRUE(model.config.tied);
  EXPECT_FALSE(model.config.rotary.adjacent);
}

TEST(Llama2cModel, ConvertsToAFolderWithIdenticalLogits) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(golden() / "stories260K.bin");
  save_hf(model, folder / "out", {at::kFloat});
  const at::Tensor tokens = reference_tokens(io::read_json(golden() / "ref_logits.json"));
  EXPECT_TRUE(at::equal(logits_of(load_model(folder / "out"), tokens), logits_of(model, tokens)));
}

}  // namespace
}  // namespace weir
