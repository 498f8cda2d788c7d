#include <map>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/rl/rl_verbs.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/rl/verify/verifier.h"

namespace weir::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct VerifyVerb {
  TextOptions lines;
  std::string kind = "math", settings;
  OutputOptions output;
};

std::unique_ptr<rl::Verifier> verifier_of(const VerifyVerb& verb) {
  json settings = json::object();
  if (!verb.settings.empty()) settings = io::parse_json(verb.settings, "--settings");
  require_usage(settings.is_object(), "--settings: expected a JSON object");
  settings["kind"] = verb.kind;
  return rl::make_verifier(settings);
}

std::vector<rl::Completion> read_completions(const std::string& text) {
  std::vector<rl::Completion> all;
  size_t begin = 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string what = fmt::format("line {}", number);
    const json of = io::parse_json(line, what);
    require(of.is_object(), "{}: expected an object with 'answer' and 'gold'", what);
    all.push_back({io::find_string(of, "prompt", what).value_or(""),
                   io::get_string(of, "answer", what), io::get_string(of, "gold", what)});
  }
  return all;
}

ordered_json result_of(const rl::Judgement& judgement) {
  ordered_json result = {{"correct", nullptr},
                         {"score", nullptr},
                         {"outcome", std::string(rl::to_string(judgement.outcome))},
                         {"read", judgement.read}};
  if (judgement.score) {
    result["correct"] = *judgement.score > 0 ? 1 : 0;
    result["score"] = *judgement.score;
  }
  return result;
}

Report report_of(const std::vector<rl::Completion>& completions,
                 const std::vector<rl::Judgement>& judgements) {
  TableBlock table{"Judgements", {"gold", "read", "score", "outcome"}, {}, ""};
  std::map<std::string, int64_t> counts;
  for (size_t i = 0; i < judgements.size(); ++i) {
    const rl::Judgement& said = judgements[i];
    const std::string outcome(rl::to_string(said.outcome));
    ++counts[outcome];
    table.rows.push_back({completions[i].gold, said.read,
                          said.score ? fmt::format("{:g}", *said.score) : "-", outcome});
  }
  TableBlock sums{"Outcomes", {"outcome", "answers"}, {}, ""};
  for (const auto& [outcome, n] : counts) sums.rows.push_back({outcome, n});
  return {"Verification", plain_provenance(), {std::move(sums), std::move(table)}};
}

void verify(const VerifyVerb& verb) {
  const auto verifier = verifier_of(verb);
  const std::vector<rl::Completion> completions = read_completions(read_text(verb.lines));
  const std::vector<rl::Judgement> judgements = verifier->judge(completions);
  if (!verb.output.json) return show_document(report_of(completions, judgements), verb.output, {});
  if (verb.output.wants_files()) write_files(report_of(completions, judgements), verb.output);
  std::string lines;
  for (const rl::Judgement& said : judgements) lines += io::dump_json(result_of(said)) + "\n";
  print(lines);
}

}  // namespace

void add_rl_verify(Verb& rl) {
  auto options = std::make_shared<VerifyVerb>();
  Verb& verb = rl.verb(
      {"verify",
       "judges answers as a reward would",
       "Reads a JSON object {\"answer\", \"gold\"} (and \"prompt\") a line; with --json writes one "
       "{correct, score, outcome, read} a line. math: the last \\boxed{} as a careful reader takes "
       "it; gsm8k: the number after ####; docs/methods/reinforcement-learning.md has them all.",
       {"weir rl verify --kind math --json < answers.jsonl",
        "weir rl verify answers --kind numeric --settings '{\"tolerance\": 0.01}'"}});
  add_text_options(verb, options->lines, "LINES", "The lines; stdin when left out or -");
  verb.choice("--kind", &options->kind, rl::verifier_kinds(), "How answers are judged")
      .option("--settings", &options->settings, "JSON", "More of the verifier's settings");
  add_output_options(verb, options->output);
  verb.run([options] { verify(*options); });
}

}  // namespace weir::cli
