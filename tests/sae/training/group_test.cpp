#include <functional>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/free_port.h"
#include "tests/support/max_difference.h"
#include "weir/sae/training/initial_sae.h"
#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"

namespace weir {
namespace {

constexpr int kSize = 2;
constexpr int64_t kSteps = 5, kRows = 48, kWidth = 10, kLatents = 64;

// Two members that meet over TCP, as processes do.
void in_group(const std::function<void(const std::shared_ptr<ProcessGroup>& group)>& work) {
  ProcessGroupOptions options;
  options.port = free_port();
  options.size = kSize;
  std::vector<std::thread> members;
  for (int rank = 0; rank < kSize; ++rank) {
    options.rank = rank;
    members.emplace_back([options, &work] { work(ProcessGroup::connect(options)); });
  }
  for (std::thread& member : members) member.join();
}

struct Trained {
  std::vector<double> losses, norms, l0;
  std::map<std::string, at::Tensor> weights;
};

Trained train(const Sae& start, const SaeTrainingSettings& settings, const at::Tensor& x,
              const SaeTrainerOptions& options) {
  SaeTrainer trainer(start, settings, options);
  Trained found;
  for (int64_t i = 0; i < kSteps; ++i) {
    const SaeStep step = trainer.step({x.select(0, i), {}, {}}, i, 1e-2);
    found.losses.push_back(step.found.loss);
    found.norms.push_back(step.gradient_norm);
    found.l0.push_back(step.found.l0);
  }
  found.weights = trainer.sae().weights;
  return found;
}

class SaeGroup : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!ProcessGroup::is_available()) GTEST_SKIP() << "this LibTorch comes without Gloo";
    plan_ = training_preset(GetParam());
    plan_.config.d_in = plan_.config.d_out = kWidth;
    plan_.config.d_sae = kLatents;
    plan_.config.k = 4;
    plan_.settings.dead.threshold = 60;  // Some are dead from the second step on.
    plan_.settings.optimizer.clip = 0.5;
    start_ = initial_sae(plan_.config, {});
    for (auto& [name, weight] : start_.weights) {
      weight = weight.to(at::kDouble) + 0.1 * at::randn_like(weight).to(at::kDouble);
    }
    x_ = at::randn({kSteps, kSize * kRows, kWidth}, at::kDouble) + 0.2;
    alone_ = train(start_, plan_.settings, x_, {});
  }

  void expect_alone(const Trained& found) const {
    for (size_t i = 0; i < found.losses.size(); ++i) {
      EXPECT_NEAR(found.losses[i], alone_.losses[i], 1e-9 * alone_.losses[i]) << i;
      EXPECT_NEAR(found.norms[i], alone_.norms[i], 1e-8 * alone_.norms[i]) << i;
      EXPECT_NEAR(found.l0[i], alone_.l0[i], 1e-12);
    }
  }

  SaeTrainingPlan plan_;
  Sae start_;
  at::Tensor x_;
  Trained alone_;
};

TEST_P(SaeGroup, SharingRowsIsOneProcessWithAllOfThem) {
  std::vector<Trained> found(kSize);
  in_group([&](const std::shared_ptr<ProcessGroup>& group) {
    SaeTrainerOptions options;
    options.group = group;
    const auto rank = static_cast<size_t>(group->rank());
    found[rank] = train(start_, plan_.settings,
                        x_.narrow(1, static_cast<int64_t>(rank) * kRows, kRows), options);
  });
  for (const Trained& of : found) {
    expect_alone(of);
    for (const auto& [name, weight] : alone_.weights) {
      EXPECT_LE(max_difference(of.weights.at(name), weight), 1e-8) << name;
    }
  }
}

TEST_P(SaeGroup, SharingLatentsIsOneProcessWithAllOfThem) {
  std::vector<Trained> found(kSize);
  in_group([&](const std::shared_ptr<ProcessGroup>& group) {
    SaeTrainerOptions options;
    options.group = group;
    options.shards = true;
    const auto rank = static_cast<size_t>(group->rank());
    found[rank] = train(shard_of(start_, group->rank(), kSize), plan_.settings, x_, options);
  });
  Sae whole = start_;
  whole.weights = alone_.weights;
  for (int rank = 0; rank < kSize; ++rank) {
    expect_alone(found[static_cast<size_t>(rank)]);
    for (const auto& [name, weight] : shard_of(whole, rank, kSize).weights) {
      EXPECT_LE(max_difference(found[static_cast<size_t>(rank)].weights.at(name), weight), 1e-8)
          << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SaeGroup,
                         testing::Values("weir/topk", "saelens/topk", "weir/vsae_topk"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace weir
