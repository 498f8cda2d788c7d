#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/subject.h"
#include "apps/cli/verbs.h"
#include "weir/patch/causal_trace.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct TraceVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  std::string subject;
  int64_t copies = 10, window = 10, noise_seed = 1;
  double scale = 3;
};

/// Tokens of prompts of different lengths by the part they play, as the paper averages them.
const std::vector<std::string> kPlaces = {"first subject token", "middle subject tokens",
                                          "last subject token",  "first token after it",
                                          "further tokens",      "last token"};

size_t place_of(int64_t t, int64_t n_tokens, int64_t first, int64_t last) {
  if (t == n_tokens - 1) return 5;
  if (t == last) return 2;
  if (t == first) return 0;
  if (t > first && t < last) return 1;
  return t == last + 1 ? 3 : 4;
}

/// Means of [T, L] maps over prompts, by row name.
class MeanMap {
 public:
  void add(size_t row, const at::Tensor& layers, size_t n_rows) {
    if (!sum_.defined()) {
      sum_ = at::zeros({static_cast<int64_t>(n_rows), layers.numel()}, at::kDouble);
      count_ = at::zeros({static_cast<int64_t>(n_rows), 1}, at::kDouble);
    }
    sum_[static_cast<int64_t>(row)] += layers;
    count_[static_cast<int64_t>(row)] += 1;
  }
  at::Tensor mean() const { return sum_ / count_; }  ///< NaN where nothing was added

 private:
  at::Tensor sum_, count_;
};

void trace(const TraceVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  PromptSet set = read_prompts(verb.prompts, lm);
  require_subject(set, verb.subject, lm);
  TraceOptions options;
  options.copies = verb.copies;
  options.scale = verb.scale;
  options.seed = static_cast<uint32_t>(verb.noise_seed);
  options.windows = {verb.window};
  std::vector<std::vector<int64_t>> subjects;
  for (const Prompt& prompt : set.prompts) {
    const auto begin = prompt.clean.tokens.begin();
    subjects.emplace_back(begin + prompt.clean.roles.at("subject_first"),
                          begin + prompt.clean.roles.at("subject_last") + 1);
  }
  options.sigma = embedding_sigma(lm, subjects);
  std::map<std::string, MeanMap> maps;
  double p_clean = 0, p_corrupt = 0;
  std::vector<std::string> rows = kPlaces;
  const bool is_one = set.size() == 1;
  if (is_one) {
    rows.clear();
    for (const int64_t id : set.prompts[0].clean.tokens) rows.push_back(lm.token_text(id));
  }
  for (const Prompt& prompt : set.prompts) {
    const int64_t first = prompt.clean.roles.at("subject_first"),
                  last = prompt.clean.roles.at("subject_last");
    const Trace found = causal_trace(lm, prompt.clean.tokens, first, last, options);
    p_clean += found.p_clean / static_cast<double>(set.size());
    p_corrupt += found.p_corrupt / static_cast<double>(set.size());
    const auto n_tokens = static_cast<int64_t>(prompt.clean.tokens.size());
    for (int64_t t = 0; t < n_tokens; ++t) {
      const size_t row = is_one ? static_cast<size_t>(t) : place_of(t, n_tokens, first, last);
      maps["hidden"].add(row, found.hidden[t] - found.p_corrupt, rows.size());
      maps["mlp"].add(row, found.mlp.at(verb.window)[t] - found.p_corrupt, rows.size());
      maps["attn"].add(row, found.attn.at(verb.window)[t] - found.p_corrupt, rows.size());
    }
  }
  Report report{"Causal tracing", {}, {}};
  report.blocks.push_back(TextBlock{
      "",
      fmt::format("{} prompts of {}. Probability of the clean run's answer {:.4f}; {:.4f} with "
                  "noise of {} standard deviations on the subject. Maps: what restoring one place "
                  "gives back.",
                  set.size(), set.task, p_clean, p_corrupt, verb.scale)});
  ordered_json result = {{"axes", {"position", "layer"}},
                         {"positions", rows},
                         {"p_clean", p_clean},
                         {"p_corrupt", p_corrupt},
                         {"total_effect", p_clean - p_corrupt}};
  for (const auto& [key, title] :
       {std::pair{"hidden", std::string("State restored at one token and layer")},
        std::pair{"mlp", fmt::format("MLP outputs of {} layers restored", verb.window)},
        std::pair{"attn", fmt::format("Attention outputs of {} layers restored", verb.window)}}) {
    const at::Tensor mean = maps[key].mean();
    result[key] = to_json(mean);
    HeatMapBlock map = head_map(title, "probability given back", to_rows(mean));
    map.x_label = "layer";
    map.y_label = "token";
    map.y_ticks = rows;
    map.y_up = false;
    report.blocks.push_back(std::move(map));
  }
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.extra = {{"sigma", fmt::format("{:.6g}", options.sigma)}};
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_trace(Verb& weir) {
  auto options = std::make_shared<TraceVerb>();
  Verb& verb = weir.verb(
      Heading::kChange,
      {"trace",
       "where a fact is stored: noise on the subject, one state restored",
       "Causal tracing (Meng et al. 2022). Of one prompt the map shows its tokens; of several, "
       "means "
       "over the parts that tokens play.",
       {"weir trace smollm2-135m --prompt 'The capital of France is' --answer ' Paris' --subject "
        "France --html trace.html",
        "weir trace smollm2-135m --task country_capital_city -n 10"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.option("--subject", &options->subject, "TEXT",
              "The subject's words, where no task names them")
      .option("--copies", &options->copies, "R", "Noised copies of each prompt", {1})
      .option("--scale", &options->scale, "S", "Of the noise, in standard deviations",
              {0, 1e6, true})
      .option("--noise-seed", &options->noise_seed, "S", "Of the noise (numpy's RandomState)",
              {0, 4294967295})
      .option("--window", &options->window, "K", "Layers whose outputs are restored together", {1});
  add_output_options(verb, options->output);
  verb.run([options] { trace(*options); });
}

}  // namespace weir::cli
