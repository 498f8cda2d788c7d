#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sae/formats/golden_files.h"
#include "tests/sae/kinds/random_sae.h"
#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/sae/formats/sae_config_json.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

fs::path new_folder() {
  static int count = 0;
  const std::string name = "weir_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  const fs::path folder = fs::path(testing::TempDir()) / name;
  fs::remove_all(folder);
  return folder;
}

// The same dictionary to the last bit.
void expect_same(const Sae& a, const Sae& b, const std::string& what) {
  EXPECT_EQ(to_json(a.config), to_json(b.config)) << what;
  ASSERT_EQ(a.weights.size(), b.weights.size()) << what;
  for (const auto& [name, tensor] : a.weights) {
    EXPECT_EQ(max_difference(tensor, b.weight(name)), 0) << what << " " << name;
  }
}

class SaeRoundTrip : public testing::TestWithParam<std::string> {};

// Every dictionary of the golden files, saved in its own format and in Weir's.
TEST_P(SaeRoundTrip, IsExact) {
  const SaeFile file = load_case(expectations("cases").at(GetParam()));
  for (const SaeFormatInfo& format : sae_formats()) {
    if (!format.writes || (format.name != "weir" && format.name != file.format)) continue;
    const fs::path folder = new_folder();
    save_sae(file.sae, folder, format.name);
    LoadSaeOptions options;
    // Numbers alone do not say where they belong.
    if (format.name == "gemma-scope") options.hook = file.sae.config.hook;
    const SaeFile again = load_sae(folder, options);
    EXPECT_EQ(again.format, format.name);
    Sae expected = file.sae, found = again.sae;
    if (format.name == "gemma-scope") found.config.model = expected.config.model;
    expect_same(expected, found, format.name);
    const bool keeps_all = format.name != "gemma-scope";
    EXPECT_EQ(expected.config.extra, keeps_all ? found.config.extra : expected.config.extra);
  }
}

// Every other format either says why it cannot or keeps the function.
TEST_P(SaeRoundTrip, OtherFormatsKeepTheFunctionOrSayWhyNot) {
  LoadSaeOptions load;
  load.dtype = "float32";
  const SaeFile file = load_case(expectations("cases").at(GetParam()), load);
  const at::Tensor x = at::randn({50, file.sae.config.d_in});
  for (const SaeFormatInfo& format : sae_formats()) {
    if (!format.writes) continue;
    const fs::path folder = new_folder();
    try {
      save_sae(file.sae, folder, format.name);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
      EXPECT_FALSE(fs::exists(folder)) << "nothing may be left behind";
      continue;
    }
    LoadSaeOptions options;
    options.hook = file.sae.config.hook;
    const Sae other = load_sae(folder, options).sae;
    // Folding a scale and moving b_dec into b_enc rounds sums of some tens of terms; a latent that
    // is chosen by a hair may change places, which x drawn at random does not meet.
    constexpr double kTolerance = 2e-5;
    EXPECT_LT(max_difference(encode(other, x), encode(file.sae, x)), kTolerance) << format.name;
    EXPECT_LT(max_difference(reconstruct(other, x), reconstruct(file.sae, x)), kTolerance)
        << format.name;
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SaeRoundTrip);
INSTANTIATE_TEST_SUITE_P(Cases, SaeRoundTrip, testing::ValuesIn(names_of("cases")),
                         [](const auto& instance) { return case_name(instance.param); });

class SaeOwnFormat : public testing::TestWithParam<std::string> {};

TEST_P(SaeOwnFormat, KeepsEveryKindAndSetting) {
  SaeConfig config = small_config(GetParam());
  config.scale = 0.1 + 0.2;
  config.hook = "blocks.1.hook_resid_post";
  config.model = "a \"name\"";
  config.prepend_bos = false;
  config.widths = {8, 24};
  config.extra = R"({"ours":{"steps":7}})";
  config.variational.relu_mu = false;
  config.variational.variance = VariationalSaeConfig::Variance::kLearned;
  const Sae sae = random_sae(config);
  const fs::path folder = new_folder();
  EXPECT_TRUE(save_sae(sae, folder).empty());
  const SaeFile again = load_sae(folder);
  EXPECT_EQ(again.format, "weir");
  expect_same(sae, again.sae, GetParam());
  EXPECT_EQ(again.sae.config.extra, config.extra);
  EXPECT_THROW(save_sae(sae, folder), Error) << "a folder with files is not written over";
}

INSTANTIATE_TEST_SUITE_P(All, SaeOwnFormat, testing::ValuesIn(sae_kinds()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace weir
