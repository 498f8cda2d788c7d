// What is found on the dev subjects, before anything is claimed.
#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "weir/lm/unembedding.h"
#include "weir/recall/decomposition.h"
#include "weir/recall/intercept.h"
#include "weir/recall/recall_run.h"

namespace weir {
namespace {

constexpr double kTaskShare = 0.9;       // of all path effects: what the sparsifier keeps
constexpr double kLeastAttention = 0.1;  // to the subject, of a head that is said to read it
constexpr int64_t kTopTokens = 10;
constexpr int64_t kBootstrapFits = 200;

// The n best entries of a score [L, H], best first.
std::vector<HeadId> best_heads(const at::Tensor& score, int64_t n) {
  const at::Tensor order = score.flatten().argsort(/*dim=*/0, /*descending=*/true);
  std::vector<HeadId> heads;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = order[i].item<int64_t>();
    heads.push_back({at / score.size(1), at % score.size(1)});
  }
  return heads;
}

// [N]
at::Tensor direct_effect(const RecallRun& run, const at::Tensor& part) {
  return run.reader.share(part, run.answers, run.reader.scale(run.last.clean().resid_post[-1]));
}

HeadFinding finding_of(const RecallRun& run, const HeadId& id) {
  HeadFinding head;
  head.id = id;
  const auto test_mean = [&](const at::Tensor& x) { return run.test_mean(x).item<double>(); };
  head.attention = test_mean(run.heads.attention.select(2, id.head).select(1, id.layer));
  head.write = test_mean(run.heads.write.select(2, id.head).select(1, id.layer));
  head.pearson = run.heads.pearson[id.layer][id.head].item<double>();
  head.answer = test_mean(run.effects.answer.heads[id.layer][id.head]);
  head.subject = test_mean(run.effects.subject.heads[id.layer][id.head]);
  head.direct =
      test_mean(direct_effect(run, run.last.clean().head_out[id.layer].select(1, id.head)));
  return head;
}

void add_copy_scores(const RecallRun& run, std::vector<HeadFinding>& heads) {
  if (run.n_layers() < 2 || heads.empty()) return;
  RunOptions options;
  options.logits = LogitsAt::kNone;
  options.stop_at_layer = 1;
  const TokenBatch batch = left_pad(run.set.clean_rows());
  const at::Tensor stream = run.lm.run(batch, options).residual;
  const at::Tensor rows = at::arange(stream.size(0), at::kLong);
  std::vector<HeadId> ids;
  for (const HeadFinding& head : heads) ids.push_back(head.id);
  const CopyScores scores = copy_scores(run.lm, ids, stream.index({rows, run.subject_first}),
                                        batch.tokens.index({rows, run.subject_first}));
  for (size_t i = 0; i < heads.size(); ++i) {
    heads[i].copy = scores.positive[static_cast<int64_t>(i)].item<double>();
    heads[i].anti_copy = scores.negative[static_cast<int64_t>(i)].item<double>();
  }
}

at::Tensor group_tensor(const std::vector<int64_t>& group) { return at::tensor(group, at::kLong); }

at::Tensor draws_of(int64_t n_groups, uint64_t seed) {
  std::mt19937_64 random(seed);
  at::Tensor draws = at::empty({kBootstrapFits, n_groups}, at::kLong);
  for (int64_t i = 0; i < draws.numel(); ++i) {
    draws.data_ptr<int64_t>()[i] = static_cast<int64_t>(random() % n_groups);
  }
  return draws;
}

MlpFinding decomposed(const RecallRun& run, const std::vector<HeadFinding>& movers, int64_t layer) {
  MlpFinding mlp;
  mlp.layer = layer;
  mlp.answer = run.test_mean(run.effects.answer.mlps[layer]).item<double>();
  mlp.subject = run.test_mean(run.effects.subject.mlps[layer]).item<double>();
  mlp.direct = run.test_mean(direct_effect(run, run.last.clean().mlp_out[layer])).item<double>();
  const MlpParts parts = recall_parts(run, movers, layer);
  mlp.parts = parts.names;
  PartsSums sums;
  sums.add(parts.c, parts.m);
  mlp.fit = sums.fit();
  const at::Tensor group = group_tensor(run.group);
  mlp.held_out = leave_one_group_out(parts.c, parts.m, group);
  const int64_t n_groups = group.max().item<int64_t>() + 1;
  mlp.bootstrap_se =
      bootstrap_weights(parts.c, parts.m, group, draws_of(n_groups, run.options.seed)).std(0);
  mlp.linear_gain = linearise(run.lm, parts).gain.mean(0);
  const at::Tensor u = run.reader.W_U().index_select(1, run.subjects).t();
  mlp.subject_before = at::einsum("njd,nd->nj", {parts.c, u}).mean(0).to(at::kDouble);
  mlp.subject_after = mlp.subject_before * mlp.fit.g;
  const double scale = run.reader.scale(run.last.clean().resid_post[-1]).mean().item<double>();
  const at::Tensor lens = lens_of(run.reader, mlp.fit.b, scale, UnembeddingForm::kFolded);
  const auto mean_pi = [&](const at::Tensor& ids) {
    return (lens.index_select(0, ids).mean() - lens.mean()).item<double>();
  };
  const at::Tensor answers = std::get<0>(at::_unique2(run.answers));
  const at::Tensor subjects = std::get<0>(at::_unique2(run.subjects));
  mlp.pi_answers = mean_pi(answers);
  mlp.pi_subjects = mean_pi(subjects);
  const auto mean_cosine = [&](const at::Tensor& ids) {
    return cosines_with(run.reader, mlp.fit.b, ids, UnembeddingForm::kFolded).mean().item<double>();
  };
  mlp.cos_answers = mean_cosine(answers);
  mlp.cos_subjects = mean_cosine(subjects);
  const at::Tensor top = std::get<1>(lens.topk(std::min<int64_t>(kTopTokens, lens.size(0))));
  for (int64_t i = 0; i < top.size(0); ++i) {
    mlp.top_tokens.push_back(run.lm.token_text(top[i].item<int64_t>()));
  }
  return mlp;
}

}  // namespace

MlpParts recall_parts(const RecallRun& run, const std::vector<HeadFinding>& movers, int64_t layer) {
  const int64_t own = run.lm.config().parallel_block ? layer - 1 : layer;
  std::vector<HeadId> heads;
  for (const HeadFinding& mover : movers) {
    if (mover.id.layer <= own) heads.push_back(mover.id);
  }
  for (int64_t head = 0; own >= 0 && head < run.n_heads(); ++head) {
    const HeadId id = {own, head};
    if (std::find(heads.begin(), heads.end(), id) == heads.end()) heads.push_back(id);
  }
  std::sort(heads.begin(), heads.end());
  return mlp_parts(run.last, layer, heads);
}

MlpParts take_prompts(const MlpParts& parts, const at::Tensor& rows) {
  MlpParts taken = parts;
  taken.c = parts.c.index_select(0, rows);
  taken.x = parts.x.index_select(0, rows);
  taken.m = parts.m.index_select(0, rows);
  taken.scale = parts.scale.index_select(0, rows);
  return taken;
}

void find_heads(const RecallRun& run, RecallResult& result) {
  const at::Tensor harm = run.dev_mean(run.effects.answer.heads);  // [L, H]
  const at::Tensor attention = run.heads.attention.index_select(0, run.dev).mean(0);
  // A mover belongs to the task's heads, looks at the subject, and without it both the answer and
  // the subject fall.
  const at::Tensor task = sparsify(harm, kTaskShare);
  const at::Tensor is_mover =
      (task < 0) & (attention >= kLeastAttention) & (run.dev_mean(run.effects.subject.heads) < 0);
  const at::Tensor score = (-harm).clamp_min(0) * attention;
  const at::Tensor chosen = at::where(is_mover, score, at::zeros_like(score));
  for (const HeadId& id : best_heads(chosen, run.options.n_heads)) {
    const bool counts = chosen[id.layer][id.head].item<double>() > 0;
    // Where no head fulfils all of it, the best one is named, and its claim will be refuted.
    if (counts || result.movers.empty()) {
      result.movers.push_back(finding_of(run, counts ? id : best_heads(score, 1)[0]));
    }
  }
  for (const HeadId& id : best_heads(harm, run.options.n_heads)) {
    if (task[id.layer][id.head].item<double>() > 0) result.against.push_back(finding_of(run, id));
  }
  add_copy_scores(run, result.movers);
  add_copy_scores(run, result.against);
  result.head_effects = run.test_mean(run.effects.answer.heads);
  result.head_attention = run.heads.attention.index_select(0, run.test).mean(0);
}

void find_mlps(const RecallRun& run, RecallResult& result) {
  result.mlp_effects = run.test_mean(run.effects.answer.mlps);
  int64_t first = run.n_layers();
  for (const HeadFinding& mover : result.movers) first = std::min(first, mover.id.layer);
  first = std::min(first, run.n_layers() - run.options.n_mlps);
  const at::Tensor harm = run.dev_mean(run.effects.answer.mlps).slice(0, first);
  const at::Tensor order =
      harm.argsort(/*dim=*/0, /*descending=*/false);  // the answer falls most without it
  for (int64_t i = 0; i < std::min(run.options.n_mlps, order.size(0)); ++i) {
    result.mlps.push_back(decomposed(run, result.movers, first + order[i].item<int64_t>()));
  }
}

void find_depth(const RecallRun& run, RecallResult& result) {
  const LastActivations& clean = run.last.clean();
  const auto curve = [&](const at::Tensor& ids) {
    return at::stack({run.reader.own(clean.resid_mid, ids).mean(1),
                      run.reader.own(clean.resid_post, ids).mean(1)},
                     1)
        .flatten();
  };
  result.curve_answer = curve(run.answers);
  result.curve_subject = curve(run.subjects);
  result.block_change =
      (run.reader.own(clean.resid_post, run.answers) - run.reader.own(clean.resid_pre, run.answers))
          .mean(1);
  for (int64_t layer = run.n_layers() - 1; layer >= 0; --layer) {
    const int64_t post = 2 * layer + 1;
    if ((result.curve_answer[post] <= result.curve_subject[post]).item<bool>()) break;
    result.switch_layer = layer;
  }
}

void find_last_block(const RecallRun& run, RecallResult& result) {
  const int64_t layer = run.n_layers() - 1;
  const MlpParts parts = take_prompts(recall_parts(run, result.movers, layer), run.dev);
  PartsSums sums;
  sums.add(parts.c, parts.m);
  const at::Tensor b = sums.fit().b;
  result.last = last_block(run.last, run.answers, b, run.neutral.unigram());
  // The heads to hold back are chosen on the dev subjects.
  MitigationInputs inputs = {{}, b, result.last.average.u_freq};
  for (int64_t head = 0; head < run.n_heads(); ++head) {
    const at::Tensor dla = result.last.head_dla.select(1, head).index_select(0, run.dev);
    if (dla.mean().item<double>() < 0) inputs.negative_heads.push_back(head);
  }
  result.last.negative_heads = inputs.negative_heads;
  double best = 0;
  for (const Mitigation mitigation : all_mitigations()) {
    for (const double alpha : run.options.strengths) {
      result.mitigations.push_back(
          mitigation_effect(run.last, run.answers, run.neutral, mitigation, alpha, inputs));
      const MitigationEffect& effect = result.mitigations.back();
      const double gain = run.dev_mean(effect.delta_prob).item<double>();
      if (effect.loss_increase >= run.options.loss_budget || gain <= best) continue;
      best = gain;
      result.recommended = static_cast<int64_t>(result.mitigations.size()) - 1;
    }
  }
  if (result.recommended >= 0) {
    const MitigationEffect& effect = result.mitigations[result.recommended];
    const auto test_interval = [&](const at::Tensor& x) {
      return interval_of(x.index_select(0, run.test), run.test_group, run.options.seed);
    };
    result.recommended_prob = test_interval(effect.delta_prob);
    result.recommended_pi = test_interval(effect.delta_pi);
    result.recommended_loss = effect.loss_increase;
  }
}

NeuronReadings read_neurons(const LanguageModel& lm, const NeutralText& neutral) {
  const int64_t null_k = std::max<int64_t>(1, lm.config().d_model / 20);
  return {last_neurons(lm, null_k, /*folded=*/true), frequency_correlation(lm, neutral.unigram())};
}

}  // namespace weir
