#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/bootstrap.h"
#include "weir/lens/score_prompts.h"
#include "weir/store/model_store.h"
#include "weir/tasks/prompt_files.h"
#include "weir/tasks/task.h"
#include "weir/tensor/convert.h"

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

/// The end of a prompt, which is what differs when examples stand before it.
std::string tail(const std::string& text) {
  constexpr size_t kBytes = 48;
  if (text.size() <= kBytes) return text;
  size_t begin = text.size() - kBytes;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  return "…" + text.substr(begin);
}

std::string notes_text(const PromptSet& set) {
  std::string text;
  for (const std::string& note : set.notes) text += "\nNote: " + note + ".";
  return text;
}

struct MakeVerb {
  std::string name, model, save;
  TaskOptions task;
  OutputOptions output;
};

void make(const MakeVerb& verb) {
  const Tokenizer tokenizer = load_tokenizer(resolve_model(verb.model));
  const PromptSet set = read_task(verb.name, verb.task, tokenizer);
  write_prompt_set(set, verb.save);
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

/// One row of the table: what is measured, over which prompts.
struct Measure {
  std::string name;
  std::vector<double> values;
};

std::vector<Measure> measures(const PromptScores& scores) {
  std::vector<Measure> all = {{"top-1", to_doubles(scores.rank == 0)},
                              {"probability", to_doubles(scores.log_prob.exp())},
                              {"log-probability (nats)", to_doubles(scores.log_prob)},
                              {"rank", to_doubles(scores.rank)}};
  if (scores.logit_diff.defined()) {
    all.push_back({"logit difference", to_doubles(scores.logit_diff)});
    all.push_back({"answer before wrong", to_doubles(scores.logit_diff > 0)});
  }
  if (scores.whole_log_prob.defined()) {
    all.push_back(
        {"log-probability of the whole answer (nats)", to_doubles(scores.whole_log_prob)});
  }
  return all;
}

/// Prompts of one subject are not independent: they are drawn together.
std::vector<int64_t> clusters_of(const PromptSet& set) {
  const bool has_subjects =
      std::all_of(set.prompts.begin(), set.prompts.end(),
                  [](const Prompt& prompt) { return prompt.groups.count("subject") > 0; });
  if (has_subjects) return set.group("subject").index;
  std::vector<int64_t> each(set.prompts.size());
  std::iota(each.begin(), each.end(), 0);
  return each;
}

TableBlock interval_table(const PromptSet& set, const PromptScores& scores, ordered_json* result) {
  TableBlock table{"Scores", {"measure", "mean", "low", "high", "prompts"}, {}, ""};
  const std::vector<int64_t> clusters = clusters_of(set);
  const auto n_clusters = std::set<int64_t>(clusters.begin(), clusters.end()).size();
  table.note = fmt::format("low and high: 95 % bootstrap interval over {}",
                           n_clusters < clusters.size()
                               ? fmt::format("{} subjects with all their prompts", n_clusters)
                               : "prompts");
  for (const Measure& measure : measures(scores)) {
    const MeanInterval interval = bootstrap_mean(measure.values, clusters);
    table.rows.push_back({measure.name, interval.mean, interval.low, interval.high,
                          static_cast<double>(interval.n)});
    (*result)["summary"].push_back({{"measure", measure.name},
                                    {"mean", interval.mean},
                                    {"low", interval.low},
                                    {"high", interval.high},
                                    {"n", interval.n}});
  }
  return table;
}

TableBlock group_table(const PromptSet& set, const PromptScores& scores, const std::string& group) {
  const PromptSet::Groups groups = set.group(group);
  TableBlock table{"By " + group,
                   {group, "prompts", "top-1", "low", "high", "probability", "low", "high"},
                   {},
                   ""};
  const auto right = to_doubles(scores.rank == 0), p = to_doubles(scores.log_prob.exp());
  for (size_t g = 0; g < groups.names.size(); ++g) {
    std::vector<double> right_here, p_here;
    for (size_t i = 0; i < right.size(); ++i) {
      if (groups.index[i] != static_cast<int64_t>(g)) continue;
      right_here.push_back(right[i]);
      p_here.push_back(p[i]);
    }
    const MeanInterval top = bootstrap_mean(right_here), mean = bootstrap_mean(p_here);
    table.rows.push_back(
        {groups.names[g], top.n, top.mean, top.low, top.high, mean.mean, mean.low, mean.high});
  }
  return table;
}

std::string text_of(const LanguageModel& lm, const std::vector<int64_t>& ids) {
  if (lm.has_tokenizer()) return lm.tokenizer().decode(ids, true);
  std::string text;
  for (const int64_t id : ids) text += lm.token_text(id);
  return text;
}

TableBlock prompt_table(const LanguageModel& lm, const PromptSet& set, const PromptScores& scores) {
  TableBlock table{
      "Prompts", {"prompt", "answer", "probability", "rank", "the model says"}, {}, ""};
  for (int64_t n = 0; n < set.size(); ++n) {
    const Prompt& prompt = set.prompts[static_cast<size_t>(n)];
    table.rows.push_back({tail(text_of(lm, prompt.clean.tokens)),
                          lm.token_text(prompt.answer.front()),
                          std::exp(scores.log_prob[n].item<double>()),
                          static_cast<double>(scores.rank[n].item<int64_t>()),
                          lm.token_text(scores.top[n].item<int64_t>())});
  }
  return table;
}

void score(const ScoreVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet set = read_task(verb.source, verb.task, lm);
  check_ids(set, lm);
  set.answers();  // Refuses a prompt without an answer before the model runs.
  ScoreOptions options;
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
       "partners (docs/methods/tasks.md). The same seed gives the same prompts.",
       {"weir tasks make ioi -n 200 --seed 0 --model smollm2-135m --save ioi.jsonl",
        "weir tasks make known_1000.json -n 50 --shots 2 --model smollm2-135m --save "
        "facts.jsonl"}});
  verb.argument("NAME", &options->name, "A task, or a file of prompts to convert")
      .option("--model", &options->model, "M", "Whose tokenizer cuts the prompts")
      .required();
  add_output_file(verb, "--save", &options->save, "F.jsonl", "Where the prompts go").required();
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
