#include "weir/channels/edit_search.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/tasks/neutral_text.h"

namespace weir {
namespace {

constexpr double kShrink = 0.85;  // Of factors that cost too much.

/// The components of the largest gains among the candidates.
std::vector<ComponentId> choose_components(const at::Tensor& gain, int64_t first_layer,
                                           const EditSearchOptions& options) {
  std::vector<ComponentId> all = options.candidates;
  if (all.empty()) {
    for (int64_t i = 0; i < gain.numel(); ++i) {
      const int64_t k = gain.size(2), h = gain.size(1), layer = i / (h * k);
      if (layer >= first_layer) all.push_back({{layer, i / k % h}, i % k});
    }
  }
  const auto size_of = [&](const ComponentId& id) {
    return std::abs(gain[id.head.layer][id.head.head][id.component].item<double>());
  };
  std::vector<std::pair<double, size_t>> sized;
  for (size_t i = 0; i < all.size(); ++i) sized.emplace_back(-size_of(all[i]), i);
  std::stable_sort(sized.begin(), sized.end());
  std::vector<ComponentId> chosen;
  for (const auto& [size, i] : sized) {
    if (static_cast<int64_t>(chosen.size()) == options.n_components) break;
    chosen.push_back(all[i]);
  }
  return chosen;
}

/// Adam's steps on the factors, upwards.
class Ascent {
 public:
  Ascent(const std::vector<ComponentId>& components, const EditSearchOptions& options)
      : options_(options), first_(components.size(), 0), second_(components.size(), 0) {
    for (const ComponentId& id : components) scales_.push_back({id, 1});
  }
  const std::vector<ComponentScale>& scales() const { return scales_; }
  /// Towards 1.
  void shrink(double factor) {
    for (ComponentScale& one : scales_) one.scale = away_from_zero(1 + factor * (one.scale - 1));
  }

  /// `gain`: derivatives by the logarithms of the factors' sizes, which is what z of the edited
  /// weights gives.
  void step(const at::Tensor& gain) {
    ++count_;
    const double rate = options_.rate * (1 - static_cast<double>(count_ - 1) /
                                                 static_cast<double>(options_.n_steps));
    for (size_t i = 0; i < scales_.size(); ++i) {
      const ComponentId& id = scales_[i].component;
      const double g = gain[id.head.layer][id.head.head][id.component].item<double>() /
                       away_from_zero(scales_[i].scale);
      first_[i] = kFirst * first_[i] + (1 - kFirst) * g;
      second_[i] = kSecond * second_[i] + (1 - kSecond) * g * g;
      const double mean = first_[i] / (1 - std::pow(kFirst, count_)),
                   size = std::sqrt(second_[i] / (1 - std::pow(kSecond, count_)));
      scales_[i].scale = away_from_zero(std::clamp(scales_[i].scale + rate * mean / (size + 1e-12),
                                                   options_.least, options_.most));
    }
  }

 private:
  /// At 0 the edited weights no longer say what the component would do.
  static double away_from_zero(double scale) {
    return std::abs(scale) >= kSmallest ? scale : scale < 0 ? -kSmallest : kSmallest;
  }
  static constexpr double kSmallest = 0.02;
  static constexpr double kFirst = 0.7, kSecond = 0.9;
  const EditSearchOptions& options_;
  std::vector<ComponentScale> scales_;
  std::vector<double> first_, second_;
  int count_ = 0;
};

/// The model under factors that change from step to step.
class Scaled {
 public:
  Scaled(const LanguageModel& lm, const std::vector<ComponentScale>& scales,
         const EditSearchOptions& options)
      : lm_(lm), options_(options) {
    if (options.last_only) {
      change_.interventions =
          steer_components(lm.transformer().weights(), lm.config(), scales, options.circuits);
    } else {
      set(scales);
    }
  }
  Scaled(const Scaled&) = delete;
  Scaled& operator=(const Scaled&) = delete;

  const Change& change() const { return change_; }
  void set(const std::vector<ComponentScale>& scales) {
    if (options_.last_only) {
      for (size_t i = 0; i < scales.size(); ++i) change_.interventions[i].factor = scales[i].scale;
      return;
    }
    weights_ =
        scale_components(lm_.transformer().weights(), lm_.config(), scales, options_.circuits);
    change_.weights = &*weights_;
  }

 private:
  const LanguageModel& lm_;
  const EditSearchOptions& options_;
  std::optional<Weights> weights_;
  Change change_;
};

}  // namespace

double neutral_loss(const LanguageModel& lm, const Weights* weights) {
  RunOptions run;
  run.weights = weights;
  return -lm.token_log_probs(lm.encode(default_neutral_text()), run).mean().item<double>();
}

EditSearch search_edit(const LanguageModel& lm, const PromptSet& dev,
                       const EditSearchOptions& options) {
  const int64_t first_layer =
      options.first_layer < 0 ? lm.config().n_layers / 2 : options.first_layer;
  for (const ComponentId& id : options.candidates) {
    require(id.head.layer >= first_layer, "edit search: component {} lies below layer {}",
            id.name(), first_layer);
  }
  const GainRows rows(lm, dev, first_layer, options.circuits);
  const auto loss = [&](const Weights* weights) {
    return options.loss ? options.loss(weights) : neutral_loss(lm, weights);
  };
  const double clean_loss = options.last_only ? 0 : loss(nullptr);
  EditSearch best{{}, rows.accuracy({}), 0};
  Ascent ascent(choose_components(rows.gains({}, options.last_only).gain, first_layer, options),
                options);
  Scaled scaled(lm, ascent.scales(), options);
  const auto loss_increase = [&] {
    return options.last_only ? 0 : loss(scaled.change().weights) / clean_loss - 1;
  };
  for (int64_t step = 0; step < options.n_steps; ++step) {
    const int64_t first = step * options.n_prompts % rows.size();
    ascent.step(rows.gains(scaled.change(), options.last_only, first, options.n_prompts).gain);
    scaled.set(ascent.scales());
    double increase = loss_increase();
    while (increase > options.most_loss_increase) {
      ascent.shrink(kShrink);
      scaled.set(ascent.scales());
      increase = loss_increase();
    }
    const double accuracy = rows.accuracy(scaled.change());
    if (accuracy > best.accuracy) best = {ascent.scales(), accuracy, increase};
    options.seen(step, accuracy, increase);
  }
  return best;
}

}  // namespace weir
