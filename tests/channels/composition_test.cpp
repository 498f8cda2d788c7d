#include "weir/channels/composition.h"

#include <memory>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/base/error.h"
#include "weir/channels/surprise.h"
#include "weir/lm/language_model.h"

namespace weir {
namespace {

/// Heads of L layers with random factors.
HeadSource random_source(int64_t n_layers, int64_t n_heads, int64_t d_model, int64_t d_head) {
  at::manual_seed(0);
  auto layers = std::make_shared<std::vector<LayerHeads>>();
  const auto random = [&](int64_t a, int64_t b) { return at::randn({n_heads, a, b}, at::kDouble); };
  for (int64_t l = 0; l < n_layers; ++l) {
    const at::Tensor none = at::zeros({n_heads, d_head}, at::kDouble);
    layers->push_back({random(d_model, d_head), random(d_model, d_head), random(d_model, d_head),
                       random(d_head, d_model), none, none, none});
  }
  return {n_layers,
          n_heads,
          d_model,
          d_head,
          [layers](int64_t l) { return (*layers)[static_cast<size_t>(l)]; },
          nullptr};
}

constexpr double kRounding = 1e-10;

double gap(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

// Three ways to the same number: D x D products, inner products of Gram matrices, and components.
TEST(Composition, AllFormsAgreeWithDenseProducts) {
  const HeadSource source = random_source(3, 2, 20, 5);
  const std::vector<CompositionType> types = {CompositionType::kQ, CompositionType::kK,
                                              CompositionType::kV};
  const auto totals = composition_scores(source, types);
  const ModelComponents components = model_components(source);
  for (size_t t = 0; t < types.size(); ++t) {
    const ComponentScores by_component = component_scores(components, types[t]);
    EXPECT_LT(gap(totals[t], by_component.head), kRounding);
    for (int64_t l1 = 0; l1 < 3; ++l1) {
      for (int64_t l2 = 0; l2 < 3; ++l2) {
        const at::Tensor A = source.heads(l1).ov().product()[1];
        const at::Tensor qk = source.heads(l2).qk().product()[0];
        const at::Tensor B = types[t] == CompositionType::kQ   ? qk
                             : types[t] == CompositionType::kK ? qk.t()
                                                               : source.heads(l2).ov().product()[0];
        const double expected =
            l1 < l2 ? (at::mm(A, B).norm() / (A.norm() * B.norm())).item<double>() : 0;
        EXPECT_NEAR(totals[t][l1][1][l2][0].item<double>(), expected, kRounding);
      }
    }
  }
}

// CS^2 is the mean of its components' by their shares of sigma^2, on either side.
TEST(Composition, ComponentsSumToTheWhole) {
  const ModelComponents components = model_components(random_source(3, 2, 20, 5));
  const ComponentScores found = component_scores(components, CompositionType::kQ);
  for (int64_t l1 = 0; l1 < 2; ++l1) {
    for (int64_t l2 = l1 + 1; l2 < 3; ++l2) {
      const at::Tensor writer = components.ov[l1].S.square(), reader = components.qk[l2].S.square();
      const at::Tensor by_writer =
          (found.writer[l1].select(2, l2).square() * (writer / writer.sum(1, true)).unsqueeze(2))
              .sum(1);
      EXPECT_LT(gap(by_writer, found.head[l1].select(1, l2).square()), kRounding);
      const at::Tensor by_reader =
          (found.reader[l1].select(1, l2).square() * (reader / reader.sum(1, true))).sum(2);
      EXPECT_LT(gap(by_reader, found.head[l1].select(1, l2).square()), kRounding);
    }
  }
}

// What a head computes does not change when its inner space is turned or stretched.
TEST(Composition, DoesNotSeeTheInsideOfAHead) {
  const HeadSource source = random_source(2, 2, 20, 5);
  const at::Tensor M = at::randn({5, 5}, at::kDouble);
  HeadSource other = source;
  other.heads = [&](int64_t l) {
    LayerHeads heads = source.heads(l);
    heads.W_V = at::matmul(heads.W_V, M);
    heads.W_O = at::matmul(at::linalg_inv(M), heads.W_O);
    return heads;
  };
  for (const CompositionType type : {CompositionType::kQ, CompositionType::kV}) {
    EXPECT_LT(gap(composition_scores(source, {type})[0], composition_scores(other, {type})[0]),
              1e-8);
  }
}

TEST(Composition, EqualSingularValuesAreOneGroup) {
  const at::Tensor S =
      at::tensor({3.0, 2.0005, 2.0, 1.0, 4.0, 3.0, 2.0, 1.0}, at::kDouble).view({2, 4});
  EXPECT_TRUE(
      degenerate_groups(S).equal(at::tensor({0, 1, 1, 3, 0, 1, 2, 3}, at::kLong).view({2, 4})));
}

TEST(Composition, SignsFollowTheLargestEntry) {
  const HeadSource source = random_source(1, 3, 12, 4);
  const HeadComponents ov = head_components(source.heads(0).ov(), SignRule::kRight);
  const at::Tensor largest = ov.right.gather(1, ov.right.abs().argmax(1, true));
  EXPECT_GT(largest.min().item<double>(), 0);
  const at::Tensor back = at::matmul(ov.left * ov.S.unsqueeze(1), ov.right.transpose(1, 2));
  EXPECT_LT(gap(back, source.heads(0).ov().product()), kRounding);
}

// Random heads: the share of discoveries at rate .05 is small, and a planted link is among them.
TEST(Surprise, FindsAPlantedLinkAmongRandomHeads) {
  const HeadSource random = random_source(2, 4, 64, 8);
  HeadSource planted = random;
  planted.heads = [&](int64_t l) {
    LayerHeads heads = random.heads(l);
    heads.W_O = heads.W_O.clone();
    heads.W_Q = heads.W_Q.clone();
    const at::Tensor direction = random.heads(0).W_O[3][0];
    if (l == 0) heads.W_O[1] = at::outer(at::ones({8}, at::kDouble), direction);
    if (l == 1) heads.W_Q[2] += 20 * at::outer(direction, at::ones({8}, at::kDouble));
    return heads;
  };
  const auto found = [](const HeadSource& source) {
    const ModelComponents components = model_components(source);
    const ComponentScores scores = component_scores(components, CompositionType::kQ);
    const CompositionNull null = composition_null(components, CompositionType::kQ, 64);
    const at::Tensor squares = scores.head[0].select(1, 1).square();  // [writer, reader]
    const at::Tensor p =
        null_p_values(squares, null.mean, null.head_variance[0].select(1, 1).clamp_min(1e-12));
    return false_discovery(p.flatten(), 0.05).view({4, 4});
  };
  EXPECT_EQ(found(random).sum().item<int64_t>(), 0);
  EXPECT_TRUE(found(planted)[1][2].item<bool>());
}

TEST(Surprise, PValuesAreTailsOfTheNull) {
  // Of one unit vector in n dimensions against a reader of rank k with equal singular values, CS^2
  // is Beta(k / 2, (n - k) / 2); the gamma form is close to it in the body.
  const at::Tensor S = at::ones({8}, at::kDouble);
  const double mean = 1.0 / 64;
  const at::Tensor variance = at::tensor(2 * (1.0 / 8 - 1.0 / 64) / (64.0 * 66), at::kDouble);
  at::manual_seed(1);
  const at::Tensor v = at::randn({20000, 64}, at::kDouble);
  const at::Tensor draws = v.slice(1, 0, 8).square().sum(1) / v.square().sum(1) / 8;
  for (const double at : {0.015, 0.03}) {
    const double share = (draws >= at).to(at::kDouble).mean().item<double>();
    const double p = null_p_values(at::tensor(at, at::kDouble), mean, variance).item<double>();
    EXPECT_NEAR(p, share, 0.02) << at;
  }
}

TEST(HeadCircuits, RefuseWhatTheyCannotFold) {
  const LanguageModel lm = LanguageModel::load(golden_topic("models") / "opt_350m_style");
  EXPECT_THROW(layer_heads(lm.transformer().weights(), lm.config(), 0), Error);
  CircuitOptions raw;
  raw.fold = false;
  EXPECT_NO_THROW(layer_heads(lm.transformer().weights(), lm.config(), 0, raw));
  EXPECT_THROW(layer_heads(lm.transformer().weights(), lm.config(), 99, raw), Error);
}

}  // namespace
}  // namespace weir
