#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"
#include "weir/embed/map_quality.h"
#include "weir/embed/pca.h"
#include "weir/embed/repulsion.h"
#include "weir/embed/tsne.h"

namespace weir {
namespace {

/// n points in `n_clusters` Gaussian clusters, and which is whose.
std::pair<at::Tensor, at::Tensor> clusters(int64_t n, int64_t d, int64_t n_clusters) {
  const at::Tensor centres = at::randn({n_clusters, d}, at::kDouble) * 4;
  const at::Tensor label = at::arange(n).remainder(n_clusters);
  return {centres.index_select(0, label) + at::randn({n, d}, at::kDouble), label};
}

/// The force of two lone points has waves that a grid of spacing 1/3 does not hold, of relative
/// size e^(-pi / spacing) sqrt(pi / spacing) = 2e-4 in K and ten times that in its gradient; among
/// many points they cancel. 0.44 % is the largest error seen, in a map of 700 points 200 wide.
void expect_grid_near_exact(const at::Tensor& y) {
  const Repulsion exact = exact_repulsion(y);
  const Repulsion grid = GridRepulsion()(y);
  EXPECT_NEAR(grid.z / exact.z, 1, 2e-4);
  // A shift that all points share is none: the map is centred after each step.
  const at::Tensor error = grid.force - exact.force;
  EXPECT_LT((error - error.mean(0, true)).abs().max().item<double>(),
            5e-3 * exact.force.abs().max().item<double>());
}

TEST(RepulsionTest, GridIsNearExactForMapsOfEveryWidth) {
  for (const double width : {1e-4, 0.01, 1.0, 5.0, 30.0}) {
    SCOPED_TRACE(width);
    expect_grid_near_exact(at::randn({700, 2}, at::kDouble) * width);
  }
}

TEST(RepulsionTest, GridIsNearExactForAFlatMapAndForOneFarPoint) {
  at::Tensor flat = at::randn({500, 2}, at::kDouble) * 10;
  flat.select(1, 1).zero_();
  expect_grid_near_exact(flat);
  at::Tensor outlier = at::randn({500, 2}, at::kDouble) * 5;
  outlier[0].fill_(300);
  expect_grid_near_exact(outlier);
}

TEST(RepulsionTest, AGridServesMapsThatGrowAndShrink) {
  GridRepulsion grid;
  for (const double width : {1.0, 20.0, 3.0}) {
    const at::Tensor y = at::randn({300, 2}, at::kDouble) * width;
    EXPECT_EQ(max_difference(grid(y).force, GridRepulsion()(y).force), 0) << width;
  }
}

TEST(TsneTest, GradientIsTheSlopeOfTheObjective) {
  const at::Tensor x = clusters(60, 5, 3).first;
  TsneOptions options;
  options.perplexity = 8;
  const SparseMatrix p = tsne_affinities(x, options);
  at::Tensor y = at::randn({60, 2}, at::kDouble);
  const TsneObjective here = tsne_objective(p, y, TsneMethod::kExact);
  constexpr double kStep = 1e-5;
  for (const int64_t i : {0, 17, 59}) {
    for (const int64_t c : {0, 1}) {
      at::Tensor above = y.clone(), below = y.clone();
      above[i][c] += kStep;
      below[i][c] -= kStep;
      const double slope = (tsne_objective(p, above, TsneMethod::kExact).kl -
                            tsne_objective(p, below, TsneMethod::kExact).kl) /
                           (2 * kStep);
      EXPECT_NEAR(here.gradient[i][c].item<double>(), slope, 1e-8);
    }
  }
}

TEST(TsneTest, GridSeparatesClustersAndItsLossFalls) {
  const auto [x, label] = clusters(1500, 20, 10);
  TsneOptions options;
  options.method = TsneMethod::kGrid;
  options.early_iterations = 150;
  options.iterations = 150;
  const TsneMap map = tsne(x, options);
  EXPECT_GT(silhouette(map.y, label).mean, 0.7);
  EXPECT_GT(trustworthiness(x, map.y, 12), 0.9);
  EXPECT_GT(neighbour_recall(x, map.y, 12), 0.2);
  EXPECT_LT(map.kl, map.steps.front().kl);
  EXPECT_EQ(map.steps.back().kl, map.kl);
  EXPECT_LT(map.y.mean(0).abs().max().item<double>(), 1e-9);
}

TEST(TsneTest, AMapDependsOnTheSeedAndNotOnThreads) {
  const at::Tensor x = clusters(1200, 8, 4).first;
  TsneOptions options;
  options.method = TsneMethod::kGrid;
  options.early_iterations = 20;
  options.iterations = 20;
  const at::Tensor own_start = tsne(x, options).y;
  EXPECT_TRUE(tsne(x, options).y.equal(own_start));
  options.seed = 1;
  EXPECT_FALSE(tsne(x, options).y.equal(own_start));
  options.start = at::randn({1200, 2}, at::kDouble);
  const at::Tensor y = tsne(x, options).y;
  const int n_threads = at::get_num_threads();
  at::set_num_threads(n_threads == 1 ? 2 : 1);
  EXPECT_TRUE(tsne(x, options).y.equal(y));
  at::set_num_threads(n_threads);
}

TEST(TsneTest, EqualPointsStayFinite) {
  at::Tensor x = at::randn({120, 4}, at::kDouble);
  x.slice(0, 0, 60).copy_(x[0].expand({60, 4}));
  for (const TsneMethod method : {TsneMethod::kExact, TsneMethod::kGrid}) {
    TsneOptions options;
    options.perplexity = 10;  // fewer than the 60 that are at distance 0
    options.method = method;
    options.early_iterations = options.iterations = 50;
    const TsneMap map = tsne(x, options);
    EXPECT_TRUE(at::isfinite(map.y).all().item<bool>());
    EXPECT_TRUE(std::isfinite(map.kl));
  }
}

TEST(TsneTest, SaysWhatItExpects) {
  const at::Tensor x = at::randn({20, 3});
  TsneOptions options;
  options.perplexity = 19;
  EXPECT_THROW(tsne(x, options), Error);
  options.perplexity = 5;
  options.start = at::zeros({3, 2});
  EXPECT_THROW(tsne(x, options), Error);
  at::Tensor broken = x.clone();
  broken[3][1] = NAN;
  EXPECT_THROW(tsne(broken, {}), Error);
  EXPECT_THROW(nearest_neighbours(x, 20), Error);
}

TEST(PcaTest, WideAndTallMatricesGiveTheSameComponents) {
  // Rows that span little: more columns of zeros change nothing.
  const at::Tensor tall = at::randn({40, 6}, at::kDouble);
  const at::Tensor wide = at::cat({tall, at::zeros({40, 60}, at::kDouble)}, 1);
  const Pca few = principal_components(tall, 4), many = principal_components(wide, 4);
  EXPECT_LT(max_difference(few.projected, many.projected), 1e-10);
  EXPECT_LT(max_difference(few.variance_share, many.variance_share), 1e-12);
  EXPECT_LT(max_difference(at::mm(many.components, many.components.t()), at::eye(4, at::kDouble)),
            1e-10);
  EXPECT_THROW(principal_components(tall, 7), Error);
}

TEST(NeighboursTest, EqualPointsAreAtZeroAndCosineOfZerosIsOne) {
  at::Tensor x = at::randn({30, 4}, at::kDouble) + 100;
  x[7].copy_(x[3]);
  const Neighbours found = nearest_neighbours(x, 2);
  EXPECT_EQ(found.index[7][0].item<int64_t>(), 3);
  EXPECT_EQ(found.distance[7][0].item<double>(), 0);
  x[5].zero_();
  const Neighbours angles = nearest_neighbours(x, 2, Metric::kCosine);
  EXPECT_EQ(angles.distance[5][0].item<double>(), 1);
}

}  // namespace
}  // namespace weir
