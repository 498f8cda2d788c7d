#pragma once

#include <string>
#include <vector>

#include "weir/channels/channels.h"
#include "weir/channels/find_heads.h"
#include "weir/channels/inhibition.h"
#include "weir/channels/subspace.h"

/// From a task to a channel and its proof (2406.09519, on indirect objects).
namespace weir {

struct DemoOptions {
  int64_t n_controls = 20;
  int64_t n_inhibitors = 2, n_movers = 3;  ///< Strongest ones that are looked at
  uint64_t seed = 0;
  CircuitOptions circuits;
};

/// What the weights say of one inhibition head and one mover, and what its components do.
struct InhibitionChannel {
  HeadId inhibitor, mover;
  int64_t component = 0;             ///< Of the largest z into the mover's queries
  double z = 0;                      ///< Its z
  int64_t strongest = 0;             ///< The component with the largest inhibition score
  std::vector<double> composition;   ///< [K] CS_i
  std::vector<double> inhibitions;   ///< [K] by path, before the softmax (scores)
  double inhibition = 0, share = 0;  ///< Of `component`; share of the mover's clean bias
  double inhibition_abba = 0, inhibition_baba = 0;  ///< The same, by the order of the names
  double correlation = 0, p = 1;  ///< Spearman over components, permutation p-value
};

/// A weight edit that removes components of an inhibition head.
struct EditEffect {
  HeadId head;
  std::vector<int64_t> components;
  MeanInterval logit_diff;                      ///< Change
  double control_mean = 0, control_lowest = 0;  ///< Of as many random other components
  double loss_increase = 0;                     ///< On neutral text, share
};

struct ChannelDemo {
  IoiHeads heads;
  std::vector<InhibitionChannel> channels;
  std::vector<EditEffect> edits;
};
ChannelDemo channel_demo(const LanguageModel& lm, const PromptSet& set, const DemoOptions& options);

/// The components through which the found heads talk, most surprising first, then those that
/// inhibit most: at most `most`.
std::vector<ComponentId> channel_components(const ChannelDemo& demo, size_t most);

Report demo_report(const LanguageModel& lm, const ChannelDemo& demo);

}  // namespace weir
