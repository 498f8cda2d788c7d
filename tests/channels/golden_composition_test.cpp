// All-pairs composition, its components, nulls and projection kernels against TransformerLens 3.9
// and torch.linalg (golden topic `channels`), float64: 1e-9; 1e-6 for rotary offsets, whose tables
// are float32 here, and for arrays stored in float32.
#include "tests/channels/golden_channels.h"
#include "weir/channels/composition.h"
#include "weir/channels/projection_kernel.h"
#include "weir/channels/surprise.h"

namespace weir {
namespace {

using testing::ChannelGolden;

constexpr double kExact = 1e-9, kRotary = 1e-6;
const std::vector<CompositionType> kTypes = {CompositionType::kQ, CompositionType::kK,
                                             CompositionType::kV};

struct Case {
  explicit Case(const std::string& name)
      : golden("composition", name),
        options{golden.notes["fold"].get<bool>(), at::kDouble},
        source(head_source(golden.lm.transformer().weights(), golden.lm.config(), options)),
        components(model_components(source)) {}

  at::Tensor stacked(bool ov, at::Tensor HeadComponents::*part) const {
    std::vector<at::Tensor> layers;
    for (const HeadComponents& layer : ov ? components.ov : components.qk) {
      layers.push_back(layer.*part);
    }
    return at::stack(layers);
  }

  ChannelGolden golden;
  CircuitOptions options;
  HeadSource source;
  ModelComponents components;
};

class GoldenChannels : public ::testing::TestWithParam<std::string> {};

TEST(GoldenChannelsFolder, HasCases) {
  EXPECT_FALSE(testing::channel_cases("composition").empty()) << golden_topic("channels");
}

TEST_P(GoldenChannels, ComponentsOfHeadsAreTheReferences) {
  const Case c(GetParam());
  c.golden.expect_near(c.stacked(true, &HeadComponents::S), "sigma_ov", kExact);
  c.golden.expect_near(c.stacked(false, &HeadComponents::S), "sigma_qk", kExact);
  // Where singular values lie close, directions follow rounding: compared as subspaces by scores.
  const double ov = c.golden.notes["relative_gap_min"]["ov"].get<double>();
  const double qk = c.golden.notes["relative_gap_min"]["qk"].get<double>();
  if (ov > 1e-4) {
    c.golden.expect_near(c.stacked(true, &HeadComponents::left), "u", kExact / ov);
    c.golden.expect_near(c.stacked(true, &HeadComponents::right), "v", kExact / ov);
  }
  if (qk > 1e-4) {
    c.golden.expect_near(c.stacked(false, &HeadComponents::left), "a", kExact / qk);
    c.golden.expect_near(c.stacked(false, &HeadComponents::right), "b", kExact / qk);
  }
}

TEST_P(GoldenChannels, ScoresOfAllPairsAreTheReferences) {
  const Case c(GetParam());
  const std::vector<at::Tensor> totals = composition_scores(c.source, kTypes);
  ComponentOptions options;
  options.largest_cosine = true;
  options.n_links = 5;
  for (size_t t = 0; t < kTypes.size(); ++t) {
    const std::string name = name_of(kTypes[t]) + ".";
    c.golden.expect_near(totals[t], name + "cs", kExact);
    const ComponentScores found = component_scores(c.components, kTypes[t], options);
    c.golden.expect_near(found.head, name + "cs", kExact);
    c.golden.expect_near(found.writer, name + "writer", kExact);
    c.golden.expect_near(found.reader, name + "reader", kExact);
    const at::Tensor pairs = c.golden.tensors.at("layer_pairs");
    std::vector<at::Tensor> cosines;
    for (int64_t p = 0; p < pairs.size(0); ++p) {
      const auto l1 = pairs[p][0].item<int64_t>(), l2 = pairs[p][1].item<int64_t>();
      cosines.push_back(component_cosines(c.components, kTypes[t], l1, l2));
      const at::Tensor largest = found.largest_cosine[l1].select(1, l2);
      EXPECT_LT((largest - cosines.back().amax({1, 3})).abs().max().item<double>(), 1e-12);
    }
    const at::Tensor all = at::stack(cosines);
    c.golden.expect_near(all, name + "cos_abs", kExact);
    const at::Tensor strongest = std::get<0>(all.flatten().topk(5));
    for (int64_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(found.links[static_cast<size_t>(i)].cosine, strongest[i].item<double>(), 1e-12);
    }
  }
}

TEST_P(GoldenChannels, SurpriseIsTheReferences) {
  const Case c(GetParam());
  for (const CompositionType type : kTypes) {
    const std::string name = name_of(type) + ".";
    const ComponentScores found = component_scores(c.components, type);
    // The golden's null counts all d_model dimensions, folded LayerNorm or not.
    const CompositionNull null = composition_null(c.components, type, c.source.d_model);
    EXPECT_NEAR(null.mean, 1.0 / static_cast<double>(c.source.d_model), 1e-15);
    c.golden.expect_near(null.reader_t, name + "reader_t2", kExact);
    c.golden.expect_near(null.writer_t, "writer_t1", kExact);
    c.golden.expect_near(null.component_variance, name + "null_var_component", kExact);
    c.golden.expect_near(null.head_variance, name + "null_var_full", kExact);
    c.golden.expect_near(analytic_z_of_components(found.writer, null), name + "z_analytic_writer",
                         kExact);
    c.golden.expect_near(analytic_z_of_heads(found.head, null), name + "z_analytic_full", 1e-8);
    const EmpiricalZ z = empirical_z(found.writer);
    c.golden.expect_near(z.mean, name + "emp_mean", kExact);
    c.golden.expect_near(z.sd, name + "emp_std", kExact);
    c.golden.expect_near(z.z, name + "z_emp_writer", kExact);
  }
}

// Draws agree with the formulas, here and in the reference, within five standard errors.
TEST_P(GoldenChannels, TheNullIsWhatDrawsGive) {
  const Case c(GetParam());
  const int64_t d = c.source.d_model;
  for (const CompositionType type : kTypes) {
    const auto& notes = c.golden.notes["monte_carlo"][name_of(type)];
    const auto pair = notes["pair"].get<std::vector<std::vector<int64_t>>>();
    const at::Tensor writer = c.components.ov[pair[0][0]].S[pair[0][1]];
    const auto& readers = type == CompositionType::kV ? c.components.ov : c.components.qk;
    const at::Tensor reader = readers[pair[1][0]].S[pair[1][1]];
    const bool centred = is_centred(c.golden.lm.config(), c.options);
    const int64_t n = centred ? d - 1 : d;
    const CompositionNull null = composition_null(c.components, type, n);
    const auto& predicted = notes[centred ? "predicted_complement" : "predicted"];
    EXPECT_NEAR(null.mean, predicted["mean"].get<double>(), 1e-12);
    const double component = null.component_variance[pair[1][0]][pair[1][1]].item<double>();
    const double full =
        null.head_variance[pair[0][0]][pair[0][1]][pair[1][0]][pair[1][1]].item<double>();
    EXPECT_NEAR(component, predicted["var_component"].get<double>(), 1e-12);
    EXPECT_NEAR(full, predicted["var_full"].get<double>(), 1e-12);
    const SimulatedNull one = simulate_component_null(reader, n, 20000);
    EXPECT_NEAR(one.mean, null.mean, 5 * one.mean_se);
    EXPECT_NEAR(one.variance, component, 5 * one.variance_se);
    const SimulatedNull whole = simulate_head_null(writer, reader, n, 3000);
    EXPECT_NEAR(whole.mean, null.mean, 5 * whole.mean_se);
    EXPECT_NEAR(whole.variance, full, 5 * whole.variance_se);
  }
}

TEST_P(GoldenChannels, ProjectionKernelsAreTheReferences) {
  const Case c(GetParam());
  EXPECT_NEAR(random_projection_kernel(c.source), c.golden.notes["pk_random_mean"].get<double>(),
              1e-12);
  for (const CompositionType type : kTypes) {
    const std::string key = "O_" + name_of(type);
    c.golden.expect_near(projection_kernel(c.source, type), "pk." + key, 1e-8);
    const at::Tensor& cosines = c.golden.tensors.at("pk_cosines." + key);
    const LayerHeads low = c.source.heads(0), high = c.source.heads(1);
    const at::Tensor& reads = type == CompositionType::kQ   ? high.W_Q
                              : type == CompositionType::kK ? high.W_K
                                                            : high.W_V;
    const at::Tensor found = principal_cosines(low.W_O[0].t(), reads[1]);
    EXPECT_LT((found - cosines[0][0][1][1]).abs().max().item<double>(), 1e-6);
  }
}

TEST_P(GoldenChannels, ScoresAtAnOffsetAreTheReferences) {
  const Case c(GetParam());
  if (!c.golden.notes.contains("rotary")) GTEST_SKIP() << "not rotary";
  const auto offsets = c.golden.notes["rotary"]["offsets (dst - src)"].get<std::vector<int64_t>>();
  at::Tensor mean_q, mean_k;
  for (const int64_t offset : offsets) {
    const HeadSource source = head_source_at(c.golden.lm.transformer().weights(),
                                             c.golden.lm.config(), offset, c.options);
    const std::string name = "rot" + std::to_string(offset) + ".";
    const ModelComponents components = model_components(source);
    std::vector<at::Tensor> S;
    for (const HeadComponents& layer : components.qk) S.push_back(layer.S);
    c.golden.expect_near(at::stack(S), name + "sigma_qk", kRotary);
    for (const CompositionType type : {CompositionType::kQ, CompositionType::kK}) {
      const ComponentScores found = component_scores(components, type);
      c.golden.expect_near(found.head, name + name_of(type) + ".cs", kRotary);
      c.golden.expect_near(found.writer, name + name_of(type) + ".writer", kRotary);
      const at::Tensor square = found.head.square() / static_cast<double>(offsets.size());
      at::Tensor& sum = type == CompositionType::kQ ? mean_q : mean_k;
      sum = sum.defined() ? sum + square : square;
    }
  }
  c.golden.expect_near(mean_q.sqrt(), "rot_mean.Q.cs", kRotary);
  c.golden.expect_near(mean_k.sqrt(), "rot_mean.K.cs", kRotary);
}

// The planted channels, and only they, stand out for their readers.
TEST_P(GoldenChannels, PlantedChannelsStandOut) {
  const Case c(GetParam());
  if (!c.golden.notes.contains("planted")) GTEST_SKIP() << "nothing is planted";
  for (const auto& channel : c.golden.notes["planted"]) {
    const CompositionType type = composition_type_of(channel["type"].get<std::string>());
    const auto writer = channel["writer"].get<std::vector<int64_t>>();
    const auto reader = channel["reader"].get<std::vector<int64_t>>();
    const auto expected = channel["writer_components"].get<std::vector<int64_t>>();
    const EmpiricalZ z = empirical_z(component_scores(c.components, type).writer);
    const at::Tensor of_reader = z.z.select(4, reader[1]).select(3, reader[0]);  // [L, H, K]
    const at::Tensor top = std::get<1>(of_reader.flatten().topk(channel["rank"].get<int64_t>()));
    const int64_t k = c.source.d_head;
    std::vector<int64_t> found, wanted;
    for (int64_t i = 0; i < top.numel(); ++i) found.push_back(top[i].item<int64_t>());
    for (const int64_t i : expected)
      wanted.push_back((writer[0] * c.source.n_heads + writer[1]) * k + i);
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(found, wanted) << channel.dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenChannels,
                         ::testing::ValuesIn(testing::channel_cases("composition")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
