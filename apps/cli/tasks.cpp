#include <algorithm>
#include <chrono>
#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/score_tables.h"
#include "apps/cli/verbs.h"
#include "weir/lens/score_prompts.h"
#include "weir/store/model_store.h"
#include "weir/tasks/prompt_files.h"
#include "weir/tasks/task.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

void list(const OutputOptions& output) {
  Report report{"Tasks", plain_provenance(), {}};
  ordered_json rows = ordered_json::array();
  for (const Task& task : tasks()) {
    report.blocks.push_back(TextBlock{
        task.name, fmt::format("{}\nvariants: {}\ncorruptions: {}", task.summary,
                               fmt::join(task.variants, ", "), fmt::join(task.corruptions, ", "))});
    rows.push_back({{"name", task.name},
                    {"summary", task.summary},
                    {"variants", task.variants},
                    {"corruptions", task.corruptions}});
  }
  show_document(report, output, rows);
}

std::string notes_text(const PromptSet& set) {
  std::string text;
  for (const std::string& note : set.notes) text += "\nNote: " + note + ".";
  return text;
}

struct MakeVerb {
  std::string name, model, save;
  int64_t times = 1;
  TaskOptions task;
  OutputOptions output;
};

void make(const MakeVerb& verb) {
  const Tokenizer tokenizer = load_tokenizer(resolve_model(verb.model));
  const PromptSet set = read_task(verb.name, verb.task, tokenizer);
  if (std::filesystem::path(verb.save).extension() == ".txt") {
    write_sentences(set, tokenizer, verb.times, verb.save);
  } else {
    require_usage(verb.times == 1, "--times goes with sentences: --save F.txt");
    write_prompt_set(set, verb.save);
  }
  TableBlock table{"First prompts", {"prompt", "answer", "wrong", "partner"}, {}, ""};
  for (size_t n = 0; n < std::min<size_t>(set.prompts.size(), 10); ++n) {
    const Prompt& prompt = set.prompts[n];
    table.rows.push_back({tail(tokenizer.decode(prompt.clean.tokens, true)),
                          tokenizer.decode(prompt.answer), tokenizer.decode(prompt.wrong),
                          tail(tokenizer.decode(prompt.corrupt.tokens, true))});
  }
  TextBlock summary{"", fmt::format("{} prompts of {} in {}.{}", set.size(), set.task, verb.save,
                                    notes_text(set))};
  show_document(
      {"Prompts of " + set.task, plain_provenance(), {std::move(summary), std::move(table)}},
      verb.output,
      {{"task", set.task}, {"n", set.size()}, {"file", verb.save}, {"notes", set.notes}});
}

struct ScoreVerb {
  ModelOptions model;
  std::string source, group, intervene;
  TaskOptions task;
  bool whole = false;
  OutputOptions output;
};

void score(const ScoreVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet set = read_task(verb.source, verb.task, lm);
  check_ids(set, lm);
  set.answers();  // Refuses a prompt without an answer before the model runs.
  PromptScoreOptions options;
  options.whole_answer = verb.whole;
  options.interventions = read_interventions(verb.intervene);
  const PromptScores scores = score_prompts(lm, set, options);
  ordered_json result = {{"task", set.task},
                         {"n", set.size()},
                         {"notes", set.notes},
                         {"summary", ordered_json::array()},
                         {"log_prob", to_json(scores.log_prob)},
                         {"rank", to_json(scores.rank)},
                         {"logit_diff", to_json(scores.logit_diff)},
                         {"top", to_json(scores.top)},
                         {"whole_log_prob", to_json(scores.whole_log_prob)}};
  Report report{"Scores of " + set.task, {}, {}};
  report.blocks.push_back(interval_table(set, scores, &result));
  if (!set.notes.empty()) report.blocks.push_back(TextBlock{"", notes_text(set).substr(1)});
  if (!verb.group.empty()) report.blocks.push_back(group_table(set, scores, verb.group));
  report.blocks.push_back(prompt_table(lm, set, scores));
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result);
}

void add_list(Verb& group) {
  auto output = std::make_shared<OutputOptions>();
  Verb& verb = group.verb({"list", "the tasks that Weir makes by itself", "", {"weir tasks list"}});
  add_output_options(verb, *output);
  verb.run([output] { list(*output); });
}

void add_make(Verb& group) {
  auto options = std::make_shared<MakeVerb>();
  Verb& verb = group.verb(
      {"make",
       "makes the prompts of a task and saves them",
       "One prompt a line, as tokens of the model's tokenizer, with named positions, answers and "
       "partners (docs/methods/tasks.md). The same seed gives the same prompts. Into a .txt file: "
       "sentences to train on, each prompt with its answer.",
       {"weir tasks make ioi -n 200 --seed 0 --model smollm2-135m --save ioi.jsonl",
        "weir tasks make known_1000.json -n 50 --shots 2 --model smollm2-135m --save "
        "facts.jsonl"}});
  verb.argument("NAME", &options->name, "A task, or a file of prompts to convert")
      .option("--model", &options->model, "M", "Whose tokenizer cuts the prompts")
      .required();
  add_output_file(verb, "--save", &options->save, "F.jsonl|F.txt", "Where the prompts go")
      .required();
  verb.option("--times", &options->times, "N", "Sentences: all of them N times, in other orders",
              {1});
  add_task_options(verb, options->task);
  add_output_options(verb, options->output);
  verb.run([options] { make(*options); });
}

void add_score(Verb& group) {
  auto options = std::make_shared<ScoreVerb>();
  Verb& verb = group.verb(
      {"score",
       "how well a model does a task",
       "Top-1, probability, rank, logit difference, each with a bootstrap interval. The first "
       "token "
       "of an answer is scored; --whole adds all of its tokens.",
       {"weir tasks score smollm2-135m ioi -n 100",
        "weir tasks score smollm2-135m country_capital_city --shots 4 --group subject"}});
  add_model_options(verb, options->model);
  verb.argument("SET", &options->source, "A task, or a file of prompts")
      .flag("--whole", &options->whole, "Also the log-probability of the whole answer")
      .option("--group", &options->group, "G",
              "Also a table by this group (subject, template, ...)")
      .option("--intervene", &options->intervene, "F",
              "Interventions to apply (see weir run --help)");
  add_task_options(verb, options->task);
  add_output_options(verb, options->output);
  verb.run([options] { score(*options); });
}

}  // namespace

void add_tasks(Verb& weir) {
  Verb& group = weir.verb({"tasks",
                           "makes prompts of known tasks and scores models on them",
                           "",
                           {"weir tasks list", "weir tasks score smollm2-135m ioi"}});
  add_list(group);
  add_make(group);
  add_score(group);
}

}  // namespace weir::cli
