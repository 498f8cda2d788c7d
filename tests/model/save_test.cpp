// What save_hf writes is the model as it now is: parameters come back bit for bit, and the logits
// as close as products in another memory layout are (float32 sums in another order; logits here
// reach 10, whose spacing is 1e-6).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "tests/model/saved_variants.h"
#include "weir/base/error.h"
#include "weir/model/convert.h"
#include "weir/model/own.h"
#include "weir/model/process.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens) {
  const at::NoGradGuard no_grad;
  ForwardInput input;
  input.tokens = tokens;
  return Transformer(model.config, model.weights).forward(input).logits;
}

at::Tensor some_tokens(const LoadedModel& model) {
  return at::arange(12, at::kLong).remainder(model.config.d_vocab).unsqueeze(0);
}

// Every parameter of `model` is in `saved`; what is there besides is a zero bias or a gain of one.
void expect_same_parameters(const LoadedModel& saved, const LoadedModel& model) {
  Weights written = saved.weights, weights = model.weights;
  std::map<std::string, at::Tensor> ours;
  for (const Parameter& parameter : parameters(weights, model.config)) {
    ours[parameter.name] = parameter.get(at::kFloat);
  }
  for (const Parameter& parameter : parameters(written, saved.config)) {
    const at::Tensor value = parameter.get(at::kFloat);
    const auto found = ours.find(parameter.name);
    if (found == ours.end()) {
      const bool is_gain = parameter.name.substr(parameter.name.size() - 2) == ".w";
      const double neutral = is_gain ? 1 - saved.config.norm_offset : 0;
      EXPECT_TRUE(value.eq(neutral).all().item<bool>()) << parameter.name;
      continue;
    }
    EXPECT_TRUE(value.equal(found->second)) << parameter.name;
    ours.erase(found);
  }
  EXPECT_TRUE(ours.empty()) << ours.begin()->first;
}

void expect_saved_as_it_is(const LoadedModel& model) {
  const io::TemporaryFolder folder;
  save_hf(model, folder / "out");
  const LoadedModel saved = load_model(folder / "out");
  expect_same_parameters(saved, model);
  const at::Tensor tokens = some_tokens(model);
  EXPECT_LT(max_difference(logits_of(saved, tokens), logits_of(model, tokens)), kTolerance);
}

class Saved : public testing::TestWithParam<std::string> {
 protected:
  LoadedModel model_ = load_model(golden_folder(GetParam()));
};

TEST_P(Saved, HoldsTheValuesThatWereSet) {
  const LoadedModel changed = edited(model_, /*cuts_tie=*/false);
  EXPECT_EQ(changed.weights.W_U.is_same(changed.weights.W_E), model_.config.tied);
  EXPECT_GT(max_difference(logits_of(changed, some_tokens(model_)),
                           logits_of(model_, some_tokens(model_))),
            0.1);
  expect_saved_as_it_is(changed);
}

TEST_P(Saved, HoldsBothTablesOnceTheyAreUntied) {
  expect_saved_as_it_is(edited(model_, /*cuts_tie=*/true));
}

TEST_P(Saved, HoldsTheValuesAfterAStep) {
  const at::Tensor tokens = some_tokens(model_);
  const LoadedModel stepped = trained(model_, tokens);
  const double before = next_token_loss(logits_of(model_, tokens), tokens).item<double>();
  EXPECT_LT(next_token_loss(logits_of(stepped, tokens), tokens).item<double>(), before);
  expect_saved_as_it_is(stepped);
}

TEST_P(Saved, HoldsAFoldedModelThatTheFamilyCanExpress) {
  const LoadedModel processed = folded(model_);
  expect_saved_as_it_is(processed);
  expect_saved_as_it_is(own(processed));
}

TEST_P(Saved, OwnModelsComputeTheSame) {
  const at::Tensor tokens = some_tokens(model_);
  const LoadedModel mine = own(model_);
  EXPECT_EQ(mine.weights.W_U.is_same(mine.weights.W_E), model_.config.tied);
  expect_same_parameters(mine, model_);
  EXPECT_LT(max_difference(logits_of(mine, tokens), logits_of(model_, tokens)), kTolerance);
  expect_saved_as_it_is(own(mine));
}

INSTANTIATE_TEST_SUITE_P(Models, Saved, testing::ValuesIn(golden_names()),
                         [](const auto& model) { return model.param; });

// In-place writes reach the file too, and never the mapped file that the model came from.
TEST(Save, WritesWhatWasChangedInPlace) {
  for (const char* name : {"gpt2", "gpt_neox", "llama_bf16", "phi3"}) {
    const LoadedModel model = load_model(golden_folder(name));
    LoadedModel mine = own(model);
    for (const Parameter& parameter : parameters(mine.weights, mine.config)) {
      parameter.held().mul_(0.5);
      if (mine.config.tied && parameter.name == "unembed.W_U") parameter.held().mul_(2);
    }
    const io::TemporaryFolder folder;
    save_hf(mine, folder / "out");
    const LoadedModel saved = load_model(folder / "out");
    for (const char* parameter :
         {"embed.W_E", "blocks.1.attn.W_K", "blocks.1.mlp.W_in", "blocks.0.ln1.w"}) {
      const at::Tensor before = get_parameter(model.weights, model.config, parameter);
      EXPECT_TRUE(get_parameter(saved.weights, saved.config, parameter).equal(before * 0.5))
          << name << " " << parameter;
    }
  }
}

TEST(Save, RefusesByNameWhatTheFamilyHasNoPlaceFor) {
  const io::TemporaryFolder folder;
  const auto error_of = [&](const LoadedModel& model) -> std::string {
    try {
      save_hf(model, folder / "out");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      EXPECT_FALSE(fs::exists(folder / "out"));
      return error.what();
    }
    return "saved";
  };
  const LoadedModel gpt2 = process_weights(load_model(golden_folder("gpt2")));
  EXPECT_NE(error_of(gpt2).find("'unembed.b_U'"), std::string::npos);
  const LoadedModel qwen2 = process_weights(load_model(golden_folder("qwen2")));
  EXPECT_NE(error_of(qwen2).find("attn.b_O'"), std::string::npos);
  LoadedModel opt = load_model(golden_folder("opt_350m_style"));
  for (const char* table : {"embed.W_E", "unembed.W_U"}) {
    LoadedModel changed = opt;
    const at::Tensor value = get_parameter(opt.weights, opt.config, table);
    set_parameter(changed.weights, changed.config, table, value * 2);
    EXPECT_NE(error_of(changed).find(table), std::string::npos) << table;
  }
}

TEST(Own, IsDenseInTheDtypeAskedFor) {
  const LoadedModel model = load_model(fs::path(WEIR_GOLDEN_DIR) / "gguf_models" / "gpt2.gguf");
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    LoadedModel mine = own(model, dtype);
    EXPECT_EQ(mine.weights.W_E.storage().scalar_type(), dtype);
    EXPECT_EQ(mine.weights.blocks[0].attn.W_V.storage().scalar_type(), dtype);
    const auto vectors = dtype == at::kDouble ? at::kDouble : at::kFloat;
    EXPECT_EQ(mine.weights.blocks[0].ln1.w.scalar_type(), vectors);
    EXPECT_TRUE(mine.config.tied);
  }
  EXPECT_THROW(own(model, at::kLong), Error);
}

// A projection that is one run of rows or columns of a fused tensor is a view of it.
TEST(Own, KeepsFusedProjectionsInOneTensor) {
  for (const char* name : {"gpt2", "phi3"}) {
    const LoadedModel mine = own(load_model(golden_folder(name)));
    const AttentionWeights& attn = mine.weights.blocks[0].attn;
    EXPECT_TRUE(attn.W_Q.storage().is_alias_of(attn.W_V.storage())) << name;
  }
}

TEST(Trainable, GivesLeavesOfTheParametersThatMatch) {
  LoadedModel model = own(load_model(golden_folder("llama_gqa_tied")));
  const std::vector<Parameter> leaves = trainable(model, {"blocks.1.mlp.*", "unembed.W_U"});
  std::vector<std::string> names;
  for (const Parameter& leaf : leaves) {
    names.push_back(leaf.name);
    EXPECT_TRUE(leaf.held().is_leaf() && leaf.held().requires_grad()) << leaf.name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"embed.W_E", "blocks.1.mlp.W_gate",
                                             "blocks.1.mlp.W_in", "blocks.1.mlp.W_out"}));
  EXPECT_TRUE(model.weights.W_U.is_same(model.weights.W_E));
  EXPECT_FALSE(model.weights.blocks[1].attn.W_Q.storage().requires_grad());
  // Another choice takes the first one's place.
  EXPECT_EQ(trainable(model, {"ln_final.w"}).size(), 1);
  EXPECT_FALSE(model.weights.blocks[1].mlp.W_in.storage().requires_grad());
}

// The gradient of a tied table is the sum of both uses: that of two tables set apart.
TEST(Trainable, CountsATieOnce) {
  LoadedModel tied = own(load_model(golden_folder("gpt2")));
  LoadedModel apart = tied;
  untie(apart.weights);
  const at::Tensor tokens = some_tokens(tied);
  const auto gradients = [&](LoadedModel& model) {
    std::map<std::string, at::Tensor> result;
    const std::vector<Parameter> leaves = trainable(model, {"*W_E", "*W_U"});
    ForwardInput input;
    input.tokens = tokens;
    const Transformer transformer(model.config, model.weights);
    next_token_loss(transformer.forward(input).logits, tokens).backward();
    for (const Parameter& leaf : leaves) result[leaf.name] = leaf.held().grad();
    return result;
  };
  const auto once = gradients(tied), twice = gradients(apart);
  ASSERT_EQ(once.size(), 1);
  ASSERT_EQ(twice.size(), 2);
  const at::Tensor sum = twice.at("embed.W_E") + twice.at("unembed.W_U");
  EXPECT_LT(max_difference(once.at("embed.W_E"), sum), 1e-5);
}

TEST(Trainable, RefusesAFileAndUnknownNames) {
  LoadedModel loaded = load_model(golden_folder("gpt2"));
  EXPECT_THROW(trainable(loaded, {"*"}), Error);
  LoadedModel mine = own(loaded);
  try {
    trainable(mine, {"blocks.0.attn.W_q"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("blocks.0.attn.W_Q"), std::string::npos);
  }
}

TEST(SaveFolder, AppearsCompleteOrNotAtAll) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(golden_folder("gpt2"));
  SaveOptions options;
  options.also = [](const fs::path&) { fail(ErrorCode::kInterrupted, "stopped"); };
  EXPECT_THROW(save_hf(model, folder / "a/b/out", options), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(SaveFolder, IsNotWrittenIntoUnlessEmptyOrAsked) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(golden_folder("gpt2"));
  fs::create_directory(folder / "out");
  save_hf(model, folder / "out");
  std::ofstream(folder / "out" / "notes.txt") << "mine";
  std::ofstream(folder / "out" / "pytorch_model.bin") << "old";
  const LoadedModel other = load_model(golden_folder("llama_mha"));
  EXPECT_THROW(save_hf(other, folder / "out"), Error);
  EXPECT_EQ(load_model(folder / "out").config.family, "gpt2");
  SaveOptions options;
  options.overwrite = true;
  save_hf(other, folder / "out", options);
  EXPECT_EQ(load_model(folder / "out").config.family, "llama");
  EXPECT_TRUE(fs::exists(folder / "out" / "notes.txt"));
  EXPECT_FALSE(fs::exists(folder / "out" / "pytorch_model.bin"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(SaveFolder, IsNoFile) {
  const io::TemporaryFolder folder;
  const fs::path file = folder.write("taken", "");
  try {
    save_hf(load_model(golden_folder("gpt2")), file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected a folder"), std::string::npos);
  }
}

}  // namespace
}  // namespace weir
