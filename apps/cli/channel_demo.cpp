#include <chrono>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channel_verbs.h"
#include "apps/cli/prompt_source.h"
#include "weir/channels/demo.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct DemoVerb {
  ModelOptions model;
  OutputOptions output;
  int64_t n = 100, controls = 20;
  uint64_t seed = 0;
};

ordered_json to_json(const std::vector<FoundHead>& heads) {
  ordered_json list = ordered_json::array();
  for (const FoundHead& found : heads) {
    list.push_back({{"head", found.head.name()},
                    {"effect", interval_json(found.effect)},
                    {"attention", found.attention}});
  }
  return list;
}

ordered_json result_json(const ChannelDemo& demo) {
  ordered_json result = {{"accuracy", interval_json(demo.heads.accuracy)},
                         {"logit_diff", interval_json(demo.heads.logit_diff)},
                         {"movers", to_json(demo.heads.movers)},
                         {"negative_movers", to_json(demo.heads.negative)},
                         {"inhibition", to_json(demo.heads.inhibitors)},
                         {"duplicate_token", to_json(demo.heads.duplicate)},
                         {"previous_token", to_json(demo.heads.previous)},
                         {"induction", to_json(demo.heads.induction)}};
  result["channels"] = ordered_json::array();
  for (const InhibitionChannel& channel : demo.channels) {
    result["channels"].push_back({{"inhibitor", channel.inhibitor.name()},
                                  {"mover", channel.mover.name()},
                                  {"component", channel.component},
                                  {"z", channel.z},
                                  {"inhibition", channel.inhibition},
                                  {"share_of_bias", channel.share},
                                  {"correlation", channel.correlation},
                                  {"p", channel.p},
                                  {"strongest_by_inhibition", channel.strongest}});
  }
  result["edits"] = ordered_json::array();
  for (const EditEffect& edit : demo.edits) {
    result["edits"].push_back({{"head", edit.head.name()},
                               {"components", edit.components},
                               {"logit_diff", interval_json(edit.logit_diff)},
                               {"controls_mean", edit.control_mean},
                               {"controls_lowest", edit.control_lowest},
                               {"loss_increase", edit.loss_increase}});
  }
  return result;
}

void demo(const DemoVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  TaskOptions task;
  task.n = verb.n;
  task.seed = verb.seed;
  task.variant = "one-template";
  task.corruption = "flip";
  const PromptSet set = read_task("ioi", task, lm.tokenizer());
  DemoOptions options;
  options.n_controls = verb.controls;
  options.seed = verb.seed;
  const ChannelDemo found = channel_demo(lm, set, options);
  Report report = demo_report(lm, found);
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result_json(found));
}

}  // namespace

void add_channel_demo(Verb& channels) {
  auto options = std::make_shared<DemoVerb>();
  Verb& verb =
      channels.verb({"demo",
                     "finds the inhibition channel of a model, and proves it by cutting it",
                     "Indirect objects (Wang et al. 2022): which heads move the name, which stop "
                     "them from moving the "
                     "wrong one, through which component they talk by the weights alone and by "
                     "what it does, and what "
                     "happens when that component is edited out, beside random ones.",
                     {"weir channels demo smollm2-135m --html demo.html"}});
  add_model_options(verb, options->model);
  verb.option("-n", &options->n, "N", "Prompts", {8})
      .option("--controls", &options->controls, "N", "Random components beside each edit", {1})
      .option("--seed", &options->seed, "N", "Of the prompts and controls");
  add_output_options(verb, options->output);
  verb.run([options] { demo(*options); });
}

}  // namespace weir::cli
