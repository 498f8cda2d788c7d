// Ablation, knockout, causal tracing, steering and head scores against transcriptions with
// TransformerLens's hooks (golden topic `patch`), in float64.
#include "tests/patch/golden_patch.h"
#include "weir/patch/ablation.h"
#include "weir/patch/causal_trace.h"
#include "weir/patch/head_scores.h"
#include "weir/patch/knockout.h"
#include "weir/patch/steering.h"

namespace weir {
namespace {

using testing::PatchGolden;

const std::map<std::string, PatchValue> kValues = {{"zero", PatchValue::kZero},
                                                   {"mean", PatchValue::kMean},
                                                   {"mean_all", PatchValue::kMeanAll},
                                                   {"resample", PatchValue::kResample}};

std::vector<int64_t> list(const at::Tensor& ids) {
  const at::Tensor flat = ids.contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

class GoldenPatchAblation : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchAblation, OfEachPartIsTheReferences) {
  const PatchGolden golden("ablate_", GetParam());
  for (const auto& [name, value] : kValues) {
    for (const auto& [where, scope] :
         {std::pair{".all.", PatchScope::kAll}, std::pair{".end.", PatchScope::kEnd}}) {
      for (const char* kind : {"attn_out", "mlp_out", "head_z"}) {
        GridOptions options;
        options.kind = kind;
        options.value = value;
        options.scope = scope;
        options.readings = {Reading::kLogitDiff, Reading::kKl};
        options.resample = golden.prompts.at("resample");
        const PatchGrid grid = ablation_grid(golden.lm, golden.pairs.clean, golden.pairs.answer,
                                             golden.pairs.wrong, options);
        const std::string key = std::string(kind) + "." + name + where;
        golden.expect_near(grid.readings.at(Reading::kLogitDiff), key + "logit_diff");
        golden.expect_near(grid.readings.at(Reading::kKl), key + "kl");
      }
    }
  }
}

TEST_P(GoldenPatchAblation, OfSetsIsTheReferences) {
  const PatchGolden golden("ablate_", GetParam());
  const auto notes = io::read_json(golden_topic("patch") / ("ablate_" + GetParam() + ".json"));
  for (const auto& [name, entry] : notes["sets"].items()) {
    AblationSet set;
    for (const auto& head : entry["heads"]) set.heads.emplace_back(head[0], head[1]);
    set.mlps = entry["mlps"].get<std::vector<int64_t>>();
    RunOptions run;
    run.interventions = ablation_interventions(golden.lm, golden.pairs.clean, set,
                                               kValues.at(entry["value"].get<std::string>()),
                                               golden.prompts.at("resample"));
    run.logits = LogitsAt::kLast;
    golden.expect_near(golden.lm.run(golden.pairs.clean, run).logits.select(1, 0),
                       name + ".logits");
  }
}

TEST_P(GoldenPatchAblation, OfAllOutsideACircuitIsTheReferences) {
  const PatchGolden golden("ablate_", GetParam());
  CircuitReference reference;
  reference.prompts.tokens = golden.tensors.at("reference");
  reference.group = list(golden.tensors.at("reference_group"));
  reference.prompt_group = list(golden.tensors.at("group"));
  for (int i = 0; golden.has("keep" + std::to_string(i) + ".heads_kept"); ++i) {
    const std::string name = "keep" + std::to_string(i);
    Circuit circuit{golden.tensors.at(name + ".heads_kept").to(at::kBool), {}};
    golden.expect_near(circuit_logits(golden.lm, golden.pairs.clean, circuit, reference),
                       name + ".mlps_run.logits");
    circuit.mlps = golden.tensors.at(name + ".mlps_kept").to(at::kBool);
    golden.expect_near(circuit_logits(golden.lm, golden.pairs.clean, circuit, reference),
                       name + ".mlps_too.logits");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchAblation,
                         ::testing::ValuesIn(testing::patch_cases("ablate_")),
                         [](const auto& model) { return case_name(model.param); });

class GoldenPatchKnockout : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchKnockout, WindowsAreTheReferences) {
  const PatchGolden golden("knockout_", GetParam());
  const auto notes = io::read_json(golden_topic("patch") / ("knockout_" + GetParam() + ".json"));
  const Experiments prompts(golden.lm, golden.pairs.clean, {});
  ReadingTargets targets;
  targets.answer = golden.tensors.at("answer");
  const auto prob = [&](const at::Tensor& logits) { return read(Reading::kProb, logits, targets); };
  golden.expect_near(prob(prompts.logits()), "prob");
  for (const auto& width : notes["windows"]) {
    const std::string k = ".k" + width.dump();
    for (const std::string set : {"subject", "non_subject", "last", "first"}) {
      const at::Tensor logits =
          attention_knockout(prompts, golden.tensors.at(set + ".blocked").to(at::kBool), width);
      golden.expect_near(prob(logits), set + k + ".prob");
      golden.expect_near(logits, set + k + ".logits");
    }
    for (const std::string kind : {"attn_out", "mlp_out"}) {
      for (const bool at_end : {true, false}) {
        golden.expect_near(prob(sublayer_knockout(prompts, kind, at_end, width)),
                           "zero." + kind + (at_end ? ".end" : ".all") + k + ".prob");
      }
    }
  }
  for (const std::string kind : {"attn_out", "mlp_out"}) {
    EXPECT_TRUE(extraction(golden.lm, golden.pairs.clean, kind, targets.answer)
                    .equal(golden.tensors.at("extracted." + kind).to(at::kBool)))
        << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchKnockout,
                         ::testing::ValuesIn(testing::patch_cases("knockout_")),
                         [](const auto& model) { return case_name(model.param); });

class GoldenPatchTrace : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchTrace, IsTheReferences) {
  const PatchGolden golden("trace_", GetParam());
  const auto notes = io::read_json(golden_topic("patch") / ("trace_" + GetParam() + ".json"));
  const auto variant = io::read_json(golden_topic("patch") / "variant.json");
  TraceOptions options;
  options.copies = notes["copies"];
  options.scale = notes["scale"];
  options.seed = variant["trace_seed"];
  options.windows = notes["windows"].get<std::vector<int64_t>>();
  options.severed = true;
  std::vector<std::vector<int64_t>> subjects;
  const auto first = list(golden.prompts.at("subject_first")),
             last = list(golden.prompts.at("subject_last"));
  for (size_t b = 0; b < first.size(); ++b) {
    const auto row = list(golden.pairs.clean.tokens[static_cast<int64_t>(b)]);
    subjects.emplace_back(row.begin() + first[b], row.begin() + last[b] + 1);
  }
  options.sigma = embedding_sigma(golden.lm, subjects);
  golden.expect_near(at::scalar_tensor(options.sigma, at::kDouble), "sigma");
  std::vector<Trace> traces;
  for (size_t b = 0; b < first.size(); ++b) {
    traces.push_back(causal_trace(golden.lm,
                                  list(golden.pairs.clean.tokens[static_cast<int64_t>(b)]),
                                  first[b], last[b], options));
    EXPECT_EQ(traces.back().answer,
              golden.tensors.at("answer")[static_cast<int64_t>(b)].item<int64_t>());
    golden.expect_near(traces.back().noise, "noise." + std::to_string(b));
  }
  const auto stacked = [&](const auto& part) {
    std::vector<at::Tensor> all;
    for (const Trace& trace : traces) all.push_back(part(trace));
    return at::stack(all);
  };
  golden.expect_near(
      stacked([](const Trace& t) { return at::scalar_tensor(t.p_clean, at::kDouble); }), "p_clean");
  golden.expect_near(
      stacked([](const Trace& t) { return at::scalar_tensor(t.p_corrupt, at::kDouble); }),
      "p_corrupt");
  golden.expect_near(stacked([](const Trace& t) { return t.hidden; }), "hidden");
  golden.expect_near(stacked([](const Trace& t) { return t.severed_mlp; }), "severed.mlp");
  golden.expect_near(stacked([](const Trace& t) { return t.severed_attn; }), "severed.attn");
  for (const int64_t width : options.windows) {
    const std::string w = ".w" + std::to_string(width);
    golden.expect_near(stacked([&](const Trace& t) { return t.mlp.at(width); }), "mlp" + w);
    golden.expect_near(stacked([&](const Trace& t) { return t.attn.at(width); }), "attn" + w);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchTrace,
                         ::testing::ValuesIn(testing::patch_cases("trace_")),
                         [](const auto& model) { return case_name(model.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenPatchTrace);

class GoldenPatchSteering : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchSteering, VectorsAndWhatTheyDoAreTheReferences) {
  const PatchGolden golden("steer_", GetParam());
  const auto notes = io::read_json(golden_topic("patch") / ("steer_" + GetParam() + ".json"));
  for (int64_t layer = 0; layer < golden.lm.config().n_layers; ++layer) {
    for (const std::string where : {"end", "subject"}) {
      const std::string key = where + "." + std::to_string(layer);
      if (!golden.has("vector." + key)) continue;
      const at::Tensor& position = golden.prompts.at(where == "end" ? "end" : "subject_last");
      const at::Tensor vector = steering_vector(golden.lm, golden.pairs.clean, position,
                                                golden.pairs.corrupt, position, layer);
      golden.expect_near(vector, "vector." + key);
      for (const auto& alpha : notes["alpha"]) {
        for (const bool at_end : {true, false}) {
          RunOptions run;
          run.interventions = {steering(vector, layer, alpha, at_end)};
          run.logits = LogitsAt::kLast;
          const at::Tensor logits =
              golden.lm.run({golden.tensors.at("tokens"), {}}, run).logits.select(1, 0);
          golden.expect_near(logits,
                             "logits." + key + "." + alpha.dump() + (at_end ? ".end" : ".all"));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchSteering,
                         ::testing::ValuesIn(testing::patch_cases("steer_")),
                         [](const auto& model) { return case_name(model.param); });

class GoldenPatchHeads : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPatchHeads, ScoresAreTheReferences) {
  const PatchGolden golden("heads_", GetParam());
  const auto notes = io::read_json(golden_topic("patch") / ("heads_" + GetParam() + ".json"));
  for (const std::string tag : {"plain.", "bos."}) {
    const HeadScores scores =
        head_scores(golden.lm, golden.tensors.at(tag + "tokens"), notes["half"]);
    golden.expect_near(scores.previous_token, tag + "previous_token");
    golden.expect_near(scores.induction, tag + "induction");
    golden.expect_near(scores.duplicate_token, tag + "duplicate_token");
    golden.expect_near(scores.attention_to_first, tag + "attention_to_first");
    golden.expect_near(scores.entropy, tag + "entropy");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPatchHeads,
                         ::testing::ValuesIn(testing::patch_cases("heads_")),
                         [](const auto& model) { return case_name(model.param); });

}  // namespace
}  // namespace weir
