#include "weir/rl/policy_trainer.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/train/clip.h"

namespace weir::rl {
namespace {

using Tensors = std::vector<at::Tensor>;

void add(Tensors* sums, const Tensors& more) {
  for (size_t i = 0; i < sums->size(); ++i) {
    if (!more[i].defined()) continue;
    at::Tensor& sum = (*sums)[i];
    if (sum.defined()) {
      sum.add_(more[i]);
    } else {
      sum = more[i];
    }
  }
}

// Normalisers of all rows, so that parts add up to the whole.
Aggregation of_whole(Aggregation how, const at::Tensor& mask) {
  if (how.tokens == 0) how.tokens = mask.sum().item<double>();
  if (how.rows == 0) {
    how.rows = how.count_empty_rows ? static_cast<double>(mask.size(0))
                                    : mask.sum(1).gt(0).sum().item<double>();
  }
  if (how.length == 0) how.length = static_cast<double>(mask.size(1));
  return how;
}

std::vector<double> norms_by_layer(const std::vector<Parameter>& parameters, const Tensors& found,
                                   int64_t n_layers) {
  std::vector<Tensors> of_layer(static_cast<size_t>(n_layers));
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].name.rfind("blocks.", 0) != 0 || !found[i].defined()) continue;
    of_layer.at(static_cast<size_t>(std::stoll(parameters[i].name.substr(7)))).push_back(found[i]);
  }
  std::vector<double> norms;
  for (const Tensors& gradients : of_layer) {
    norms.push_back(gradients.empty() ? 0 : gradient_norm(gradients));
  }
  return norms;
}

}  // namespace

PolicyBatch PolicyBatch::rows(int64_t first, int64_t last) const {
  int64_t skipped = 0;
  if (tokens.attention_mask.defined()) {
    const at::Tensor used = tokens.attention_mask.slice(0, first, last).any(0);
    skipped = used.to(at::kByte).argmax(0).item<int64_t>();
  }
  const auto cut = [&](const at::Tensor& of) {
    return of.defined() ? of.slice(0, first, last).slice(1, skipped) : of;
  };
  PolicyBatch part;
  part.tokens = {cut(tokens.tokens), cut(tokens.attention_mask)};
  part.mask = cut(mask);
  part.advantage = cut(advantage);
  part.old_log_prob = cut(old_log_prob);
  part.ref_log_prob = cut(ref_log_prob);
  return part;
}

Weights PolicyTrainer::weights() const {
  return adapter_ != nullptr ? adapter_->applied(model_->weights, model_->config) : model_->weights;
}

PolicyScores PolicyTrainer::scores(const TokenBatch& tokens, const at::Tensor& mask,
                                   const PolicySpec& spec, int64_t rows) const {
  const at::NoGradGuard no_grad;
  const Weights read = weights();
  PolicyBatch all;
  all.tokens = tokens;
  all.mask = mask;
  PolicyScores result{at::zeros_like(mask, at::kDouble), at::zeros_like(mask, at::kDouble)};
  for (int64_t first = 0; first < mask.size(0); first += rows) {
    throw_if_interrupted();
    const int64_t last = std::min(first + rows, mask.size(0));
    const PolicyBatch part = all.rows(first, last);
    const PolicyScores found = policy_scores(transformer(), read, part.tokens, part.mask, spec);
    const int64_t skipped = mask.size(1) - part.mask.size(1);
    result.log_prob.slice(0, first, last).slice(1, skipped).copy_(found.log_prob);
    result.entropy.slice(0, first, last).slice(1, skipped).copy_(found.entropy);
  }
  return result;
}

PolicyTrainer::Update PolicyTrainer::update(const PolicyBatch& batch, const PolicySpec& spec,
                                            const ObjectiveOptions& options, double rate,
                                            double clip, int64_t rows,
                                            const std::vector<bool>& frozen) {
  require(batch.mask.sum().item<double>() > 0, "policy update: no token counts");
  ObjectiveOptions whole = options;
  whole.aggregation = of_whole(options.aggregation, batch.mask);
  const Tensors& leaves = holder_->leaves();
  Tensors gradients(leaves.size());
  Update update;
  update.log_prob = at::zeros_like(batch.mask);
  double entropy = 0;
  for (int64_t first = 0; first < batch.mask.size(0); first += rows) {
    throw_if_interrupted();
    const int64_t last = std::min(first + rows, batch.mask.size(0));
    const PolicyBatch part = batch.rows(first, last);
    const double n_tokens = part.mask.sum().item<double>();
    if (n_tokens == 0) continue;
    const PolicyScores scores =
        policy_scores(transformer(), weights(), part.tokens, part.mask, spec);
    ObjectiveInput in;
    in.policy.log_prob = scores.log_prob.to(at::kDouble);
    in.policy.old_log_prob =
        part.old_log_prob.defined() ? part.old_log_prob : in.policy.log_prob.detach();
    in.policy.advantage = part.advantage;
    in.policy.mask = part.mask;
    in.ref_log_prob = part.ref_log_prob;
    in.entropy = scores.entropy.to(at::kDouble);
    const Objective found = objective(in, whole);
    add(&gradients, torch::autograd::grad({found.loss}, leaves, {}, /*retain_graph=*/false,
                                          /*create_graph=*/false, /*allow_unused=*/true));
    update.loss += found.loss.item<double>();
    entropy += in.entropy.detach().sum().item<double>();
    const double share = n_tokens / whole.aggregation.tokens;
    for (const auto& [name, value] : found.stats) {
      const bool is_least = name == "ratio_min", is_most = name == "ratio_max";
      if ((is_least || is_most) && update.stats.count(name) != 0) {
        double& extreme = update.stats[name];
        extreme = is_least ? std::min(extreme, value) : std::max(extreme, value);
      } else {
        update.stats[name] += is_least || is_most ? value : value * share;
      }
    }
    update.log_prob.slice(0, first, last)
        .slice(1, batch.mask.size(1) - part.mask.size(1))
        .copy_(in.policy.log_prob.detach());
  }
  update.stats["entropy"] = entropy / batch.mask.sum().item<double>();
  for (size_t i = 0; i < frozen.size(); ++i) {
    if (frozen[i]) gradients[i] = at::Tensor();
  }
  if (!holder_->parameters().empty()) {
    update.layer_norms = norms_by_layer(holder_->parameters(), gradients, model_->config.n_layers);
  }
  update.gradient_norm = clip > 0 ? clip_gradients(gradients, clip) : gradient_norm(gradients);
  if (std::isfinite(update.loss) && std::isfinite(update.gradient_norm)) {
    holder_->optimizer().step(gradients, rate);
  }
  return update;
}

}  // namespace weir::rl
