#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/recall/recall.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

std::string range(const MeanInterval& x) { return change_text(x, 2); }

std::string share(const MeanInterval& x) { return interval_text(x, 2); }

std::string title_of(const RecallResult& result) {
  return fmt::format("{}, {}", result.task,
                     result.shots == 0 ? "zero-shot" : fmt::format("{}-shot", result.shots));
}

template <typename T, typename F>
std::string joined(const std::vector<T>& items, const F& name) {
  std::vector<std::string> names;
  for (const T& item : items) names.push_back(name(item));
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::string head_names(const std::vector<HeadFinding>& heads) {
  return joined(heads, [](const HeadFinding& head) { return head.id.name(); });
}

std::string mlp_names(const RecallResult& result) {
  return joined(result.mlps, [](const MlpFinding& mlp) { return std::to_string(mlp.layer); });
}

std::string switch_text(const RecallResult& result) {
  return result.switch_layer < 0 ? std::string("never") : std::to_string(result.switch_layer);
}

TableBlock comparison(const std::vector<RecallResult>& results) {
  TableBlock table;
  table.title = "Side by side";
  table.columns = {"prompts",
                   "n",
                   "top-1",
                   "p(answer)",
                   "knows it",
                   "mover heads",
                   "MLPs",
                   "answer above subject from layer",
                   "last block, pi(answer)",
                   "claims supported"};
  for (const RecallResult& result : results) {
    const auto n_supported = std::count_if(result.claims.begin(), result.claims.end(),
                                           [](const Claim& claim) { return claim.is_supported; });
    table.rows.push_back(
        {title_of(result), result.n_prompts, result.knowledge.top1.mean, result.knowledge.prob.mean,
         std::string(result.knowledge.is_known ? "yes" : "no"), head_names(result.movers),
         mlp_names(result), switch_text(result), result.block_change[-1].item<double>(),
         fmt::format("{} of {}", n_supported, result.claims.size())});
  }
  return table;
}

std::string sentence_of(const Claim& claim) {
  std::string text = fmt::format("- {}: {} ({} {}, control {}", claim.verdict(), claim.statement,
                                 claim.quantity, range(claim.effect), range(claim.control));
  if (std::isfinite(claim.prob_after)) {
    text += fmt::format("; p {:.3f} to {:.3f}", claim.prob_before, claim.prob_after);
  }
  return text + ").";
}

TextBlock in_short(const RecallResult& result) {
  const Knowledge& known = result.knowledge;
  std::string text;
  if (!known.is_known) {
    text += fmt::format(
        "The model does not know this relation: top-1 {:.2f} (always giving the most common "
        "answer: "
        "{:.2f}). What follows describes how it computes these answers, not how it recalls a "
        "fact.\n",
        known.top1.mean, known.most_common_answer);
  }
  text += fmt::format(
      "{} prompts about {} subjects; top-1 {}, p(answer) {}, median rank {:g} (0: best).\n",
      result.n_prompts, result.n_subjects, share(known.top1), share(known.prob), known.median_rank);
  text += fmt::format(
      "Heads {} carry the subject; MLPs {} add to the answer; pi(answer) is above pi(subject) from "
      "layer {} on; the last block changes pi(answer) by {:+.2f}.\n",
      head_names(result.movers), mlp_names(result), switch_text(result),
      result.block_change[-1].item<double>());
  const auto blocked = result.blocked_prob.argmin().item<int64_t>();
  text += fmt::format(
      "Without attention from the last position to the subject in layers {} to {}, p(answer) is "
      "{:.3f} instead of {:.3f}.\n",
      std::max<int64_t>(0, blocked - 2), std::min(blocked + 2, result.blocked_prob.size(0) - 1),
      result.blocked_prob[blocked].item<double>(), result.claims.front().prob_before);
  for (const Claim& claim : result.claims) text += "\n" + sentence_of(claim);
  text += "\n\n";
  if (result.recommended >= 0) {
    const MitigationEffect& effect = result.mitigations[result.recommended];
    text += fmt::format(
        "Mitigation of the last block with the largest gain within the loss budget: {} at strength "
        "{:g}: p(answer) {} on the test subjects{}, {:+.2f} % loss on neutral text.\n",
        mitigation_name(effect.mitigation), effect.alpha, range(result.recommended_prob),
        result.recommended_prob.is_above_zero() ? "" : " (not told from nothing)",
        100 * result.recommended_loss);
  } else {
    text += "No mitigation of the last block raises p(answer) within the loss budget.\n";
  }
  text += fmt::format(
      "Chosen on {} prompts, measured on {} of other subjects. Intervals: 95 %, bootstrap over "
      "subjects.",
      result.n_dev, result.n_test);
  for (const std::string& note : result.notes) text += "\nNote: " + note;
  return {"In short", text};
}

TableBlock claims_table(const RecallResult& result) {
  TableBlock table;
  table.title = "Claims and their experiments";
  table.columns = {"step",       "verdict",  "claim",   "effect",    "control",
                   "difference", "p before", "p after", "experiment"};
  for (const Claim& claim : result.claims) {
    table.rows.push_back({claim.step, claim.verdict(), claim.statement,
                          claim.quantity + " " + range(claim.effect), range(claim.control),
                          range(claim.difference), claim.prob_before, claim.prob_after,
                          claim.check});
  }
  table.note =
      "Supported: the interval of the effect and that of its difference to the control lie on the "
      "side "
      "that the claim says.";
  return table;
}

TableBlock heads_table(const std::string& title, const std::vector<HeadFinding>& heads) {
  TableBlock table;
  table.title = title;
  table.columns = {"head",
                   "pi(answer) without it",
                   "pi(subject) without it",
                   "direct",
                   "attention to subject",
                   "write on subject",
                   "correlation",
                   "copies",
                   "copies negatively"};
  for (const HeadFinding& head : heads) {
    table.rows.push_back({head.id.name(), head.answer, head.subject, head.direct, head.attention,
                          head.write, head.pearson, head.copy, head.anti_copy});
  }
  table.note =
      "Without it: path patching of its mean to the last stream. Direct: what it writes on "
      "pi(answer) "
      "itself. Copies: share of subject tokens "
      "among the first five of what it writes for them.";
  return table;
}

TableBlock mlps_table(const RecallResult& result) {
  TableBlock table;
  table.title = "MLPs";
  table.columns = {"MLP",
                   "pi(answer) without it",
                   "direct",
                   "R2",
                   "R2 held out",
                   "condition",
                   "lens of b: pi(answers)",
                   "pi(subjects)",
                   "cos(b, answers)",
                   "cos(b, subjects)",
                   "top tokens of b"};
  for (const MlpFinding& mlp : result.mlps) {
    table.rows.push_back({mlp.layer, mlp.answer, mlp.direct, mlp.fit.r2, mlp.held_out.r2,
                          mlp.fit.condition, mlp.pi_answers, mlp.pi_subjects, mlp.cos_answers,
                          mlp.cos_subjects,
                          joined(mlp.top_tokens, [](const std::string& t) { return t; })});
  }
  table.note = "R2 held out: each subject predicted from the others, about the others' mean.";
  return table;
}

TableBlock gains_table(const MlpFinding& mlp) {
  TableBlock table;
  table.title = fmt::format("Gains of MLP {}", mlp.layer);
  table.columns = {"part",
                   "w",
                   "standard error",
                   "over subjects",
                   "gain g = 1 + w",
                   "gain, linearised",
                   "on subject before",
                   "on subject after"};
  for (size_t j = 0; j < mlp.parts.size(); ++j) {
    const auto at = static_cast<int64_t>(j);
    const auto value = [at](const at::Tensor& x) { return x[at].item<double>(); };
    table.rows.push_back({mlp.parts[j], value(mlp.fit.w), value(mlp.fit.se),
                          value(mlp.bootstrap_se), value(mlp.fit.g), value(mlp.linear_gain),
                          value(mlp.subject_before), value(mlp.subject_after)});
  }
  table.note =
      mlp.fit.is_ill_conditioned()
          ? "The parts are nearly dependent: single gains mean little."
          : "m = sum of w c + b: near 0 the part is erased from the stream, above 1 amplified.";
  return table;
}

CurvesBlock depth_curves(const RecallResult& result) {
  CurvesBlock curves;
  curves.title = "Topic, then answer";
  curves.x_label = "layer (attention, then MLP)";
  curves.y_label = "pi by logit lens";
  for (int64_t i = 0; i < result.curve_answer.size(0); ++i) {
    curves.x.push_back(static_cast<double>(i) / 2);
  }
  curves.series = {{"answer", to_doubles(result.curve_answer)},
                   {"subject", to_doubles(result.curve_subject)}};
  return curves;
}

CurvesBlock block_curve(const RecallResult& result) {
  return layer_curves("What each block does to the answer", "change of pi(answer)",
                      {{"block, own statistics", to_doubles(result.block_change)},
                       {"MLP replaced by its mean (path)", to_doubles(result.mlp_effects)}});
}

CurvesBlock blocked_curve(const RecallResult& result) {
  const std::vector<double> blocked = to_doubles(result.blocked_prob);
  const std::vector<double> before(blocked.size(), result.claims.front().prob_before);
  CurvesBlock curves = layer_curves("Attention to the subject blocked", "p(answer)",
                                    {{"blocked", blocked}, {"not blocked", before}});
  curves.x_label = "layer in the middle of five";
  return curves;
}

/// Shares of attention: from 0 up.
HeatMapBlock attention_map(const RecallResult& result) {
  HeatMapBlock map =
      head_map("Attention to the subject", "attention", to_rows(result.head_attention));
  map.diverging = false;
  return map;
}

TableBlock last_table(const RecallResult& result) {
  TableBlock table;
  table.title = "Last block: parts";
  table.columns = {"part",           "pi(answer), frozen scale",
                   "own statistics", "cos(u_mean)",
                   "cos(u_freq)",    "rank correlation with log frequency"};
  const double none = NAN;
  table.rows.push_back({std::string("attention"), result.last.attn_frozen.mean().item<double>(),
                        result.last.attn_own.mean().item<double>(), none, none, none});
  for (const ComponentReading& part : result.last.components) {
    double frozen = none, own = none;
    if (part.name == "mlp_out") {
      frozen = result.last.mlp_frozen.mean().item<double>();
      own = result.last.mlp_own.mean().item<double>();
    } else if (part.name.rfind("head", 0) == 0) {
      frozen =
          result.last.head_dla.select(1, std::stoll(part.name.substr(4))).mean().item<double>();
    }
    table.rows.push_back({part.name, frozen, own, part.cos_u_mean, part.cos_u_freq, part.spearman});
  }
  return table;
}

TableBlock mitigation_table(const RecallResult& result) {
  TableBlock table;
  table.title = "Last block: mitigations";
  table.columns = {"mitigation", "strength", "pi(answer)",      "p(answer)",
                   "mean rank",  "top-1",    "neutral loss, %", "within budget, best on dev"};
  for (size_t i = 0; i < result.mitigations.size(); ++i) {
    const MitigationEffect& effect = result.mitigations[i];
    table.rows.push_back({mitigation_name(effect.mitigation), effect.alpha,
                          effect.delta_pi.mean().item<double>(),
                          effect.delta_prob.mean().item<double>(), effect.rank, effect.top1,
                          100 * effect.loss_increase,
                          std::string(static_cast<int64_t>(i) == result.recommended ? "yes" : "")});
  }
  table.note =
      "a negative heads, b MLP, c intercept, d frequency direction of what the block adds, d_mlp "
      "of "
      "the MLP, d_resid of the stream, e the whole block. Changes of all prompts.";
  return table;
}

ScatterBlock neuron_scatter(const NeuronReadings& readings) {
  ScatterBlock scatter;
  scatter.title = "Last MLP: entropy and frequency neurons";
  scatter.x_label = "norm of what it writes";
  scatter.y_label = "share in W_U's null directions (rho)";
  scatter.x = to_doubles(readings.neurons.norm);
  scatter.y = to_doubles(readings.neurons.rho);
  scatter.values = to_doubles(readings.frequency);
  scatter.value_label = "correlation with log frequency";
  scatter.diverging = true;
  for (size_t i = 0; i < scatter.x.size(); ++i) scatter.labels.push_back(std::to_string(i));
  return scatter;
}

TableBlock operator_table(const RecallResult& result) {
  TableBlock table;
  table.title = "Linear relational operator";
  table.columns = {"layer", "prompts fitted", "beta", "gives the model's answer",
                   "gives the right answer"};
  for (const RelationOperatorFinding& found : result.operators) {
    table.rows.push_back(
        {found.layer, found.n_train, found.beta, found.faithfulness, found.accuracy});
  }
  return table;
}

GroupBlock group_of(const RecallResult& result) {
  GroupBlock heads{"Heads",
                   {head_map("Path effect of each head on the answer",
                             "change of pi(answer) without it", to_rows(result.head_effects)),
                    attention_map(result), heads_table("Mover heads", result.movers),
                    heads_table("Heads against the answer", result.against)}};
  GroupBlock mlps{"MLPs", {mlps_table(result)}};
  for (const MlpFinding& mlp : result.mlps) mlps.blocks.emplace_back(gains_table(mlp));
  GroupBlock depth{"Depth", {depth_curves(result), block_curve(result), blocked_curve(result)}};
  GroupBlock last{"Last block", {last_table(result), mitigation_table(result)}};
  GroupBlock group{title_of(result),
                   {in_short(result), claims_table(result), heads, mlps, depth, last}};
  if (!result.operators.empty()) group.blocks.emplace_back(operator_table(result));
  return group;
}

}  // namespace

Report recall_report(const LanguageModel& lm, const std::vector<RecallResult>& results,
                     const NeuronReadings& neurons) {
  Report report;
  report.title = "Factual recall" + (lm.config().name.empty() ? "" : ": " + lm.config().name);
  if (results.size() > 1) report.blocks.emplace_back(comparison(results));
  GroupBlock all{"Relations", {}, false, /*tabs=*/true};
  for (const RecallResult& result : results) all.blocks.emplace_back(group_of(result));
  report.blocks.emplace_back(std::move(all));
  report.blocks.emplace_back(neuron_scatter(neurons));
  return report;
}

}  // namespace weir
