#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "weir/base/paths.h"
#include "weir/io/json.h"

namespace weir::testing {

/// The GGUF of a model in this machine's store, if someone has fetched it.
inline std::optional<std::filesystem::path> stored_model(const std::string& name) {
  const std::filesystem::path folder = home_directory() / "models" / name;
  std::error_code no_folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder, no_folder)) {
    if (entry.path().extension() == ".gguf") return entry.path();
  }
  return std::nullopt;
}

inline std::optional<std::filesystem::path> default_model() { return stored_model("smollm2-135m"); }

/// Golden cases of real models: folders named as the store names the model, of which those that
/// begin with `prefix` belong to a topic (smollm2-, gemma3-).
inline std::vector<std::string> real_models(const std::string& prefix) {
  std::vector<std::string> cases;
  std::vector<std::filesystem::path> roots = {golden_topic("")};
  if (!environment("WEIR_GOLDEN")) roots.emplace_back(WEIR_GOLDEN_DIR);
  for (const auto& root : roots) {
    for (const std::string& name : folders_with(root, "expected.json")) {
      if (name.rfind(prefix, 0) == 0) cases.push_back(name);
    }
  }
  std::sort(cases.begin(), cases.end());
  cases.erase(std::unique(cases.begin(), cases.end()), cases.end());
  return cases;
}

inline nlohmann::json expected_of(const std::string& real_model) {
  return io::read_json(golden_topic(real_model) / "expected.json");
}

}  // namespace weir::testing

/// Instantiates `suite`, parametrised by the name of a model, for the golden topics of real models.
/// SmolLM2's cases must be there; those of a model that few have may be missing.
#define WEIR_GOLDEN_REAL_MODELS(suite)                                                \
  TEST(GoldenSmollm2##suite, HasCases) {                                              \
    EXPECT_FALSE(testing::real_models("smollm2-").empty()) << golden_topic("");       \
  }                                                                                   \
  GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(suite);                               \
  INSTANTIATE_TEST_SUITE_P(GoldenSmollm2, suite,                                      \
                           ::testing::ValuesIn(testing::real_models("smollm2-")),     \
                           [](const auto& model) { return case_name(model.param); }); \
  INSTANTIATE_TEST_SUITE_P(GoldenGemma3, suite,                                       \
                           ::testing::ValuesIn(testing::real_models("gemma3-")),      \
                           [](const auto& model) { return case_name(model.param); })
