#include "weir/channels/demo.h"

#include <chrono>
#include <iterator>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "apps/cli/prompt_source.h"
#include "weir/base/progress.h"
#include "weir/channels/improve.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kDialDirections = 3;
constexpr int64_t kDialMoves = 200;
constexpr double kDialRadius = 0.5;  // Lengths of the stream.

struct DemoVerb {
  ModelOptions model;
  OutputOptions output;
  int64_t n = 100, controls = 20, items = 6, lists = 240;
  uint64_t seed = 0;
  std::string save;
  bool overwrite = false;
};

ordered_json to_json(const std::vector<FoundHead>& heads) {
  ordered_json list = ordered_json::array();
  for (const FoundHead& found : heads) {
    list.push_back({{"head", found.head.name()},
                    {"effect", cli::to_json(found.effect)},
                    {"attention", found.attention}});
  }
  return list;
}

ordered_json result_json(const ChannelDemo& demo) {
  ordered_json result = {{"accuracy", cli::to_json(demo.heads.accuracy)},
                         {"logit_diff", cli::to_json(demo.heads.logit_diff)},
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
                                  {"inhibition_abba", channel.inhibition_abba},
                                  {"inhibition_baba", channel.inhibition_baba},
                                  {"share_of_bias", channel.share},
                                  {"correlation", channel.correlation},
                                  {"p", channel.p},
                                  {"strongest_by_inhibition", channel.strongest}});
  }
  result["edits"] = ordered_json::array();
  for (const EditEffect& edit : demo.edits) {
    result["edits"].push_back({{"head", edit.head.name()},
                               {"components", edit.components},
                               {"logit_diff", cli::to_json(edit.logit_diff)},
                               {"controls_mean", edit.control_mean},
                               {"controls_lowest", edit.control_lowest},
                               {"loss_increase", edit.loss_increase}});
  }
  return result;
}

/// The same channel as a dial over the items of a list, and the model made better at picking one:
/// by moves within the channel's span, and by an edit of weights.
struct ListDemo {
  SteerTaskOptions options;
  TaskSteering steering;
  ImprovedWeights factors, improved;  ///< Steering by factors; an edit
};

ListDemo list_demo(const LanguageModel& lm, const ChannelDemo& found, const DemoVerb& verb) {
  TaskOptions task;
  task.n = verb.lists;
  task.seed = verb.seed;
  task.variant = fmt::format("odd-{}", verb.items);
  const auto [dev, test] = split(read_task("laundry-list", task, lm.tokenizer()), verb.lists / 2);
  ListDemo lists;
  const std::vector<ComponentId> components = channel_components(found, kDialDirections);
  SteerTaskOptions& options = lists.options;
  options.subspace = subspace_of(lm.transformer().weights(), lm.config(), components);
  int64_t last_written = 0;
  for (const ComponentId& id : components) {
    options.names.push_back(id.name());
    last_written = std::max(last_written, id.head.layer);
  }
  if (lm.config().qk_norm == QkNorm::kNone) options.mover = found.channels[0].mover;
  options.steering.place.layer = last_written + 1;
  options.radius = kDialRadius * median_stream_norm(lm, dev, last_written + 1);
  options.steering.moves =
      draw_moves(static_cast<int64_t>(components.size()), options.radius, kDialMoves, verb.seed);
  options.steering.seed = verb.seed;
  lists.steering = steer_and_dial(lm, dev, test, options);
  EditSearchOptions search;
  Progress progress("factors and weights", static_cast<uint64_t>(4 * search.n_steps), "steps");
  search.seen = [&](int64_t, double, double) { progress.advance(); };
  search.last_only = true;
  lists.factors = improve_weights(lm, dev, test, search, 1, verb.seed);
  search.last_only = false;
  lists.improved = improve_weights(lm, dev, test, search, 1, verb.seed);
  return lists;
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
  ordered_json result = result_json(found);
  if (verb.items > 0 && !found.channels.empty()) {
    const ListDemo lists = list_demo(lm, found, verb);
    const auto add = [&](std::vector<Block> blocks) {
      std::move(blocks.begin(), blocks.end(), std::back_inserter(report.blocks));
    };
    add(steering_blocks(lists.steering, lists.options));
    add(improvement_blocks(lists.factors));
    add(improvement_blocks(lists.improved));
    result["list"] = {{"items", verb.items},
                      {"steering", steering_json(lists.steering, lists.options)},
                      {"factors", improvement_json(lists.factors)},
                      {"weights", improvement_json(lists.improved)}};
    if (!verb.save.empty())
      save_scaled(lm, lists.improved.search.scales, verb.save, verb.overwrite);
  }
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_channel_demo(Verb& channels) {
  auto options = std::make_shared<DemoVerb>();
  Verb& verb = channels.verb(
      {"demo",
       "finds the inhibition channel of a model, cuts it, turns it, and mends lists with it",
       "Indirect objects (Wang et al. 2022): which heads move the name, which stop "
       "them from moving the "
       "wrong one, through which component they talk by the weights alone and by "
       "what it does, and what "
       "happens when that component is edited out, beside random ones. Then the "
       "channel as a dial over the items of a list, and the model made better at "
       "picking one: by steering, and by an edit of the weights.",
       {"weir channels demo smollm2-135m --html demo.html --save better"}});
  add_model_options(verb, options->model);
  verb.option("-n", &options->n, "N", "Prompts", {8})
      .option("--controls", &options->controls, "N", "Random components beside each edit", {1})
      .option("--items", &options->items, "N", "Items of the lists; 0: no lists", {0, 20})
      .option("--lists", &options->lists, "N", "Lists, half of which are chosen on", {8})
      .option("--seed", &options->seed, "N", "Of the prompts and controls")
      .flag("--overwrite", &options->overwrite, "Write into a folder that holds files");
  add_output_file(verb, "--save", &options->save, "OUT_DIR",
                  "The model with the edit that helps with lists");
  add_output_options(verb, options->output);
  verb.run([options] { demo(*options); });
}

}  // namespace weir::cli
