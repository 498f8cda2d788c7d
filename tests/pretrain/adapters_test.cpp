// Adapters of PEFT: read, applied, their gradients, and saved again.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/pretrain/golden_train.h"
#include "weir/base/error.h"
#include "weir/model/own.h"
#include "weir/pretrain/language_loss.h"
#include "weir/pretrain/lora.h"

namespace weir {
namespace {

const std::filesystem::path kAdapters = std::filesystem::path(WEIR_GOLDEN_DIR) / "lora";

class Adapters : public testing::TestWithParam<std::string> {
 protected:
  Adapters()
      : folder_(kAdapters / GetParam()),
        expected_(read_all(folder_ / "expected.safetensors")),
        model_(own(load_model(std::filesystem::path(WEIR_GOLDEN_DIR) / "models" / GetParam()))),
        lora_(Lora::read(model_, folder_)) {}

  std::filesystem::path folder_;
  Tensors expected_;
  LoadedModel model_;
  Lora lora_;
};

TEST_P(Adapters, GivesPeftsLogitsAndGradients) {
  const Transformer transformer(model_.config, model_.weights);
  const Weights applied = lora_.applied(model_.weights, model_.config);
  ForwardInput input;
  input.tokens = expected_.at("ids");
  // Float32 sums, as for the models themselves.
  EXPECT_LT(max_difference(transformer.forward(applied, input).logits, expected_.at("logits")),
            1e-4);
  const data::Batch batch = rows(expected_.at("ids"));
  const auto n = static_cast<double>(batch.ids.size(0) * (batch.ids.size(1) - 1));
  for (const bool checkpoint : {false, true}) {
    LanguageLossOptions options;
    options.checkpoint = checkpoint;
    const LanguageGradients found =
        language_gradients(transformer, lora_.applied(model_.weights, model_.config),
                           lora_.leaves(), batch, n, options);
    EXPECT_NEAR(found.sums.mean(), expected_.at("loss").item<double>(), 1e-5);
    const io::TemporaryFolder folder;
    // Their names are those under which the leaves are saved.
    Lora named = lora_;
    std::vector<at::Tensor> leaves = named.leaves();
    std::vector<at::Tensor> kept;
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < leaves.size(); ++i) {
      kept.push_back(leaves[i].clone());
      leaves[i].copy_(found.gradients[i]);
    }
    named.save(folder.path(), "base");
    for (size_t i = 0; i < leaves.size(); ++i) leaves[i].copy_(kept[i]);
    size_t n_compared = 0;
    for (const auto& [name, gradient] : read_all(folder / "adapter_model.safetensors")) {
      const at::Tensor& wanted = expected_.at("grad." + name);
      EXPECT_LT(max_difference(gradient, wanted), 1e-5 * wanted.abs().max().item<double>()) << name;
      ++n_compared;
    }
    EXPECT_EQ(n_compared, leaves.size());
  }
}

TEST_P(Adapters, IsSavedAsPeftSavesIt) {
  const io::TemporaryFolder folder;
  lora_.save(folder.path(), GetParam());
  const Tensors ours = read_all(folder / "adapter_model.safetensors"),
                theirs = read_all(folder_ / "adapter_model.safetensors");
  ASSERT_EQ(ours.size(), theirs.size());
  for (const auto& [name, tensor] : theirs) EXPECT_TRUE(ours.at(name).equal(tensor)) << name;
  const auto a = nlohmann::json::parse(std::ifstream(folder / "adapter_config.json")),
             b = nlohmann::json::parse(std::ifstream(folder_ / "adapter_config.json"));
  for (const auto& [key, value] : a.items()) {
    if (key == "target_modules") {
      EXPECT_EQ(value.get<std::set<std::string>>(), b.at(key).get<std::set<std::string>>());
    } else {
      EXPECT_EQ(value, b.at(key)) << key;
    }
  }
}

TEST_P(Adapters, StartsAsTheModelItself) {
  LoraOptions options;
  options.targets = lora_.options().targets;
  const Lora fresh(model_, options);
  const at::NoGradGuard no_grad;
  const Transformer transformer(model_.config, model_.weights);
  ForwardInput input;
  input.tokens = expected_.at("ids");
  EXPECT_TRUE(transformer.forward(fresh.applied(model_.weights, model_.config), input)
                  .logits.equal(transformer.forward(model_.weights, input).logits));
  EXPECT_GT(fresh.leaves()[0].abs().sum().item<double>(), 0);
  options.targets = {"no_such_module"};
  EXPECT_THROW(Lora(model_, options), Error);
}

TEST(AdaptersFolder, HasCases) {
  EXPECT_FALSE(folders_with(kAdapters, "expected.safetensors").empty()) << kAdapters;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Adapters);
INSTANTIATE_TEST_SUITE_P(Cases, Adapters,
                         testing::ValuesIn(folders_with(kAdapters, "expected.safetensors")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
