#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sae/formats/golden_files.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/base/error.h"

namespace weir {
namespace {

using nlohmann::json;

// The README's: float32 sums of some tens of terms near 1; what the peer computes in bfloat16 has 8
// bits.
double tolerance(const Sae& sae) { return sae.config.dtype == "bfloat16" ? 0.05 : 1e-5; }

bool has_note(const SaeFile& file, const std::string& part) {
  return std::any_of(file.notes.begin(), file.notes.end(),
                     [&](const std::string& note) { return note.find(part) != note.npos; });
}

class GoldenSaeFormats : public testing::TestWithParam<std::string> {
 protected:
  const json about_ = expectations("cases").at(GetParam());
  const std::map<std::string, at::Tensor> tensors_ =
      read_all(formats_topic() / "cases.safetensors");
};

TEST_P(GoldenSaeFormats, AreToldApart) {
  const SaeFile file = load_case(about_);
  EXPECT_EQ(file.format, about_.at("format"));
  EXPECT_EQ(file.sae.config.kind, about_.at("architecture"));
  if (about_.contains("apply_b_dec_to_input")) {
    EXPECT_EQ(file.sae.config.apply_b_dec_to_input, about_["apply_b_dec_to_input"].get<bool>());
  }
  // A path that does not say the site leaves it to an assumption, which is told.
  if (about_.contains("hook_name") && !has_note(file, "is assumed")) {
    EXPECT_EQ(file.sae.config.hook, about_["hook_name"]);
  }
}

TEST_P(GoldenSaeFormats, LatentsAndReconstructionsMatch) {
  const std::string name = GetParam();
  // Llama Scope's threshold is read as its card says; SAELens scales it, which is an option.
  const bool is_scaled = tensors_.count(name + ".acts_threshold_unscaled") > 0;
  LoadSaeOptions options;
  options.scale_llama_scope_threshold = is_scaled;
  const SaeFile file = load_case(about_, options);
  const at::Tensor x = tensors_.at(about_.at("x").get<std::string>());
  EXPECT_LT(max_difference(encode(file.sae, x), tensors_.at(name + ".acts")), tolerance(file.sae));
  EXPECT_LT(max_difference(reconstruct(file.sae, x), tensors_.at(name + ".recon")),
            tolerance(file.sae));
  if (is_scaled) {
    EXPECT_LT(max_difference(encode(load_case(about_).sae, x),
                             tensors_.at(name + ".acts_threshold_unscaled")),
              tolerance(file.sae));
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeFormats);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeFormats, testing::ValuesIn(names_of("cases")),
                         [](const auto& instance) { return case_name(instance.param); });

class GoldenSaeFormatsRefusals : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeFormatsRefusals, AreOneLineThatSaysWhy) {
  const json about = expectations("refuse").at(GetParam());
  try {
    load_case(about);
    FAIL() << "loaded, although " << about.at("because");
  } catch (const Error& error) {
    const std::string message = error.what();
    RecordProperty("message", message);
    EXPECT_EQ(message.find('\n'), message.npos);
    for (const std::string word : about.at("must_mention")) {
      EXPECT_THAT(message, testing::HasSubstr(word));
    }
  }
  EXPECT_FALSE(std::filesystem::exists("weir-unpickler-executed-code"));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeFormatsRefusals);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeFormatsRefusals, testing::ValuesIn(names_of("refuse")),
                         [](const auto& instance) { return case_name(instance.param); });

TEST(GoldenSaeFormatsOldTorch, IsRefusedByName) {
  const json cases = expectations("cases");
  for (const auto& [name, about] : cases.items()) {
    if (!is_old_torch(about)) continue;
    try {
      load_case(about);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("before 1.6"));
    }
  }
}

TEST(GoldenSaeFormatsFolder, HasCases) {
  EXPECT_FALSE(names_of("cases").empty()) << formats_topic();
  EXPECT_FALSE(names_of("refuse").empty());
}

}  // namespace
}  // namespace weir
