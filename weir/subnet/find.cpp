#include "weir/subnet/find.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/subnet/rules.h"

namespace weir {
namespace {

using nlohmann::ordered_json;

constexpr const char *kState = "training.safetensors", *kMask = "mask.safetensors",
                     *kMetrics = "metrics.jsonl", *kDone = "done.json";

ordered_json line_of(const MaskTrainer::Step& step) {
  return {{"step", step.step},
          {"beta", step.beta},
          {"loss", step.loss.total},
          {"ce", step.loss.cross_entropy},
          {"kl", step.loss.kl},
          {"l1_mean", step.loss.penalty},
          {"below_0_1", step.decided.below},
          {"above_0_9", step.decided.above},
          {"undecided", step.decided.undecided}};
}

MaskTrainer::Step step_of(const nlohmann::json& line) {
  MaskTrainer::Step step;
  step.step = line.at("step");
  step.beta = line.at("beta");
  step.loss = {line.at("ce"), line.at("kl"), line.at("l1_mean"), line.at("loss")};
  step.decided = {line.at("below_0_1"), line.at("above_0_9"), line.at("undecided")};
  return step;
}

/// The steps of a metrics file up to one.
std::vector<MaskTrainer::Step> read_log(const std::filesystem::path& file, int64_t last) {
  std::vector<MaskTrainer::Step> log;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) break;  // The line that a crash cut.
    if (json.at("step").get<int64_t>() > last) break;
    log.push_back(step_of(json));
  }
  return log;
}

void write_log(const std::filesystem::path& file, const std::vector<MaskTrainer::Step>& log) {
  std::string text;
  for (const MaskTrainer::Step& step : log) text += io::dump_json(line_of(step)) + "\n";
  io::write_file(file, text);
}

bool is_stable_log(const std::vector<MaskTrainer::Step>& log) {
  std::vector<double> losses;
  for (const MaskTrainer::Step& step : log) losses.push_back(step.loss.cross_entropy);
  return is_stable(losses);
}

/// What is kept without any training, if the options say so.
std::optional<Subnetwork> untrained(const MaskSpace& space, const FindOptions& options) {
  if (options.method == "largest") return largest_weights(space, options.share);
  if (options.method == "random") {
    return random_subnetwork(space, options.share, options.training.seed);
  }
  const double lambda = options.training.lambda;
  if (std::isinf(lambda)) return full_subnetwork(space, lambda < 0);
  return std::nullopt;
}

/// One attempt; false if it has to be made again.
void attempt(const LanguageModel& lm, const MaskSpace& space, const TokenTarget& target,
             const Corpus& corpus, const FindOptions& options, const std::filesystem::path& folder,
             bool resume, FoundSubnetwork* found) {
  MaskTraining training = options.training;
  training.seed += static_cast<uint64_t>(found->attempt - 1);
  MaskTrainer trainer(lm.transformer(), space, target, mask_method_of(options.method), training);
  const std::filesystem::path state = folder.empty() ? folder : folder / kState;
  found->log.clear();
  if (resume && std::filesystem::exists(state)) {
    trainer.resume(state);
    found->log = read_log(folder / kMetrics, trainer.steps_done());
  }
  std::ofstream metrics;
  if (!folder.empty()) {
    write_log(folder / kMetrics, found->log);
    metrics.open(folder / kMetrics, std::ios::app);
  }
  found->stopped = train_masks(
      trainer, [&](int64_t i) { return corpus.batch(i, options.batch, training.seed); },
      [&](const MaskTrainer::Step& step) {
        found->log.push_back(step);
        if (metrics.is_open()) metrics << io::dump_json(line_of(step)) << "\n" << std::flush;
      },
      state, options.save_every);
  found->stable = is_stable_log(found->log);
  found->mask = trainer.subnetwork();
}

void save(const FoundSubnetwork& found, const LanguageModel& lm, const FindOptions& options,
          const std::filesystem::path& folder) {
  save_subnetwork(found.mask, folder / kMask,
                  {{"model", lm.source().path.string()},
                   {"target", found.target},
                   {"lambda", fmt::format("{:g}", found.lambda)},
                   {"method", options.method},
                   {"steps", std::to_string(found.log.size())},
                   {"surprisal_pearson", fmt::format("{:.6f}", found.held_out.dropped.pearson)}});
  const ordered_json done = {{"attempt", found.attempt},
                             {"stopped", found.stopped},
                             {"stable", found.stable},
                             {"steps", found.log.size()}};
  io::write_file(folder / kDone, io::dump_json(done) + "\n");
  std::error_code ignored;
  std::filesystem::remove(folder / kState, ignored);
}

}  // namespace

FoundSubnetwork find_subnetwork(const LanguageModel& lm, const MaskSpace& space,
                                const TokenTarget& target, const std::string& target_name,
                                const Corpus& corpus, const at::Tensor& held_out,
                                const FindOptions& options, const std::filesystem::path& folder,
                                bool resume) {
  require(options.batch >= 1 && options.attempts >= 1,
          "subnetworks: expected at least one row a batch and one attempt, got {} and {}",
          options.batch, options.attempts);
  FoundSubnetwork found;
  found.target = target_name;
  found.lambda = options.training.lambda;
  if (!folder.empty()) std::filesystem::create_directories(folder);
  const auto evaluated = [&] {
    return evaluate(lm.transformer(), applied(space, found.mask), held_out, target,
                    options.evaluation);
  };
  if (resume && !folder.empty() && std::filesystem::exists(folder / kDone)) {
    const auto done = io::read_json(folder / kDone);
    found.attempt = io::get_int(done, "attempt", 1, 1'000'000);
    found.stopped = io::get_bool(done, "stopped");
    found.stable = io::get_bool(done, "stable");
    found.log = read_log(folder / kMetrics, io::get_int(done, "steps", 0, 1'000'000'000));
    found.mask = load_subnetwork(folder / kMask, lm.source());
    found.held_out = evaluated();
    return found;
  }
  if (auto mask = untrained(space, options)) {
    found.mask = *std::move(mask);
  } else {
    // A state that was left belongs to the attempt whose settings it names.
    bool goes_on = resume && !folder.empty() && std::filesystem::exists(folder / kState);
    for (; found.attempt <= options.attempts; ++found.attempt) {
      try {
        attempt(lm, space, target, corpus, options, folder, goes_on, &found);
      } catch (const Error& error) {
        const bool is_other = goes_on && error.code() == ErrorCode::kInvalidArgument &&
                              found.attempt < options.attempts;
        if (!is_other) throw;
        continue;
      }
      goes_on = false;
      if (found.stable || found.attempt == options.attempts) break;
    }
  }
  found.held_out = evaluated();
  if (!folder.empty()) save(found, lm, options, folder);
  return found;
}

MaskTraining squeezed(const MaskTraining& paper, int64_t steps) {
  MaskTraining result = paper;
  const double factor = static_cast<double>(paper.max_steps) / static_cast<double>(steps);
  result.max_steps = steps;
  result.learning_rate *= factor;
  result.growth = std::pow(paper.growth, factor);
  return result;
}

}  // namespace weir
