#include "weir/sae/eval/concept_removal.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

at::Tensor pool_tokens(const at::Tensor& x) {
  require(x.dim() == 3, "pool: expected activations [B, T, D]");
  const at::Tensor n = (x != 0).any(-1).sum(1).unsqueeze(-1);
  return x.sum(1) / n;
}

at::Tensor latent_effects(const at::Tensor& positive, const at::Tensor& negative,
                          const at::Tensor& probe_weight, const at::Tensor& W_dec,
                          EffectKind kind) {
  at::Tensor difference = positive.to(at::kDouble).mean(0) - negative.to(at::kDouble).mean(0);
  if (kind == EffectKind::kTpp) difference = difference.clamp_min(0);
  const at::Tensor effects =
      difference * W_dec.detach().to(at::kDouble).mv(probe_weight.to(at::kDouble).flatten());
  return kind == EffectKind::kScr ? effects.abs() : effects;
}

at::Tensor largest_effects(const at::Tensor& effects, int64_t n) {
  require(n >= 1 && n <= effects.numel(), "effects: expected a number from 1 to {}, got {}",
          effects.numel(), n);
  const int64_t k = std::min(n, (effects != 0).sum().item<int64_t>());
  at::Tensor chosen = at::zeros({effects.numel()}, at::kBool);
  if (k > 0) chosen.index_fill_(0, std::get<1>(effects.topk(k)), true);
  return chosen;
}

int64_t negatives_per_class(int64_t n_positive, int64_t n_classes) {
  require(n_classes > 1, "one against the rest: expected at least two classes, got {}", n_classes);
  return (n_positive + n_classes - 2) / (n_classes - 1);
}

double scr_score(double clean, double biased, double ablated) {
  return clean - biased < 0.001 ? 0 : (ablated - biased) / (clean - biased);
}

int scr_metric_direction(double biased_1, double biased_2) {
  return biased_1 == biased_2 ? 0 : biased_1 < biased_2 ? 1 : 2;
}

TppScore tpp_score(const std::map<std::string, double>& clean,
                   const std::map<std::string, double>& ablated, const std::string& ablated_class) {
  require(clean.count(ablated_class) == 1 && clean.size() == ablated.size() && clean.size() > 1,
          "TPP: expected accuracies of the same classes, {} among them", ablated_class);
  TppScore score;
  for (const auto& [name, accuracy] : clean) {
    const double drop = accuracy - ablated.at(name);
    if (name == ablated_class) {
      score.intended = drop;
    } else {
      score.unintended += drop / static_cast<double>(clean.size() - 1);
    }
  }
  return score;
}

}  // namespace weir
