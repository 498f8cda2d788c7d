#include <algorithm>
#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/sae/evaluation_options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/base/error.h"
#include "weir/sae/eval/eval_report.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct SaeCompareVerb {
  std::vector<std::string> arms;
  EvaluationOptions evaluation;
  OutputOptions output;
  std::string save;
  int64_t seeds = 0;
};

struct ArmFiles {
  std::string name;
  std::vector<SaeFile> seeds;
};

/// A dictionary, or the dictionaries in the folders of a folder: its seeds.
std::vector<SaeFile> load_seeds(const std::filesystem::path& path) {
  try {
    return {load_sae(path)};
  } catch (const Error& error) {
    if (!std::filesystem::is_directory(path)) throw;
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (entry.is_directory()) folders.push_back(entry.path());
    }
    std::sort(folders.begin(), folders.end());
    if (folders.size() < 2) throw;
    std::vector<SaeFile> seeds;
    for (const auto& folder : folders) seeds.push_back(load_sae(folder));
    return seeds;
  }
}

/// [NAME=]PATH[,PATH...]
ArmFiles read_arm(const std::string& word, int64_t n_seeds) {
  const size_t equals = word.find('=');
  std::string paths = equals == std::string::npos ? word : word.substr(equals + 1);
  ArmFiles arm{equals == std::string::npos
                   ? std::filesystem::path(word).lexically_normal().filename().string()
                   : word.substr(0, equals),
               {}};
  for (size_t begin = 0; begin <= paths.size();) {
    const size_t end = std::min(paths.find(',', begin), paths.size());
    for (SaeFile& file : load_seeds(paths.substr(begin, end - begin))) {
      arm.seeds.push_back(std::move(file));
    }
    begin = end + 1;
  }
  if (n_seeds == 0) return arm;
  require(static_cast<int64_t>(arm.seeds.size()) >= n_seeds,
          "{}: expected {} seeds, found {} dictionaries", arm.name, n_seeds, arm.seeds.size());
  arm.seeds.resize(static_cast<size_t>(n_seeds));
  return arm;
}

ordered_json known(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json metrics_json(const std::vector<ComparedArm>& arms,
                          const std::vector<ComparedMetric>& metrics) {
  ordered_json result;
  for (const ComparedMetric& metric : metrics) {
    for (size_t i = 0; i < arms.size(); ++i) {
      const ArmValue& value = metric.arms[i];
      ordered_json& out = result[metric.key][arms[i].name];
      out = {{"mean", known(value.interval.mean)},
             {"low", known(value.interval.low)},
             {"high", known(value.interval.high)},
             {"deviation", known(value.deviation)},
             {"by_seed", value.by_seed}};
      if (i == 0) continue;
      const ArmDifference& difference = metric.differences[i];
      out["difference"] = {{"from", arms[0].name},
                           {"mean", difference.difference},
                           {"half_width", known(difference.half_width)},
                           {"p_permutation", known(difference.p_permutation)},
                           {"verdict", to_string(difference.verdict)},
                           {"on_text_low", known(difference.on_text.low)},
                           {"on_text_high", known(difference.on_text.high)}};
    }
  }
  return result;
}

void save_all(const std::vector<ArmFiles>& arms, const std::vector<ComparedArm>& compared,
              const EvaluationInput& input, const SaeCompareVerb& verb) {
  for (size_t a = 0; a < arms.size(); ++a) {
    for (size_t i = 0; i < arms[a].seeds.size(); ++i) {
      const SaeFile& file = arms[a].seeds[i];
      const EvalSubject subject = subject_of(file, verb.evaluation.model.model);
      for (const ordered_json& document : suite_documents(compared[a].seeds[i], file.sae, subject,
                                                          input.texts, input.corpus, input.suite)) {
        save_eval(document, subject, verb.save);
      }
    }
  }
}

void compare_arms(SaeCompareVerb verb) {
  const auto start = std::chrono::steady_clock::now();
  require_usage(verb.arms.size() >= 2, "expected at least two dictionaries or arms to compare");
  std::vector<ArmFiles> files;
  for (const std::string& word : verb.arms) files.push_back(read_arm(word, verb.seeds));
  std::vector<const Sae*> saes;
  for (const ArmFiles& arm : files) {
    for (const SaeFile& file : arm.seeds) saes.push_back(&file.sae);
  }
  const EvaluationInput input =
      open_evaluation(verb.evaluation, files[0].seeds, verb.output.is_kept());
  std::vector<SuiteResult> results =
      run_suite(input.lm, saes, input.tokens, input.texts, input.suite);
  std::vector<ComparedArm> arms;
  size_t next = 0;
  for (const ArmFiles& arm : files) {
    arms.push_back({arm.name, {}});
    for (size_t i = 0; i < arm.seeds.size(); ++i) {
      arms.back().seeds.push_back(std::move(results[next++]));
    }
  }
  const std::vector<ComparedMetric> metrics = compare(arms, verb.evaluation.seed);
  if (!verb.save.empty()) save_all(files, arms, input, verb);
  Report report{"Dictionaries compared",
                provenance(input.lm, verb.evaluation.model, seconds_since(start)),
                comparison_blocks(arms, metrics)};
  report.provenance.seed = static_cast<int64_t>(verb.evaluation.seed);
  show_document(report, verb.output, metrics_json(arms, metrics));
}

}  // namespace

void add_sae_compare(Verb& sae) {
  auto options = std::make_shared<SaeCompareVerb>();
  Verb& verb = sae.verb(
      {"compare",
       "says which of several ways to train dictionaries is better, and what new seeds would give",
       "An arm is [NAME=]PATH[,PATH...]: a dictionary, or a folder of folders with one seed each. "
       "All are measured on the same text in one run of the model. Intervals and verdicts are over "
       "seeds; one seed an arm leaves reseed noise unknown. --json prints {METRIC: {ARM: {mean, "
       "low, high, by_seed, difference}}}.",
       {"weir sae compare topk=runs/topk vsae=runs/vsae --seeds 5 --model smollm2-135m --text "
        "book.txt --html compare.html"}});
  verb.arguments("ARMS", &options->arms, "Arms, the first one the base of differences");
  verb.option("--seeds", &options->seeds, "N", "The first N of each arm; 0: all", {0});
  add_evaluation_options(verb, options->evaluation, {"core", "sparse_probing_sae_probes"});
  verb.option("--save", &options->save, "DIR", "Where SAEBench's JSON files go");
  add_output_options(verb, options->output);
  verb.run([options] { compare_arms(*options); });
}

}  // namespace weir::cli
