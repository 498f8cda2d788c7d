#include "weir/sae/eval/text_removal.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/eval/text_probes.h"

namespace weir {
namespace {

LinearProbe probe_of(const OneAgainstRest& rows, const at::Tensor& x,
                     const RemovalOptions& options) {
  GradientProbeOptions probe = options.probe;
  probe.seed = options.seed;
  return train_probe(x.index_select(0, rows.train), rows.y_train, x.index_select(0, rows.test),
                     rows.y_test, probe)
      .probe;
}

double accuracy(const LinearProbe& probe, const OneAgainstRest& rows, const at::Tensor& x) {
  return score_probe(probe.decision(x.index_select(0, rows.test)), rows.y_test).accuracy;
}

at::Tensor effects_of(const OneAgainstRest& rows, const at::Tensor& latents, const Sae& sae,
                      const LinearProbe& probe, EffectKind kind) {
  const at::Tensor train = latents.index_select(0, rows.train);
  return latent_effects(train.index({rows.y_train == 1}), train.index({rows.y_train == 0}),
                        probe.weight, flat_decoder(sae), kind);
}

std::pair<std::string, std::string> two_values(const std::vector<std::string>& values,
                                               const std::string& what) {
  const std::set<std::string> all(values.begin(), values.end());
  require(all.size() == 2, "SCR: expected a {} of two values, found {}", what, all.size());
  return {*all.begin(), *all.rbegin()};
}

}  // namespace

GradientProbeOptions removal_probe() {
  GradientProbeOptions probe;
  probe.learning_rate = 1e-3;
  probe.batch = 16;
  probe.l1 = 1e-3;
  probe.epochs = 20;
  probe.patience = 20;
  return probe;
}

std::map<int64_t, TppScore> tpp(const LabelledTexts& texts, const Sae& sae, const at::Tensor& x,
                                const at::Tensor& latents, const RemovalOptions& options) {
  const std::vector<std::string> labels = texts.labels();
  std::map<std::string, OneAgainstRest> rows;
  std::map<std::string, LinearProbe> probes;
  std::map<std::string, double> clean;
  for (const std::string& label : labels) {
    rows[label] = one_against_rest(texts, label, options.seed);
    probes[label] = probe_of(rows[label], x, options);
    clean[label] = accuracy(probes[label], rows[label], x);
  }
  std::map<int64_t, TppScore> scores;
  for (const std::string& label : labels) {
    const at::Tensor effects =
        effects_of(rows[label], latents, sae, probes[label], EffectKind::kTpp);
    for (const int64_t n : options.ns) {
      const at::Tensor removed = largest_effects(effects, std::min(n, effects.numel()));
      const at::Tensor left = without_latents(sae, x, latents, removed);
      std::map<std::string, double> ablated;
      for (const std::string& other : labels) {
        ablated[other] = accuracy(probes[other], rows[other], left);
      }
      const TppScore of_label = tpp_score(clean, ablated, label);
      scores[n].intended += of_label.intended / static_cast<double>(labels.size());
      scores[n].unintended += of_label.unintended / static_cast<double>(labels.size());
    }
  }
  return scores;
}

std::map<int64_t, ScrResult> scr(const LabelledTexts& texts, const Sae& sae, const at::Tensor& x,
                                 const at::Tensor& latents, const RemovalOptions& options) {
  require(!texts.attribute.empty(), "SCR: expected texts with an attribute beside the label");
  const auto [label_1, label_2] = two_values(texts.label, "label");
  const auto [value_1, value_2] = two_values(texts.attribute, "attribute");
  std::vector<std::string> both;
  for (size_t i = 0; i < texts.size(); ++i)
    both.push_back(texts.label[i] + "\n" + texts.attribute[i]);
  const OneAgainstRest by_label = one_against_other(texts.label, texts.is_test, label_1, label_2);
  const OneAgainstRest by_value =
      one_against_other(texts.attribute, texts.is_test, value_1, value_2);
  const OneAgainstRest biased =
      one_against_other(both, texts.is_test, label_1 + "\n" + value_1, label_2 + "\n" + value_2);
  require(biased.train.numel() > 1 && biased.test.numel() > 1,
          "SCR: expected texts of {} with {} and of {} with {}", label_1, value_1, label_2,
          value_2);
  const LinearProbe of_label = probe_of(by_label, x, options);
  const LinearProbe of_value = probe_of(by_value, x, options);
  const LinearProbe of_both = probe_of(biased, x, options);
  const double clean_label = accuracy(of_label, by_label, x);
  const double clean_value = accuracy(of_value, by_value, x);
  const double biased_label = accuracy(of_both, by_label, x);
  const double biased_value = accuracy(of_both, by_value, x);
  const at::Tensor label_effects = effects_of(by_label, latents, sae, of_label, EffectKind::kScr);
  const at::Tensor value_effects = effects_of(by_value, latents, sae, of_value, EffectKind::kScr);
  std::map<int64_t, ScrResult> results;
  for (const int64_t n : options.ns) {
    const auto left = [&](const at::Tensor& effects) {
      return without_latents(sae, x, latents,
                             largest_effects(effects, std::min(n, effects.numel())));
    };
    ScrResult& result = results[n];
    result.direction_1 =
        scr_score(clean_value, biased_value, accuracy(of_both, by_value, left(label_effects)));
    result.direction_2 =
        scr_score(clean_label, biased_label, accuracy(of_both, by_label, left(value_effects)));
    const int direction = scr_metric_direction(biased_value, biased_label);
    result.has_metric = direction != 0;
    result.metric = direction == 2 ? result.direction_2 : result.direction_1;
  }
  return results;
}

}  // namespace weir
