#include "weir/channels/edit_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/lm/token_batch.h"
#include "weir/tasks/neutral_text.h"

namespace weir {
namespace {

constexpr int64_t kRows = 16;     // Prompts whose graph is kept at once.
constexpr double kShrink = 0.85;  // Of factors that cost too much.

/// Prompts in one rectangle, and the stream that enters the first layer that changes.
struct Rows {
  TokenBatch batch;
  at::Tensor answers;  ///< [N]
  Start start;

  int64_t size() const { return batch.tokens.size(0); }
  Rows at(int64_t first, int64_t count) const {
    const int64_t last = std::min(first + count, size());
    const auto cut = [&](const at::Tensor& x) { return x.defined() ? x.slice(0, first, last) : x; };
    return {{cut(batch.tokens), cut(batch.attention_mask)},
            cut(answers),
            {start.layer, cut(start.residual)}};
  }
};

Rows rows_of(const LanguageModel& lm, const PromptSet& set, int64_t first_layer) {
  const at::NoGradGuard no_grad;
  const std::string name = fmt::format("blocks.{}.hook_resid_pre", first_layer);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {name};
  run.stop_when_cached = true;
  Rows rows{left_pad(set.clean_rows()), set.answers(), {}};
  rows.start = {first_layer, lm.run(rows.batch, run).cache[name]};
  return rows;
}

at::Tensor last_logits(const LanguageModel& lm, const Rows& rows, RunOptions run) {
  run.logits = LogitsAt::kLast;
  run.start = rows.start;
  return lm.run(rows.batch, run).logits.select(1, 0);
}

/// Of each layer's heads, from the first on: what reads component i's coefficient from z, and what
/// puts one of it back (its row times W_O is v_i): [H, K, K], components last and first.
struct Readers {
  std::vector<at::Tensor> coefficient, back;
  std::vector<at::Tensor> bias;  ///< [H, 1, K]: of b_V, which z holds and edits leave alone
};

Readers readers_of(const LanguageModel& lm, int64_t first_layer, const CircuitOptions& circuits) {
  const Weights& weights = lm.transformer().weights();
  Readers readers;
  for (int64_t l = first_layer; l < lm.config().n_layers; ++l) {
    const LayerHeads heads = layer_heads(weights, lm.config(), l, circuits);
    const at::Tensor v = head_components(heads.ov(), SignRule::kRight).right;  // [H, D, K]
    const at::Tensor to_components = at::matmul(heads.W_O, v);                 // [H, K, K]
    readers.coefficient.push_back(to_components.to(at::kFloat));
    readers.bias.push_back(at::matmul(heads.b_V.unsqueeze(1), to_components).to(at::kFloat));
    readers.back.push_back(at::linalg_inv(to_components).to(at::kFloat));
  }
  return readers;
}

/// Adds sums over prompts to the gains and means.
void add_gains(const LanguageModel& lm, const Rows& rows, const Weights* weights,
               const Readers& readers, bool last_only, ComponentGains* sums) {
  RunOptions run;
  run.weights = weights;
  run.logits = LogitsAt::kLast;
  run.start = rows.start;
  run.cache = CacheOptions{};
  run.cache->names = {"*attn.hook_z"};
  run.cache->gradients = true;
  const RunResult out = lm.run(rows.batch, run);
  const at::Tensor logits = out.logits.select(1, 0);
  const at::Tensor log_probs =
      at::log_softmax(logits.to(at::kFloat), -1).gather(1, rows.answers.unsqueeze(1));
  const auto gradients = out.cache.gradients(log_probs.sum());
  for (int64_t l = rows.start.layer; l < lm.config().n_layers; ++l) {
    const std::string name = fmt::format("blocks.{}.attn.hook_z", l);
    const at::Tensor& g = gradients.at(name);
    if (!g.defined()) continue;
    const auto by_head = [&](const at::Tensor& x) {  // [B, T, H, K] -> [H, B T, K]
      const at::Tensor kept = last_only ? x.slice(1, x.size(1) - 1) : x;
      return kept.detach().to(at::kFloat).permute({2, 0, 1, 3}).flatten(1, 2);
    };
    const auto layer = static_cast<size_t>(l - rows.start.layer);
    const at::Tensor coefficients =
        at::matmul(by_head(out.cache[name]), readers.coefficient[layer]) - readers.bias[layer];
    const at::Tensor moved = at::matmul(by_head(g), readers.back[layer].transpose(1, 2));
    sums->gain[l].add_((coefficients * moved).sum(1).to(at::kDouble));
  }
  sums->log_prob += log_probs.sum().item<double>();
  sums->accuracy += (logits.argmax(-1) == rows.answers).sum().item<double>();
}

ComponentGains gains_of(const LanguageModel& lm, const Rows& rows, const Weights* weights,
                        const Readers& readers, bool last_only) {
  const ModelConfig& config = lm.config();
  ComponentGains found;
  found.gain = at::zeros({config.n_layers, config.n_heads, config.d_head}, at::kDouble);
  for (int64_t first = 0; first < rows.size(); first += kRows) {
    throw_if_interrupted();
    add_gains(lm, rows.at(first, kRows), weights, readers, last_only, &found);
  }
  const auto n = static_cast<double>(rows.size());
  found.gain /= n;
  found.log_prob /= n;
  found.accuracy /= n;
  return found;
}

double accuracy_of(const LanguageModel& lm, const Rows& rows, const Weights* weights) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.weights = weights;
  return (last_logits(lm, rows, run).argmax(-1) == rows.answers)
      .to(at::kDouble)
      .mean()
      .item<double>();
}

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

}  // namespace

ComponentGains component_gains(const LanguageModel& lm, const PromptSet& set,
                               const Weights* weights, bool last_only, int64_t first_layer,
                               const CircuitOptions& circuits) {
  return gains_of(lm, rows_of(lm, set, first_layer), weights, readers_of(lm, first_layer, circuits),
                  last_only);
}

at::Tensor is_right(const LanguageModel& lm, const PromptSet& set, const Weights* weights) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.weights = weights;
  run.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run(left_pad(set.clean_rows()), run).logits.select(1, 0);
  return (logits.argmax(-1) == set.answers()).to(at::kDouble);
}

double neutral_loss(const LanguageModel& lm, const Weights* weights) {
  RunOptions run;
  run.weights = weights;
  return -lm.token_log_probs(lm.encode(default_neutral_text()), run).mean().item<double>();
}

EditSearch search_edit(const LanguageModel& lm, const PromptSet& dev,
                       const EditSearchOptions& options) {
  const Weights& own = lm.transformer().weights();
  const int64_t first_layer =
      options.first_layer < 0 ? lm.config().n_layers / 2 : options.first_layer;
  for (const ComponentId& id : options.candidates) {
    require(id.head.layer >= first_layer, "edit search: component {} lies below layer {}",
            id.name(), first_layer);
  }
  const Rows rows = rows_of(lm, dev, first_layer);
  const Readers readers = readers_of(lm, first_layer, options.circuits);
  const auto loss = [&](const Weights* weights) {
    return options.loss ? options.loss(weights) : neutral_loss(lm, weights);
  };
  const double clean_loss = loss(nullptr);
  const auto edited_by = [&](const std::vector<ComponentScale>& scales) {
    return scale_components(own, lm.config(), scales, options.circuits);
  };
  EditSearch best{{}, accuracy_of(lm, rows, nullptr), 0};
  Ascent ascent(
      choose_components(gains_of(lm, rows, nullptr, readers, false).gain, first_layer, options),
      options);
  Weights edited = own;
  for (int64_t step = 0; step < options.n_steps; ++step) {
    const int64_t first = step * options.n_prompts % rows.size();
    const Rows some = rows.at(first, options.n_prompts);
    ascent.step(gains_of(lm, some, &edited, readers, false).gain);
    edited = edited_by(ascent.scales());
    double increase = loss(&edited) / clean_loss - 1;
    while (increase > options.most_loss_increase) {
      ascent.shrink(kShrink);
      edited = edited_by(ascent.scales());
      increase = loss(&edited) / clean_loss - 1;
    }
    const double accuracy = accuracy_of(lm, rows, &edited);
    if (accuracy > best.accuracy) best = {ascent.scales(), accuracy, increase};
    options.seen(step, accuracy, increase);
  }
  return best;
}

}  // namespace weir
