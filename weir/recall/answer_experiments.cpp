#include "weir/recall/answer_experiments.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/patch/readings.h"
#include "weir/recall/final_reader.h"

namespace weir {
namespace {

std::string site(int64_t layer, const char* name) {
  return "blocks." + std::to_string(layer) + "." + name;
}

// The layers in which a mask [R, L, ...] is not empty.
std::vector<int64_t> layers_in(const at::Tensor& mask) {
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < mask.size(1); ++layer) {
    if (mask.select(1, layer).any().item<bool>()) layers.push_back(layer);
  }
  return layers;
}

HookFn becoming(const at::Tensor& here, const at::Tensor& value) {
  return
      [here, value](const at::Tensor& x, const HookContext&) { return at::where(here, value, x); };
}

at::Tensor probability(const at::Tensor& logits, const at::Tensor& ids) {
  return logits.softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1);
}

}  // namespace

AnswerExperiments::AnswerExperiments(const LastPosition& last, const at::Tensor& answers,
                                     const at::Tensor& rows, const at::Tensor& reference)
    : last_(last), answers_(answers.index_select(0, rows)), rows_(rows), reference_(reference) {
  const at::Tensor logits = last.clean().logits.index_select(0, rows);
  clean_pi_ = centred_logit(logits, answers_);
  clean_prob_ = probability(logits, answers_);
}

AnswerChange AnswerExperiments::run_in(const at::Tensor& mask, const HooksOf& hooks_of) const {
  const std::vector<int64_t> layers = layers_in(mask);
  std::vector<NamedHook> hooks;
  for (const int64_t layer : layers) {
    for (NamedHook& hook : hooks_of(layer, mask.select(1, layer))) hooks.push_back(std::move(hook));
  }
  return run(mask.size(0) / rows_.size(0), layers.empty() ? 0 : layers[0], hooks);
}

AnswerChange AnswerExperiments::run(int64_t n_sets, int64_t from_layer,
                                    const std::vector<NamedHook>& hooks) const {
  const at::NoGradGuard no_grad;
  const int64_t n = rows_.size(0);
  const at::Tensor streams = last_.run_stream(hooks, from_layer, rows_of(n_sets));
  std::vector<at::Tensor> pi, prob;
  for (int64_t s = 0; s < n_sets; ++s) {  // logits of one set at a time
    const at::Tensor logits =
        last_.lm().transformer().unembed(streams.slice(0, s * n, (s + 1) * n));
    pi.push_back(centred_logit(logits, answers_) - clean_pi_);
    prob.push_back(probability(logits, answers_));
  }
  return {at::stack(pi), at::stack(prob)};
}

// bool [sets * n, L, H]
at::Tensor AnswerExperiments::head_mask(const std::vector<HeadSet>& sets) const {
  const ModelConfig& config = last_.lm().config();
  const auto n_sets = static_cast<int64_t>(sets.size());
  at::Tensor mask = at::zeros({n_sets, config.n_layers, config.n_heads}, at::kBool);
  for (int64_t s = 0; s < n_sets; ++s) {
    for (const HeadId& head : sets[s]) mask[s][head.layer][head.head] = true;
  }
  return mask.repeat_interleave(rows_.size(0), 0);
}

// bool [sets * n, L]
at::Tensor AnswerExperiments::layer_mask(const std::vector<LayerSet>& sets) const {
  const auto n_sets = static_cast<int64_t>(sets.size());
  at::Tensor mask = at::zeros({n_sets, last_.lm().config().n_layers}, at::kBool);
  for (int64_t s = 0; s < n_sets; ++s) {
    for (const int64_t layer : sets[s]) mask[s][layer] = true;
  }
  return mask.repeat_interleave(rows_.size(0), 0);
}

AnswerChange AnswerExperiments::ablate_heads(const std::vector<HeadSet>& sets) const {
  return run_in(head_mask(sets), [&](int64_t layer, const at::Tensor& in_set) {
    const at::Tensor here = in_set.unsqueeze(1).unsqueeze(3);  // [R, 1, H, 1]
    return std::vector<NamedHook>{
        {site(layer, "attn.hook_result"), becoming(here, mean_of(last_.clean().result[layer]))}};
  });
}

AnswerChange AnswerExperiments::block_attention(const std::vector<HeadSet>& sets,
                                                const at::Tensor& first,
                                                const at::Tensor& last) const {
  const at::Tensor rows = rows_of(static_cast<int64_t>(sets.size()));
  const at::Tensor key = at::arange(last_.tokens().size(1), at::kLong);
  const at::Tensor is_subject = (key.ge(first.index_select(0, rows).unsqueeze(1)) &
                                 key.le(last.index_select(0, rows).unsqueeze(1)))
                                    .unsqueeze(1)
                                    .unsqueeze(1);  // [R, 1, 1, S]
  return run_in(head_mask(sets), [&](int64_t layer, const at::Tensor& in_set) {
    const at::Tensor hidden = in_set.unsqueeze(2).unsqueeze(3) & is_subject;
    return std::vector<NamedHook>{
        {site(layer, "attn.hook_attn_scores"), [hidden](const at::Tensor& x, const HookContext&) {
           return x.masked_fill(hidden, -std::numeric_limits<double>::infinity());
         }}};
  });
}

AnswerChange AnswerExperiments::hide_from_mlps(const std::vector<HeadSet>& sets,
                                               const LayerSet& mlps) const {
  const bool is_parallel = last_.lm().config().parallel_block;
  std::vector<NamedHook> hooks;
  for (const int64_t mlp : mlps) {
    std::vector<at::Tensor> of_sets;  // [n, D] each: what the stream that this MLP reads lacks
    for (const HeadSet& set : sets) {
      at::Tensor change = at::zeros_like(last_.clean().mlp_in[mlp].index_select(0, rows_));
      for (const HeadId& head : set) {
        if (head.layer > mlp || (is_parallel && head.layer == mlp)) continue;
        const at::Tensor writes = last_.clean().head_out[head.layer].select(1, head.head);
        change += mean_of(writes) - writes.index_select(0, rows_);
      }
      of_sets.push_back(change);
    }
    const at::Tensor change = at::cat(of_sets).unsqueeze(1);  // [R, 1, D]
    hooks.emplace_back(site(mlp, "hook_mlp_in"),
                       [change](const at::Tensor& x, const HookContext&) { return x + change; });
  }
  const int64_t first = mlps.empty() ? 0 : *std::min_element(mlps.begin(), mlps.end());
  return run(static_cast<int64_t>(sets.size()), first, hooks);
}

AnswerChange AnswerExperiments::ablate_mlps(const std::vector<LayerSet>& sets) const {
  return run_in(layer_mask(sets), [&](int64_t layer, const at::Tensor& in_set) {
    const at::Tensor here = in_set.unsqueeze(1).unsqueeze(2);
    return std::vector<NamedHook>{
        {site(layer, "hook_mlp_out"), becoming(here, mean_of(last_.clean().mlp_out[layer]))}};
  });
}

AnswerChange AnswerExperiments::add_to_mlps(const std::vector<LayerSet>& sets,
                                            const at::Tensor& vectors, double factor) const {
  return run_in(layer_mask(sets), [&](int64_t layer, const at::Tensor& in_set) {
    const at::Tensor here = in_set.unsqueeze(1).unsqueeze(2);
    const at::Tensor vector = factor * vectors[layer];
    return std::vector<NamedHook>{
        {site(layer, "hook_mlp_out"), [here, vector](const at::Tensor& x, const HookContext&) {
           return at::where(here, x + vector.to(x.dtype()), x);
         }}};
  });
}

AnswerChange AnswerExperiments::skip_blocks(const std::vector<LayerSet>& sets) const {
  return run_in(layer_mask(sets), [&](int64_t layer, const at::Tensor& in_set) {
    const at::Tensor here = in_set.unsqueeze(1).unsqueeze(2);
    const auto before = std::make_shared<at::Tensor>();
    return std::vector<NamedHook>{
        {site(layer, "hook_resid_pre"),
         [before](const at::Tensor& x, const HookContext&) {
           *before = x;
           return x;
         }},
        {site(layer, "hook_resid_post"), [before, here](const at::Tensor& x, const HookContext&) {
           return at::where(here, *before, x);
         }}};
  });
}

AnswerChange AnswerExperiments::replace_mlp(int64_t layer, const at::Tensor& values) const {
  const at::Tensor flat = values.flatten(0, 1).unsqueeze(1);
  return run(values.size(0), layer,
             {{site(layer, "hook_mlp_out"),
               [flat](const at::Tensor& x, const HookContext&) { return flat.to(x.dtype()); }}});
}

}  // namespace weir
