#include "weir/base/bootstrap.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Bootstrap, IntervalsCoverTheMeanAndWidenWithClusters) {
  std::vector<double> values;
  std::vector<int64_t> cluster;
  for (int i = 0; i < 100; ++i) {
    values.push_back(i % 10);
    cluster.push_back(i % 10);  // Ten prompts with the same value in each cluster.
  }
  const MeanInterval each = bootstrap_mean(values), together = bootstrap_mean(values, cluster);
  EXPECT_DOUBLE_EQ(each.mean, 4.5);
  // Standard error 2.87 / sqrt(100), and 2.87 / sqrt(10) for ten clusters; 1.96 of them each way.
  EXPECT_NEAR(each.high - each.low, 2 * 1.96 * 0.287, 0.1);
  EXPECT_NEAR(together.high - together.low, 2 * 1.96 * 0.908, 0.4);
  EXPECT_TRUE(std::isnan(bootstrap_mean({}).mean));
}

// A resample of two clusters may hold one of them twice, whatever their ids are.
TEST(Bootstrap, ClustersAreNamedByAnyIds) {
  const std::vector<double> values = {1, 1, 1, 3, 3, 3};
  const MeanInterval of_clusters = bootstrap_mean(values, {7, 7, 7, 900, 900, 900});
  EXPECT_DOUBLE_EQ(of_clusters.mean, 2);
  EXPECT_DOUBLE_EQ(of_clusters.low, 1);
  EXPECT_DOUBLE_EQ(of_clusters.high, 3);
  const MeanInterval of_values = bootstrap_mean(values);
  EXPECT_LT(of_values.high - of_values.low, 2);
  EXPECT_EQ(of_values.n, 6);
}

}  // namespace
}  // namespace weir
