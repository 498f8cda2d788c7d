#include <chrono>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/rl/rl_verbs.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/json.h"
#include "weir/rl/evaluation.h"
#include "weir/rl/question.h"
#include "weir/rl/rollout.h"

namespace weir::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct EvalVerb {
  ModelOptions model;
  OutputOptions output;
  std::string task = "addition", train_file, test_file, format = "raw", verifier, against;
  std::vector<std::string> k = {"1", "4", "8", "16"};
  int64_t level = 1, problems = 64, n = 16, max_new = 16, rows = 64;
  double temperature = 1;
  uint64_t seed = 0;
};

rl::Task task_of(const EvalVerb& verb) {
  json tree = {{"task", {{"kind", verb.task}, {"level", verb.level}, {"format", verb.format}}}};
  if (!verb.train_file.empty()) tree["task"]["train"] = verb.train_file;
  if (!verb.test_file.empty() && verb.train_file.empty()) {
    tree["task"]["train"] = verb.test_file;
    tree["task"]["test_share"] = 1.0;  // All of it.
  } else if (!verb.test_file.empty()) {
    tree["task"]["test"] = verb.test_file;
  }
  if (!verb.verifier.empty()) tree["verifier"] = io::parse_json(verb.verifier, "--verifier");
  Recipe recipe(tree, std::filesystem::current_path(), "command line");
  return rl::read_task(recipe);
}

struct Judged {
  std::vector<rl::JudgedProblem> problems;
  double greedy = 0, tokens_per_second = 0, length = 0;
};

Judged judge(const EvalVerb& verb, const LanguageModel& lm, const rl::Task& task,
             const std::vector<rl::Problem>& problems) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<int64_t>> prompts;
  for (const rl::Problem& problem : problems) {
    prompts.push_back(rl::prompt_of(task, problem, lm.tokenizer()));
  }
  const auto ends = rl::end_tokens_of(lm.config(), &lm.tokenizer());
  const auto answers_of = [&](const rl::RolloutOptions& options, rl::RolloutTimes* times) {
    return rl::roll_out(lm.transformer(), lm.transformer().weights(), &lm.tokenizer(), ends,
                        prompts, options, times);
  };
  const auto judgements = [&](const std::vector<rl::Rollout>& answers) {
    std::vector<rl::Completion> completions;
    for (const rl::Rollout& of : answers) {
      const rl::Problem& problem = problems[static_cast<size_t>(of.prompt)];
      completions.push_back({problem.spoken, of.text, problem.gold});
    }
    return task.verifier->judge(completions);
  };
  rl::RolloutOptions options;
  options.n = verb.n;
  options.max_new = verb.max_new;
  options.most_rows = std::max(verb.rows, verb.n);
  options.stop = task.stop;
  options.sampling.temperature = verb.temperature;
  options.sampling.seed = verb.seed;
  rl::RolloutTimes times;
  const std::vector<rl::Rollout> sampled = answers_of(options, &times);
  Judged result;
  result.problems.resize(problems.size());
  const auto said = judgements(sampled);
  for (size_t i = 0; i < said.size(); ++i) {
    rl::JudgedProblem& of = result.problems[static_cast<size_t>(sampled[i].prompt)];
    of.scores.push_back(said[i].score.value_or(0));
    of.answers.push_back(said[i].read);
    result.length +=
        static_cast<double>(sampled[i].tokens.size()) / static_cast<double>(said.size());
  }
  result.tokens_per_second = static_cast<double>(times.tokens) / std::max(times.seconds, 1e-9);
  options.n = 1;
  options.sampling.greedy = true;
  for (const rl::Judgement& judgement : judgements(answers_of(options, nullptr))) {
    result.greedy += judgement.score.value_or(0) / static_cast<double>(problems.size());
  }
  return result;
}

ordered_json result_json(const Judged& judged, const rl::EvaluationResult& result) {
  ordered_json document = {{"average", to_json(result.average)},
                           {"greedy", judged.greedy},
                           {"mean_length", judged.length},
                           {"tokens_per_second", judged.tokens_per_second}};
  for (size_t i = 0; i < result.k.size(); ++i) {
    const std::string k = std::to_string(result.k[i]);
    document["pass_at_k"][k] = to_json(result.pass[i]);
    document["majority_at_k"][k] = to_json(result.vote[i]);
  }
  return document;
}

void eval(const EvalVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<int64_t> ks;
  for (const std::string& word : verb.k) {
    const bool is_number = !word.empty() &&
                           word.find_first_not_of("0123456789") == std::string::npos &&
                           word.size() < 7;
    require_usage(is_number && std::stoll(word) > 0,
                  fmt::format("--k: expected numbers above 0, found '{}'", word));
    ks.push_back(std::stoll(word));
  }
  const rl::Task task = task_of(verb);
  const std::vector<rl::Problem> problems = task.problems->test(verb.problems);
  std::vector<std::string> names = {verb.model.model};
  std::vector<Judged> judged;
  std::vector<rl::EvaluationResult> results;
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  judged.push_back(judge(verb, lm, task, problems));
  if (!verb.against.empty()) {
    ModelOptions other = verb.model;
    other.model = verb.against;
    names.push_back(verb.against);
    judged.push_back(judge(verb, load(other), task, problems));
  }
  for (const Judged& of : judged) results.push_back(rl::evaluate(of.problems, ks));
  Report report{"Evaluation: " + task.name, {}, rl::evaluation_blocks(names, results)};
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.seed);
  ordered_json document = {{"task", task.name}, {"problems", problems.size()}, {"n", verb.n}};
  document.update(result_json(judged[0], results[0]));
  if (judged.size() > 1) {
    const rl::PairedComparison paired =
        rl::compare(judged[0].problems, judged[1].problems, results[0].k);
    document["against"] = result_json(judged[1], results[1]);
    document["against"]["model"] = verb.against;
    document["difference"] = {{"average", to_json(paired.average)}, {"p", paired.p}};
    for (size_t i = 0; i < paired.pass.size(); ++i) {
      document["difference"]["pass_at_k"][std::to_string(results[0].k[i])] =
          to_json(paired.pass[i]);
    }
    TableBlock table{"Difference, problem by problem",
                     {"measure", names[1] + " minus " + names[0]},
                     {{std::string("mean score"), change_text(paired.average, 3)},
                      {std::string("p (random signs)"), paired.p}},
                     paired.is_real() ? "The interval does not hold 0." : "The interval holds 0."};
    report.blocks.emplace_back(std::move(table));
  }
  show_document(report, verb.output, document);
}

}  // namespace

void add_rl_eval(Verb& rl) {
  auto options = std::make_shared<EvalVerb>();
  Verb& verb = rl.verb(
      {"eval",
       "measures how many test problems of a task a model solves",
       "Avg@n, unbiased Pass@k and the majority of k, with intervals over problems; --against "
       "compares with another model on the same problems. --json prints {task, problems, n, "
       "average, pass_at_k, majority_at_k, greedy, difference, ...}.",
       {"weir rl eval smollm2-135m --task addition --n 16 --k 1,4,8,16",
        "weir rl eval smollm2-135m --task addition --against arith/checkpoints/step-00000060"}});
  add_model_options(verb, options->model);
  verb.option("--task", &options->task, "T",
              "addition, comparison, copying, counting, largest, picking, reversing, sorting, "
              "gsm8k or math")
      .option("--level", &options->level, "L", "Of made tasks: digits, or length", {1, 9})
      .option("--train-file", &options->train_file, "F", "Of gsm8k and math, with --test-file")
      .option("--test-file", &options->test_file, "F", "Test problems of gsm8k and math")
      .choice("--format", &options->format, {"raw", "chat"}, "How problems are asked")
      .option("--verifier", &options->verifier, "JSON", "Other than the task's own")
      .option("--problems", &options->problems, "N", "Test problems, at most", {1})
      .option("--n", &options->n, "N", "Answers to each", {1})
      .list("--k", &options->k, "K,...", "Of Pass@k and of majorities; those above n are left out")
      .option("--max-new", &options->max_new, "N", "Tokens of an answer", {1})
      .option("--temperature", &options->temperature, "T", "Of sampling", {0, 100, true})
      .option("--rows", &options->rows, "B", "Answers at once", {1})
      .option("--seed", &options->seed, "S", "Of sampling")
      .option("--against", &options->against, "MODEL", "Compare with this model");
  add_output_options(verb, options->output);
  verb.run([options] { eval(*options); });
}

}  // namespace weir::cli
