#include "weir/train/muon.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/max_difference.h"
#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor matrix(std::vector<double> of, int64_t columns) {
  return at::tensor(of, at::kDouble).view({-1, columns});
}

// torch.optim.Muon of torch 2.15 with `torch.bfloat16 = torch.float64`, three steps at rate 0.1,
// weight decay 0.2, momentum 0.95, adjust_lr_fn "original", on weights of nn.Linear.
TEST(Muon, IsTorchsUpToItsBfloat16) {
  struct Case {
    bool nesterov;
    std::vector<double> wide, tall;
  };
  const std::vector<Case> cases = {
      {true,
       {0.6849279184931417, -1.974184242799339, 0.5839655967484283, 0.15071483448698628,
        1.03886294968698, -1.1209398333994978},
       {0.5151318356567443, -1.0518828404749805, 2.191084946879189, 0.17646799089693008,
        -0.7508016148226656, 1.254711087015157, -0.06776766476094515, 0.2112416401815825}},
      {false,
       {0.6889966592865617, -1.9701959562143014, 0.5859710919743314, 0.1514147085724918,
        1.042971163272642, -1.1209341038925482},
       {0.473123762414164, -1.058430651428548, 2.1738548956739017, 0.18394384554408624,
        -0.7447350051621356, 1.243198261878502, -0.10687007451660148, 0.1936500402877366}}};
  for (const Case& expected : cases) {
    // [in, out]: the transposed of what nn.Linear holds.
    const at::Tensor p = matrix({1., -2., .5, .25, 1., -1.}, 3).t();
    const at::Tensor q = matrix({.5, -1., 2., .25, -.75, 1., .1, .2}, 2).t();
    MuonOptions options;
    options.nesterov = expected.nesterov;
    options.weight_decay = 0.2;
    Muon muon({p, q}, {true, true}, options);
    for (int step = 0; step < 3; ++step) {
      const at::Tensor dp = matrix({3., 1., -2., .5, -1.5, 2.}, 3) * (step + 1) + step;
      const at::Tensor dq = matrix({1., 2., -1., .5, .25, -3., 2., 1.}, 2) / (step + 1) - step;
      muon.step({dp.t(), dq.t()}, 0.1);
    }
    EXPECT_LT(max_difference(p.t(), matrix(expected.wide, 3)), 1e-12);
    EXPECT_LT(max_difference(q.t(), matrix(expected.tall, 2)), 1e-12);
  }
}

TEST(Muon, BringsSingularValuesNearOne) {
  at::manual_seed(1);
  for (const auto& [rows, columns] : {std::pair{20, 8}, {8, 20}, {16, 16}}) {
    const at::Tensor x = at::randn({rows, columns}, at::kDouble);
    const at::Tensor near = newton_schulz(x, 5);
    const auto [u, values, v] = at::linalg_svd(near, false);
    const auto [most, kept, w] = at::linalg_svd(x, false);
    EXPECT_LT(values.max().item<double>(), 1.3);
    // Values far below the largest are not there after five steps.
    EXPECT_GT(values.masked_select(kept > 0.1 * kept.max()).min().item<double>(), 0.65);
    EXPECT_GT((u.t().mm(near).mm(v.t()).diag()).min().item<double>(), 0);
  }
}

TEST(Muon, LeavesTheOthersToAdam) {
  const at::Tensor table = matrix({1, 2, 3, 4}, 2), same = table.clone();
  const at::Tensor gradient = matrix({1, -2, 0.5, 3}, 2);
  MuonOptions options;
  Muon muon({table}, {false}, options);
  Adam adam({same}, options.adam);
  for (int step = 0; step < 3; ++step) {
    muon.step({gradient}, 0.1);
    adam.step({gradient}, 0.1 * options.adam_rate);
  }
  EXPECT_TRUE(table.equal(same));
  EXPECT_THROW(Muon({at::ones({3})}, {true}, {}), Error) << "a vector";
  EXPECT_THROW(Muon({table}, {}, {}), Error);
}

}  // namespace
}  // namespace weir
