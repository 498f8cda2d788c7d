#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "apps/cli/interventions_file.h"
#include "apps/cli/prompt_source.h"
#include "weir/base/error.h"
#include "weir/channels/improve.h"
#include "weir/io/atomic_file.h"
#include "weir/io/safetensors.h"
#include "weir/lm/token_batch.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct SteerVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  std::vector<std::string> directions;
  std::string sweep = "box:0.5:200", op = "add", mover, query, save;
  int64_t layer = -1, controls = 3, n_directions = 3;
};

/// "box:R:N": N moves of the box [-R, R]^c; "grid:R:N": N points an axis; "scale:LO:HI:N". R in
/// lengths of the stream.
struct Sweep {
  std::string kind;
  double low = 0, high = 0;
  int64_t n = 0;
};

Sweep parse_sweep(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t colon = std::min(text.find(':', at), text.size());
    parts.push_back(text.substr(at, colon - at));
    at = colon + 1;
  }
  const auto usage = [&] {
    throw UsageError(fmt::format(
        "--sweep: expected box:RADIUS:N, grid:RADIUS:N or scale:LOW:HIGH:N, found '{}'", text));
  };
  const bool is_scale = parts[0] == "scale";
  if ((!is_scale && parts[0] != "box" && parts[0] != "grid") ||
      parts.size() != (is_scale ? 4U : 3U))
    usage();
  Sweep sweep;
  sweep.kind = parts[0];
  try {
    sweep.high = std::stod(parts[is_scale ? 2 : 1]);
    sweep.low = is_scale ? std::stod(parts[1]) : -sweep.high;
    sweep.n = std::stoll(parts.back());
  } catch (const std::exception&) {
    usage();
  }
  require_usage(sweep.n >= 2 && sweep.n <= 100000 && sweep.high > sweep.low,
                fmt::format("--sweep: expected at least 2 points of a range, found '{}'", text));
  return sweep;
}

SubspaceMoves moves_of(const Sweep& sweep, const std::string& op, int64_t n_directions,
                       double length, uint64_t seed) {
  SubspaceMoves moves;
  if (sweep.kind == "box") {
    moves = draw_moves(n_directions, sweep.high * length, sweep.n, seed);
  } else if (sweep.kind == "grid") {
    moves.alpha = at::cat({at::zeros({1, n_directions}, at::kDouble),
                           alpha_grid(n_directions, sweep.high * length, sweep.n)});
  } else {
    moves.scale = at::cat(
        {at::ones({1}, at::kDouble), at::linspace(sweep.low, sweep.high, sweep.n, at::kDouble)});
    moves.alpha = at::zeros({moves.scale.size(0), n_directions}, at::kDouble);
  }
  if (op == "replace") {
    moves.scale = at::zeros({moves.alpha.size(0)}, at::kDouble);
    moves.scale[0] = 1;
  }
  return moves;
}

bool is_file(const SteerVerb& verb) {
  return verb.directions.size() == 1 &&
         verb.directions[0].find(".safetensors") != std::string::npos;
}

Subspace directions_from(const std::string& file, int64_t d_model) {
  const io::TensorMap tensors = read_tensors(file);
  const at::Tensor found = to_tensor(tensors.at("directions")).to(at::kFloat);
  require(found.dim() == 2 && found.size(0) == d_model, "{}: expected directions [{}, c], found {}",
          file, d_model, c10::str(found.sizes()));
  return subspace_of(found);
}

/// The best move for all prompts, as `--intervene` takes it, and the directions beside it.
void save(const SteerVerb& verb, const SteerTaskOptions& options, const TaskSteering& steering) {
  const at::Tensor index = at::tensor({steering.result.chosen.constant}, at::kLong);
  const SubspaceMoves best = options.steering.moves.at(index);
  std::vector<Intervention> edits;
  if (best.scale.defined()) {
    const auto scaled =
        subspace_edit(options.subspace, SubspaceOp::kScale, best.scale[0], options.steering.place);
    edits.insert(edits.end(), scaled.begin(), scaled.end());
  }
  const auto added =
      subspace_edit(options.subspace, SubspaceOp::kAdd, best.alpha[0], options.steering.place);
  edits.insert(edits.end(), added.begin(), added.end());
  save_interventions(std::move(edits), verb.save, {{"directions", options.subspace.directions}},
                     {{"names", fmt::format("{}", fmt::join(options.names, " "))}});
}

ordered_json to_json(const SteeringScore& score) {
  return {{"constant", cli::to_json(score.constant)},
          {"constant_gain", cli::to_json(score.constant_gain)},
          {"dial", cli::to_json(score.dial)},
          {"dial_gain", cli::to_json(score.dial_gain)}};
}

void steer(const SteerVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const Sweep sweep = parse_sweep(verb.sweep);
  std::vector<ComponentId> ids;
  if (!is_file(verb)) {
    for (const std::string& word : verb.directions)
      ids.push_back(component_named(word, "--directions"));
  }
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet all = read_prompts(verb.prompts, lm);
  require_usage(all.size() >= 4, "-n: expected at least 4 prompts, half of which are chosen on");
  const auto [dev, test] = split(all, all.size() / 2);
  SteerTaskOptions options;
  const HeadId mover =
      verb.mover.empty() ? strongest_writer(lm, dev) : head_named(verb.mover, "--mover");
  require_head(lm, mover, "--mover");
  const int64_t layer = verb.layer < 0 ? mover.layer : verb.layer;
  require_usage(
      layer > 0 && layer < lm.config().n_layers,
      fmt::format("--layer: expected 1 to {}, found {}", lm.config().n_layers - 1, layer));
  if (is_file(verb)) {
    options.subspace = directions_from(verb.directions[0], lm.config().d_model);
    options.names = verb.directions;
  } else {
    if (ids.empty()) ids = telling_components(lm, dev, layer / 2, layer, verb.n_directions);
    options.subspace = subspace_of(lm.transformer().weights(), lm.config(), ids);
    for (const ComponentId& id : ids) options.names.push_back(id.name());
  }
  const int64_t c = options.subspace.basis.size(1);
  options.steering.place.layer = layer;
  if (!verb.query.empty()) {
    const HeadId query = head_named(verb.query, "--query-head");
    require_head(lm, query, "--query-head");
    options.steering.place.layer = query.layer;
    options.steering.place.query_head = query.head;
  }
  const double length = median_stream_norm(lm, dev, options.steering.place.layer);
  options.steering.moves = moves_of(sweep, verb.op, c, length, verb.prompts.task.seed);
  options.steering.n_controls = verb.controls;
  options.steering.seed = verb.prompts.task.seed;
  options.radius = sweep.kind == "scale" ? 0.5 * length : sweep.high * length;
  const bool has_items = dev.prompts[0].clean.roles.count("target_first") > 0;
  if (has_items && c <= 3 && lm.config().qk_norm == QkNorm::kNone) options.mover = mover;
  const TaskSteering steering = steer_and_dial(lm, dev, test, options);
  if (!verb.save.empty()) save(verb, options, steering);
  Report report{fmt::format("Steering: {}", all.task),
                provenance(lm, verb.model, seconds_since(start)),
                steering_blocks(steering, options)};
  show(std::move(report), verb.output, steering_json(steering, options));
}

}  // namespace

nlohmann::ordered_json steering_json(const TaskSteering& steering,
                                     const SteerTaskOptions& options) {
  const SteeringResult& r = steering.result;
  ordered_json result = {{"directions", options.names},
                         {"layer", options.steering.place.layer},
                         {"moves", options.steering.moves.size()},
                         {"baseline", cli::to_json(r.baseline)},
                         {"steered", to_json(r.score)},
                         {"alpha", cli::to_json(options.steering.moves.alpha[r.chosen.constant])}};
  if (options.steering.moves.scale.defined())
    result["scale"] = options.steering.moves.scale[r.chosen.constant].item<double>();
  result["alpha_by_place"] = ordered_json::array();
  for (const int64_t i : r.chosen.by_place)
    result["alpha_by_place"].push_back(cli::to_json(options.steering.moves.alpha[i]));
  result["controls"] = ordered_json::array();
  for (const SteeringScore& control : r.controls) result["controls"].push_back(to_json(control));
  if (steering.dial) {
    result["dial"] = {{"agreement", steering.dial->agreement},
                      {"agreement_without_bias", steering.dial->agreement_without_bias},
                      {"attended", steering.dial->attended},
                      {"said", steering.dial->said},
                      {"reached", steering.dial->n_attended}};
  }
  return result;
}

void add_channel_steer(Verb& channels) {
  auto options = std::make_shared<SteerVerb>();
  Verb& verb = channels.verb(
      Heading::kChange,
      {"steer",
       "moves the last position within a subspace and scores a task",
       "Many moves on half of the prompts; the best one, and the best one for each place of a "
       "list, "
       "on the other half, beside random subspaces with the same budget. For lists also the dial: "
       "which item the mover attends to over the box, measured and in closed form.",
       {"weir channels steer smollm2-135m --task laundry-list --variant odd-6 -n 300",
        "weir channels steer smollm2-135m --task ioi --directions 20.0.0 --sweep grid:1:21"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.list("--directions", &options->directions, "L.H.I,...",
            "What these components write, or a .safetensors file with `directions` [d_model, c]; "
            "left out: those that matter most to the task")
      .option("--n-directions", &options->n_directions, "C", "How many, when left out", {1, 8})
      .option("--layer", &options->layer, "L", "The stream entering it is moved (the mover's)", {1})
      .option("--query-head", &options->query, "L.H", "Only what this head's queries read is moved")
      .option("--mover", &options->mover, "L.H",
              "Whose attention the dial shows (the head that writes most for the answers)")
      .option(
          "--sweep", &options->sweep, "KIND:...",
          "box:R:N draws, grid:R:N points an axis, scale:LOW:HIGH:N; R in lengths of the stream")
      .choice("--op", &options->op, {"add", "replace"},
              "Add to what the stream has of the subspace, or replace it")
      .option("--controls", &options->controls, "N", "Random subspaces beside it", {0});
  add_output_file(verb, "--save", &options->save, "F.json", "The best move, for --intervene");
  add_output_options(verb, options->output);
  verb.run([options] { steer(*options); });
}

}  // namespace weir::cli
