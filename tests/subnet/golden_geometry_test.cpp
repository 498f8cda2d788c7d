// Ridge maps, their angles and covariances against scikit-learn and SciPy (the golden topic
// `subnet`): maps 1e-6 of the largest entry, angles 1e-4 degrees, as the README says. Singular
// values come as roots of eigenvalues of sums of squares, which loses half the digits below the
// largest: 1e-7 of it.
#include "tests/subnet/golden_masks.h"
#include "weir/subnet/geometry.h"

namespace weir::testing {
namespace {

constexpr double kMap = 1e-6, kDegrees = 1e-4, kSingular = 1e-7;

class GoldenSubnetGeometry : public GoldenMasks {
 protected:
  GoldenSubnetGeometry() : geometry_("geometry_" + GetParam()) {}

  void expect_near(const at::Tensor& found, const std::string& key, double within) const {
    const at::Tensor& expected = geometry_.at(key);
    const double largest = expected.abs().max().item<double>();
    EXPECT_LT(max_difference(found, expected), within * std::max(1.0, largest)) << key;
  }
  void expect_maps(const std::vector<LinearMap>& maps, const std::string& tag,
                   const std::string& to) const {
    const auto& notes = geometry_.notes[tag][to];
    ASSERT_EQ(maps.size(), notes.size());
    for (size_t l = 0; l < maps.size(); ++l) {
      EXPECT_NEAR(maps[l].median_degrees, notes[l]["median_rotation_degrees"].get<double>(),
                  kDegrees);
      EXPECT_NEAR(maps[l].mean_magnitude, notes[l]["mean_magnitude"].get<double>(), kMap);
      EXPECT_NEAR(maps[l].r2, notes[l]["r2"].get<double>(), kMap);
      const std::string key = "ridge.layer" + std::to_string(l) + "." + to;
      if (tag != "full" || !geometry_.has(key + ".coef")) continue;
      expect_near(maps[l].coef, key + ".coef", kMap);
      expect_near(maps[l].intercept, key + ".intercept", kMap);
      EXPECT_LT(max_difference(maps[l].angles, geometry_.at(key + ".angles_sorted")), kDegrees);
    }
  }

  SubnetGolden geometry_;
};

TEST_P(GoldenSubnetGeometry, RotationsAndCovariances) {
  GeometryOptions options;
  options.alpha = geometry_.notes["ridge_alpha"];
  options.batch = 7;
  const std::map<std::string, Weights> models = {{"full", lm_.transformer().weights()},
                                                 {"keep", applied(space_, mask("keep"))}};
  for (const auto& [tag, weights] : models) {
    const StreamGeometry found = stream_geometry(lm_, weights, geometry_.at("ids"), options);
    EXPECT_EQ(found.n_tokens, geometry_.notes["tokens"].get<int64_t>());
    expect_maps(found.to_input, tag, "in");
    expect_maps(found.to_output, tag, "out");
    expect_maps(found.to_second_to_last, tag, "second_to_last");
    for (size_t l = 0; l < found.singular_values.size(); ++l) {
      expect_near(found.singular_values[l], tag + ".layer" + std::to_string(l) + ".singular_values",
                  kSingular);
    }
    expect_near(found.similarity, tag + ".covariance_similarity", kMap);
    expect_near(found.similarity_with_top, tag + ".covariance_similarity_with_top_direction", kMap);
  }
}

TEST(GoldenSubnetGeometryFolder, HasCases) { EXPECT_FALSE(subnet_cases("geometry").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSubnetGeometry);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSubnetGeometry, ::testing::ValuesIn(subnet_cases("geometry")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
