// Each claim with the experiment that could refute it, on the test subjects.
#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/recall/recall_run.h"

namespace weir {
namespace {

// Of an MLP's variation over subjects: below, heads with gains are no description of it.
constexpr double kLeastR2 = 0.1;
constexpr int64_t kWindow = 2;  // layers on either side of one that is blocked

HeadSet ids_of(const std::vector<HeadFinding>& heads) {
  HeadSet ids;
  for (const HeadFinding& head : heads) ids.push_back(head.id);
  return ids;
}

std::string names_of(const HeadSet& heads) {
  std::vector<std::string> names;
  for (const HeadId& head : heads) names.push_back(head.name());
  return fmt::format("{}", fmt::join(names, ", "));
}

// The other heads of the layers where the chosen ones are; of all later layers if those are too
// few.
HeadSet rivals_of(const RecallRun& run, const HeadSet& chosen) {
  std::set<int64_t> layers;
  for (const HeadId& head : chosen) layers.insert(head.layer);
  const auto from = [&](bool same_layers) {
    HeadSet rivals;
    for (int64_t layer = 0; layer < run.n_layers(); ++layer) {
      if (same_layers && layers.count(layer) == 0) continue;
      for (int64_t head = 0; head < run.n_heads(); ++head) {
        const HeadId id = {layer, head};
        if (std::find(chosen.begin(), chosen.end(), id) == chosen.end()) rivals.push_back(id);
      }
    }
    return rivals;
  };
  const HeadSet near = from(true);
  return near.size() >= 2 * chosen.size() ? near : from(false);
}

std::vector<HeadSet> with_controls(const RecallRun& run, const HeadSet& chosen) {
  std::vector<HeadSet> sets = {chosen};
  for (HeadSet& set : random_sets(rivals_of(run, chosen), chosen.size(), run.options.n_controls,
                                  run.options.seed + 1)) {
    sets.push_back(std::move(set));
  }
  return sets;
}

std::vector<LayerSet> with_controls(const RecallRun& run, const LayerSet& chosen, int64_t first) {
  const auto from = [&](int64_t lowest) {
    LayerSet rivals;
    for (int64_t layer = lowest; layer < run.n_layers(); ++layer) {
      if (std::find(chosen.begin(), chosen.end(), layer) == chosen.end()) rivals.push_back(layer);
    }
    return rivals;
  };
  const LayerSet later = from(first);
  std::vector<LayerSet> sets = {chosen};
  for (LayerSet& set : random_sets(later.size() > chosen.size() ? later : from(1), chosen.size(),
                                   run.options.n_controls, run.options.seed + 2)) {
    sets.push_back(std::move(set));
  }
  return sets;
}

// Intercepts of all MLPs fitted on the dev prompts, [L, D].
at::Tensor intercepts(const RecallRun& run, const RecallResult& result) {
  std::vector<at::Tensor> b;
  for (int64_t layer = 0; layer < run.n_layers(); ++layer) {
    const MlpParts parts = take_prompts(recall_parts(run, result.movers, layer), run.dev);
    PartsSums sums;
    sums.add(parts.c, parts.m);
    b.push_back(sums.fit().b);
  }
  return at::stack(b);
}

// Values [2 or 3 sets, n, D] for an MLP's output on the test prompts, from fits on the dev prompts:
// the intercept alone, with a gain for each part, with one gain for all of the stream.
at::Tensor fitted_outputs(const MlpParts& dev, const MlpParts& test) {
  PartsSums each, together;
  each.add(dev.c, dev.m);
  together.add(dev.x.unsqueeze(1), dev.m);
  const PartsFit fit = each.fit(), one = together.fit();
  const at::Tensor c = test.c.to(at::kDouble), x = test.x.to(at::kDouble);
  return at::stack({fit.b.expand_as(test.m), at::matmul(fit.w, c) + fit.b, one.w * x + one.b});
}

// Whether gains of its own for every head describe an MLP, and act inside the model.
Claim claim_gains(const RecallRun& run, const RecallResult& result, const MlpFinding& mlp) {
  const MlpParts parts = recall_parts(run, result.movers, mlp.layer);
  AnswerChange change = run.experiments.replace_mlp(
      mlp.layer, fitted_outputs(take_prompts(parts, run.dev), take_prompts(parts, run.test)));
  change.pi = change.pi.slice(0, 1) - change.pi[0];
  change.prob = change.prob.slice(0, 1);
  Claim claim = claim_of(run, change, 1);
  claim.step = "mlps";
  claim.statement = fmt::format(
      "MLP {} works as an activation function: its output is its heads, each with a gain of its "
      "own, plus one vector for all prompts",
      mlp.layer);
  claim.check = fmt::format(
      "its output replaced by the fit of the other subjects, against the fit's intercept alone; "
      "control: one gain for all parts. Held-out R2 {:.3f}, at least {} is asked for",
      mlp.held_out.r2, kLeastR2);
  claim.quantity = "pi(answer) won back by the gains";
  claim.is_supported = claim.is_supported && mlp.held_out.r2 >= kLeastR2;
  return claim;
}

}  // namespace

void judge(Claim& claim, double sign) {
  const auto beyond = [sign](const MeanInterval& x) {
    return sign > 0 ? x.is_above_zero() : x.is_below_zero();
  };
  claim.is_supported = beyond(claim.effect) && beyond(claim.difference);
}

Claim claim_of(const RecallRun& run, const AnswerChange& change, double sign) {
  const auto interval = [&](const at::Tensor& x) {
    return interval_of(x, run.test_group, run.options.seed);
  };
  Claim claim;
  claim.quantity = "change of pi(answer)";
  claim.effect = interval(change.pi[0]);
  const at::Tensor others =
      change.pi.size(0) > 1 ? change.pi.slice(0, 1).mean(0) : at::zeros_like(change.pi[0]);
  claim.control = interval(others);
  claim.difference = interval(change.pi[0] - others);
  claim.prob_before = run.experiments.clean_prob().mean().item<double>();
  claim.prob_after = change.prob[0].mean().item<double>();
  judge(claim, sign);
  return claim;
}

void claim_heads(const RecallRun& run, RecallResult& result) {
  const HeadSet movers = ids_of(result.movers);
  const auto sets = with_controls(run, movers);
  Claim ablated = claim_of(run, run.experiments.ablate_heads(sets), -1);
  ablated.step = "heads";
  ablated.statement = "Heads " + names_of(movers) + " carry the subject to the last position";
  ablated.check =
      "their outputs at the last position become their means over other subjects; control: as many "
      "other heads of their layers";
  result.claims.push_back(std::move(ablated));

  Claim blocked =
      claim_of(run, run.experiments.block_attention(sets, run.subject_first, run.subject_last), -1);
  blocked.step = "heads";
  blocked.statement = "They read it where the subject stands";
  blocked.check =
      "these heads may not attend from the last position to the subject; control: the same for as "
      "many other heads of their layers";
  result.claims.push_back(std::move(blocked));

  std::vector<HeadSet> windows;
  for (int64_t layer = 0; layer < run.n_layers(); ++layer) {
    HeadSet& window = windows.emplace_back();
    for (int64_t near = std::max<int64_t>(0, layer - kWindow);
         near <= std::min(layer + kWindow, run.n_layers() - 1); ++near) {
      for (int64_t head = 0; head < run.n_heads(); ++head) window.push_back({near, head});
    }
  }
  result.blocked_prob =
      run.experiments.block_attention(windows, run.subject_first, run.subject_last).prob.mean(1);
  if (result.against.empty()) return;
  const HeadSet against = ids_of(result.against);
  Claim claim = claim_of(run, run.experiments.ablate_heads(with_controls(run, against)), 1);
  claim.step = "heads";
  claim.statement = "Heads " + names_of(against) + " write against the answer";
  claim.check =
      "their outputs at the last position become their means over other subjects; control: as many "
      "other heads of their layers";
  result.claims.push_back(std::move(claim));
}

void claim_mlps(const RecallRun& run, RecallResult& result) {
  LayerSet chosen;
  for (const MlpFinding& mlp : result.mlps) chosen.push_back(mlp.layer);
  int64_t first = run.n_layers();
  for (const HeadFinding& mover : result.movers) first = std::min(first, mover.id.layer);
  const auto sets = with_controls(run, chosen, first);
  LayerSet sorted = chosen;
  std::sort(sorted.begin(), sorted.end());
  const std::string names = fmt::format("{}", fmt::join(sorted, ", "));
  const HeadSet movers = ids_of(result.movers);
  Claim passed =
      claim_of(run, run.experiments.hide_from_mlps(with_controls(run, movers), sorted), -1);
  passed.step = "mlps";
  passed.statement = "MLPs " + names + " take the subject from heads " + names_of(movers);
  passed.check =
      "these MLPs alone read the last position as if the heads had written their means over other "
      "subjects (paths straight from the heads into them); control: as many other heads of their "
      "layers";
  result.claims.push_back(std::move(passed));

  Claim ablated = claim_of(run, run.experiments.ablate_mlps(sets), -1);
  ablated.step = "mlps";
  ablated.statement = "MLPs " + names + " turn what the heads bring into the answer";
  ablated.check =
      "their outputs at the last position become their means over other subjects; control: as many "
      "other MLPs from the movers' layers on";
  result.claims.push_back(std::move(ablated));
  for (const MlpFinding& mlp : result.mlps) result.claims.push_back(claim_gains(run, result, mlp));

  Claim function =
      claim_of(run, run.experiments.add_to_mlps(sets, intercepts(run, result), -1), -1);
  function.step = "function";
  function.statement =
      "The part of MLPs " + names + " that is the same for all subjects pushes to the answer";
  function.check =
      "the intercepts of the fit on other subjects are taken away from their outputs; control: "
      "those of as many other MLPs from the movers' layers on";
  result.claims.push_back(std::move(function));
}

void claim_last_block(const RecallRun& run, RecallResult& result) {
  const int64_t layer = run.n_layers() - 1;
  std::vector<LayerSet> sets = {{layer}};
  for (int64_t other = std::max<int64_t>(1, run.n_layers() / 2); other < layer; ++other) {
    sets.push_back({other});
  }
  Claim skipped = claim_of(run, run.experiments.skip_blocks(sets), 1);
  skipped.step = "last block";
  skipped.statement = "The last block holds the right answer back";
  skipped.check =
      "the last block adds nothing at the last position; control: each other block of the second "
      "half in turn";
  result.claims.push_back(std::move(skipped));

  const auto& negative = result.last.negative_heads;
  if (!negative.empty() && static_cast<int64_t>(negative.size()) < run.n_heads()) {
    HeadSet chosen;
    for (const int64_t head : negative) chosen.push_back({layer, head});
    Claim heads = claim_of(run, run.experiments.ablate_heads(with_controls(run, chosen)), 1);
    heads.step = "last block";
    heads.statement = "Heads " + names_of(chosen) + " of the last block take part in it";
    heads.check =
        "heads with a negative direct effect on other subjects: outputs at the last position "
        "become "
        "their means over those; control: as many other heads";
    result.claims.push_back(std::move(heads));
  }
  if (result.recommended < 0) return;
  const MitigationEffect& effect = result.mitigations[result.recommended];
  Claim better;
  better.step = "last block";
  better.statement =
      fmt::format("Mitigation {} at strength {:g} makes the model surer of the answer",
                  mitigation_name(effect.mitigation), effect.alpha);
  better.check = fmt::format(
      "applied at the last position; loss on neutral text {:+.2f} % when applied everywhere",
      100 * effect.loss_increase);
  better.quantity = "change of p(answer)";
  better.effect = result.recommended_prob;
  better.difference = result.recommended_prob;
  better.prob_before = run.experiments.clean_prob().mean().item<double>();
  better.prob_after = better.prob_before + result.recommended_prob.mean;
  judge(better, 1);
  result.claims.push_back(std::move(better));
}

}  // namespace weir
