#include "weir/channels/demo.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/draw.h"
#include "weir/channels/edit_search.h"
#include "weir/lm/token_batch.h"
#include "weir/patch/grids.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/rank_correlation.h"

namespace weir {
namespace {

constexpr int kPermutations = 2000;

NamePositions names_of(const PromptSet& set) {
  NamePositions names{
      set.positions("io_first"), set.positions("s1_first"), set.positions("s2_first"), {}};
  names.order = (names.s1 > names.io).to(at::kLong);
  return names;
}

/// From the layer of `start` on; below it the weights are the model's own.
at::Tensor logit_diffs(const LanguageModel& lm, const PromptSet& set, const Weights* weights,
                       const std::optional<Start>& start = {}) {
  RunOptions run;
  run.weights = weights;
  run.start = start;
  run.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run(left_pad(set.clean_rows()), run).logits.select(1, 0);
  return (logits.gather(1, set.answers().unsqueeze(1)) -
          logits.gather(1, set.wrongs().unsqueeze(1)))
      .squeeze(1);
}

/// How often a shuffled pairing correlates at least as much.
double permutation_p(const at::Tensor& a, const at::Tensor& b, double found, uint64_t seed) {
  Draw draw(seed);
  std::vector<int64_t> order(static_cast<size_t>(b.numel()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  int at_least = 0;
  for (int r = 0; r < kPermutations; ++r) {
    draw.shuffle(order);
    if (spearman(a, b.index_select(0, at::tensor(order, at::kLong))) >= found) ++at_least;
  }
  return (1.0 + at_least) / (1.0 + kPermutations);
}

InhibitionChannel channel_between(const LanguageModel& lm, const TokenBatch& batch,
                                  const NamePositions& names, const ChannelTable& table,
                                  const HeadId& inhibitor, const HeadId& mover,
                                  const DemoOptions& options) {
  InhibitionChannel channel;
  channel.inhibitor = inhibitor;
  channel.mover = mover;
  const auto of_pair = [&](const at::Tensor& of_all) {  // [K]
    return of_all[inhibitor.layer][inhibitor.head].select(1, mover.layer).select(1, mover.head);
  };
  const at::Tensor z = of_pair(table.z.z), composition = of_pair(table.scores.writer);
  channel.component = z.argmax().item<int64_t>();
  channel.z = z[channel.component].item<double>();
  channel.composition = to_doubles(composition);
  InhibitionOptions inhibit;
  inhibit.mover = mover;
  inhibit.inhibitors = {inhibitor};
  inhibit.circuits = options.circuits;
  const Inhibition found = inhibition(lm, batch, names, InhibitionVariant::kPath, inhibit);
  for (const MoverBias& bias : found.by_scores) channel.inhibitions.push_back(bias.all);
  const at::Tensor scores = at::tensor(channel.inhibitions, at::kDouble);
  channel.strongest = scores.argmax().item<int64_t>();
  channel.inhibition = channel.inhibitions[static_cast<size_t>(channel.component)];
  const MoverBias& of_component = found.by_scores[static_cast<size_t>(channel.component)];
  channel.inhibition_abba = of_component.order1;
  channel.inhibition_baba = of_component.order0;
  channel.share = channel.inhibition / mover_bias(found.clean.scores, names).all;
  channel.correlation = spearman(composition, scores.abs());
  channel.p = permutation_p(composition, scores.abs(), channel.correlation, options.seed);
  return channel;
}

/// Components removed from one head, beside as many random other ones.
EditEffect cut(const LanguageModel& lm, const PromptSet& set, const at::Tensor& clean,
               const HeadId& head, const std::vector<int64_t>& components,
               const DemoOptions& options) {
  const Weights& weights = lm.transformer().weights();
  const auto edited = [&](const std::vector<int64_t>& chosen) {
    ComponentEdit edit;
    edit.head = head;
    edit.components = chosen;
    return edit_components(weights, lm.config(), edit, options.circuits);
  };
  RunOptions keep;
  keep.cache = CacheOptions{};
  keep.cache->names = {"blocks." + std::to_string(head.layer) + ".hook_resid_pre"};
  keep.stop_when_cached = true;
  const Start start{head.layer,
                    lm.run(left_pad(set.clean_rows()), keep).cache[keep.cache->names[0]]};
  EditEffect effect;
  effect.head = head;
  effect.components = components;
  const Weights without = edited(components);
  effect.logit_diff = bootstrap_mean(to_doubles(logit_diffs(lm, set, &without, start) - clean));
  effect.loss_increase = neutral_loss(lm, &without) / neutral_loss(lm, nullptr) - 1;
  std::vector<int64_t> others;
  for (int64_t i = 0; i < lm.config().d_head; ++i) {
    if (std::find(components.begin(), components.end(), i) == components.end()) others.push_back(i);
  }
  Draw draw(options.seed + 1);
  for (int64_t r = 0; r < options.n_controls; ++r) {
    const Weights control = edited(draw.pick(others, components.size()));
    const double change = (logit_diffs(lm, set, &control, start) - clean).mean().item<double>();
    effect.control_mean += change / static_cast<double>(options.n_controls);
    effect.control_lowest = r == 0 ? change : std::min(effect.control_lowest, change);
  }
  return effect;
}

}  // namespace

ChannelDemo channel_demo(const LanguageModel& lm, const PromptSet& set,
                         const DemoOptions& options) {
  const at::NoGradGuard no_grad;
  ChannelDemo demo;
  demo.heads = find_ioi_heads(lm, set, options.seed);
  ChannelOptions of_channels;
  of_channels.circuits = options.circuits;
  const Channels channels = find_channels(lm, of_channels);
  const TokenBatch batch = left_pad(set.clean_rows());
  const NamePositions names = names_of(set);
  const at::Tensor clean = logit_diffs(lm, set, nullptr);
  const auto first = [](const std::vector<FoundHead>& heads, int64_t n) {
    return std::vector<FoundHead>(
        heads.begin(), heads.begin() + std::min<int64_t>(n, static_cast<int64_t>(heads.size())));
  };
  for (const FoundHead& inhibitor : first(demo.heads.inhibitors, options.n_inhibitors)) {
    std::vector<int64_t> components;
    for (const FoundHead& mover : first(demo.heads.movers, options.n_movers)) {
      if (inhibitor.head.layer >= mover.head.layer) continue;
      const InhibitionChannel channel = channel_between(lm, batch, names, channels.tables[0],
                                                        inhibitor.head, mover.head, options);
      const bool is_new =
          std::find(components.begin(), components.end(), channel.component) == components.end();
      if (is_new) components.push_back(channel.component);
      demo.channels.push_back(channel);
    }
    if (components.empty()) continue;
    demo.edits.push_back(cut(lm, set, clean, inhibitor.head, components, options));
  }
  return demo;
}

std::vector<ComponentId> channel_components(const ChannelDemo& demo, size_t most) {
  std::vector<InhibitionChannel> channels = demo.channels;
  std::stable_sort(channels.begin(), channels.end(),
                   [](const auto& a, const auto& b) { return a.z > b.z; });
  std::vector<ComponentId> found;
  const auto add = [&](const HeadId& head, int64_t component) {
    const auto is_same = [&](const ComponentId& id) {
      return id.head == head && id.component == component;
    };
    if (found.size() < most && std::none_of(found.begin(), found.end(), is_same))
      found.push_back({head, component});
  };
  for (const InhibitionChannel& channel : channels) add(channel.inhibitor, channel.component);
  for (const InhibitionChannel& channel : channels) add(channel.inhibitor, channel.strongest);
  return found;
}

}  // namespace weir
