// Gates and rules against PyTorch and the authors' code (the golden topic `subnet`): 1e-12, exact.
#include <cmath>

#include "tests/subnet/golden_subnet.h"
#include "weir/subnet/mask_method.h"
#include "weir/subnet/masked_loss.h"
#include "weir/subnet/rules.h"

namespace weir::testing {
namespace {

constexpr double kExact = 1e-12;

TEST(GoldenSubnetHardConcrete, MatchesTheReference) {
  const SubnetGolden golden("hard_concrete");
  HardConcrete options{golden.notes["left"], golden.notes["right"], golden.notes["b"], 0.5};
  const auto method = hard_concrete(options);
  const at::Tensor theta = golden.at("theta").expand_as(golden.at("u"));
  const MaskValues of = method->values(theta, 1, golden.at("u"));
  EXPECT_LT(max_difference(of.z, golden.at("z")), kExact);
  EXPECT_LT(max_difference((of.slope * golden.at("cotangent")).sum(0), golden.at("grad.theta")),
            kExact);
  EXPECT_LT(max_difference(of.penalty[0], golden.at("expected_l0")), kExact);
  EXPECT_LT(max_difference(of.penalty_slope[0], golden.at("expected_l0.grad_of_sum")), kExact);
  EXPECT_LT(max_difference(method->soft(golden.at("theta"), 1), golden.at("eval_z")), kExact);
  // What the penalty is: 200,000 draws leave 1e-3.
  EXPECT_LT(max_difference(of.penalty[0], golden.at("monte_carlo_p_nonzero")), 5e-3);
  for (const auto& [p, initial] : golden.notes["init"].items()) {
    options.initial_mask = std::stod(p);
    EXPECT_NEAR(hard_concrete(options)->initial(), initial.get<double>(), kExact);
  }
}

TEST(GoldenSubnetRules, StabilityStopTemperatureSelection) {
  const auto rules = io::read_json(subnet_file("rules.json"));
  for (const auto& curve : rules["stability"]) {
    EXPECT_EQ(is_stable(curve["losses"].get<std::vector<double>>()), curve["stable"].get<bool>());
  }
  for (const auto& of : rules["stop"]) {
    Decided counts{of["below"], of["above"], 0};
    counts.undecided = of["total"].get<int64_t>() - counts.below - counts.above;
    EXPECT_EQ(counts.stop(), of["stop"].get<bool>()) << of;
  }
  for (const auto& [steps, beta] : rules["beta_after_steps"].items()) {
    double grown = 1;  // As the trainer does it: a product of so many factors.
    for (int64_t i = 0; i < std::stoll(steps); ++i) grown *= 1.001;
    EXPECT_NEAR(grown / beta.get<double>(), 1, 1e-11);
  }
  for (const auto& of : rules["selection"]) {
    std::map<double, double> r;
    for (const auto& [lambda, value] : of["r"].items()) r[std::stod(lambda)] = value;
    EXPECT_EQ(selected_lambda(r), of["chosen"].get<double>());
  }
}

}  // namespace
}  // namespace weir::testing
