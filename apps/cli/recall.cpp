#include "weir/recall/recall.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/tasks/relation.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct RecallVerb {
  ModelOptions model;
  std::vector<std::string> relations, shots = {"0"};
  std::string neutral;
  RecallOptions recall;
  int64_t n = 48, template_index = 0;
  OutputOptions output;
};

bool is_relation(const std::string& name) {
  const auto names = relation_names();
  const bool is_json = name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0;
  return is_json || std::find(names.begin(), names.end(), name) != names.end();
}

// A relation by name or file; any other task or file of prompts that has subjects.
PromptSet prompts_of(const RecallVerb& verb, const std::string& name, int64_t shots,
                     const Tokenizer& tokenizer) {
  if (!is_relation(name)) {
    TaskOptions options;
    options.n = verb.n;
    options.seed = verb.recall.seed;
    options.shots = shots;
    return read_task(name, options, tokenizer);
  }
  RelationOptions options;
  options.n = verb.n;
  options.seed = verb.recall.seed;
  options.shots = shots;
  options.template_index = verb.template_index;
  const Relation relation = load_relation(name);
  TokenizeOptions tokenize;
  tokenize.task = relation.name;
  tokenize.seed = verb.recall.seed;
  return tokenize_prompts(tokenizer, relation_prompts(relation, options), tokenize);
}

std::vector<int64_t> shots_of(const RecallVerb& verb) {
  std::vector<int64_t> shots;
  for (const std::string& word : verb.shots) {
    const bool is_number = !word.empty() && word.size() <= 3 &&
                           word.find_first_not_of("0123456789") == std::string::npos;
    require_usage(is_number, fmt::format("--shots: expected numbers like 0,4, found '{}'", word));
    shots.push_back(std::stoll(word));
  }
  return shots;
}

std::string neutral_text(const std::string& path) {
  if (path.empty()) return default_neutral_text();
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::kNotFound, "--neutral: cannot open '{}'", path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A text cut into pieces of one length, so that long ones fit the model.
TokenBatch text_batch(const std::vector<int64_t>& ids, int64_t n_ctx) {
  constexpr int64_t kPiece = 256, kMost = 2048;
  const int64_t n = std::min<int64_t>(static_cast<int64_t>(ids.size()), kMost);
  const int64_t longest = n_ctx > 0 ? std::min(kPiece, n_ctx) : kPiece;
  require_usage(n >= 32, fmt::format("--neutral: expected at least 32 tokens, found {}", n));
  const int64_t n_rows = (n + longest - 1) / longest, length = n / n_rows;
  return {at::tensor(std::vector<int64_t>(ids.begin(), ids.begin() + n_rows * length), at::kLong)
              .view({n_rows, length}),
          {}};
}

using cli::to_json;

ordered_json to_json(const std::vector<HeadFinding>& heads) {
  ordered_json list = ordered_json::array();
  for (const HeadFinding& head : heads) {
    list.push_back({{"name", head.id.name()},
                    {"path_effect_answer", head.answer},
                    {"path_effect_subject", head.subject},
                    {"direct_effect", head.direct},
                    {"attention_to_subject", head.attention},
                    {"write_on_subject", head.write},
                    {"pearson", head.pearson},
                    {"copy_score", head.copy},
                    {"negative_copy_score", head.anti_copy}});
  }
  return list;
}

ordered_json to_json(const MlpFinding& mlp) {
  return {{"layer", mlp.layer},
          {"path_effect_answer", mlp.answer},
          {"path_effect_subject", mlp.subject},
          {"direct_effect", mlp.direct},
          {"parts", mlp.parts},
          {"w", cli::to_json(mlp.fit.w)},
          {"g", cli::to_json(mlp.fit.g)},
          {"se", cli::to_json(mlp.fit.se)},
          {"bootstrap_se", cli::to_json(mlp.bootstrap_se)},
          {"linear_gain", cli::to_json(mlp.linear_gain)},
          {"r2", mlp.fit.r2},
          {"r2_held_out", mlp.held_out.r2},
          {"r2_held_out_own_mean", mlp.held_out.r2_own_mean},
          {"condition", mlp.fit.condition},
          {"dropped", mlp.fit.dropped},
          {"intercept",
           {{"pi_answers", mlp.pi_answers},
            {"pi_subjects", mlp.pi_subjects},
            {"cos_answers", mlp.cos_answers},
            {"cos_subjects", mlp.cos_subjects},
            {"top_tokens", mlp.top_tokens}}}};
}

ordered_json to_json(const Claim& claim) {
  return {{"step", claim.step},
          {"claim", claim.statement},
          {"verdict", claim.verdict()},
          {"check", claim.check},
          {"quantity", claim.quantity},
          {"effect", to_json(claim.effect)},
          {"control", to_json(claim.control)},
          {"difference", to_json(claim.difference)},
          {"prob_before", claim.prob_before},
          {"prob_after", claim.prob_after}};
}

ordered_json last_block_json(const RecallResult& result) {
  ordered_json parts = ordered_json::array(), mitigations = ordered_json::array();
  for (const ComponentReading& part : result.last.components) {
    parts.push_back({{"name", part.name},
                     {"cos_u_mean", part.cos_u_mean},
                     {"cos_u_freq", part.cos_u_freq},
                     {"spearman", part.spearman}});
  }
  for (const MitigationEffect& effect : result.mitigations) {
    mitigations.push_back({{"name", mitigation_name(effect.mitigation)},
                           {"strength", effect.alpha},
                           {"delta_pi", effect.delta_pi.mean().item<double>()},
                           {"delta_prob", effect.delta_prob.mean().item<double>()},
                           {"rank", effect.rank},
                           {"top1", effect.top1},
                           {"loss_increase", effect.loss_increase}});
  }
  ordered_json json = {{"delta_attn",
                        {{"own", result.last.attn_own.mean().item<double>()},
                         {"frozen", result.last.attn_frozen.mean().item<double>()}}},
                       {"delta_mlp",
                        {{"own", result.last.mlp_own.mean().item<double>()},
                         {"frozen", result.last.mlp_frozen.mean().item<double>()}}},
                       {"head_dla", cli::to_json(result.last.head_dla.mean(0))},
                       {"negative_heads", result.last.negative_heads},
                       {"parts", std::move(parts)},
                       {"mitigations", std::move(mitigations)},
                       {"recommended", nullptr}};
  if (result.recommended >= 0) {
    json["recommended"] = {{"index", result.recommended},
                           {"delta_prob", to_json(result.recommended_prob)},
                           {"delta_pi", to_json(result.recommended_pi)},
                           {"loss_increase", result.recommended_loss}};
  }
  return json;
}

ordered_json to_json(const RecallResult& result) {
  ordered_json mlps = ordered_json::array(), claims = ordered_json::array(),
               operators = ordered_json::array();
  for (const MlpFinding& mlp : result.mlps) mlps.push_back(to_json(mlp));
  for (const Claim& claim : result.claims) claims.push_back(to_json(claim));
  for (const RelationOperatorFinding& found : result.operators) {
    operators.push_back({{"layer", found.layer},
                         {"train", found.n_train},
                         {"beta", found.beta},
                         {"faithfulness", found.faithfulness},
                         {"accuracy", found.accuracy}});
  }
  const Knowledge& known = result.knowledge;
  return {
      {"relation", result.task},
      {"shots", result.shots},
      {"prompts", result.n_prompts},
      {"subjects", result.n_subjects},
      {"dev_prompts", result.n_dev},
      {"test_prompts", result.n_test},
      {"known", known.is_known},
      {"top1", to_json(known.top1)},
      {"prob", to_json(known.prob)},
      {"pi", to_json(known.pi)},
      {"median_rank", known.median_rank},
      {"most_common_answer", known.most_common_answer},
      {"movers", to_json(result.movers)},
      {"against", to_json(result.against)},
      {"head_effects",
       {{"axes", {"layer", "head"}}, {"values", cli::to_json(result.head_effects)}}},
      {"head_attention",
       {{"axes", {"layer", "head"}}, {"values", cli::to_json(result.head_attention)}}},
      {"mlp_effects", {{"axes", {"layer"}}, {"values", cli::to_json(result.mlp_effects)}}},
      {"mlps", std::move(mlps)},
      {"curve",
       {{"axes", {"layer mid, post"}},
        {"answer", cli::to_json(result.curve_answer)},
        {"subject", cli::to_json(result.curve_subject)}}},
      {"block_change", {{"axes", {"layer"}}, {"values", cli::to_json(result.block_change)}}},
      {"switch_layer", result.switch_layer},
      {"attention_blocked",
       {{"axes", {"layer in the middle of five"}}, {"prob", cli::to_json(result.blocked_prob)}}},
      {"last_block", last_block_json(result)},
      {"relation_operator", std::move(operators)},
      {"claims", std::move(claims)}};
}

void recall_verb(const RecallVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<int64_t> shots = shots_of(verb);
  const std::string text = neutral_text(verb.neutral);
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const NeutralText neutral(lm, text_batch(lm.tokenizer().encode(text).ids, lm.config().n_ctx));
  std::vector<RecallResult> results;
  ordered_json relations = ordered_json::array();
  for (const std::string& relation : verb.relations) {
    for (const int64_t k : shots) {
      results.push_back(
          recall(lm, prompts_of(verb, relation, k, lm.tokenizer()), neutral, verb.recall));
      results.back().shots = k;
      relations.push_back(to_json(results.back()));
    }
  }
  Report report = recall_report(lm, results, read_neurons(lm, neutral));
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.recall.seed);
  report.provenance.extra = {{"neutral text", verb.neutral.empty() ? "Weir's own" : verb.neutral},
                             {"neutral loss", fmt::format("{:.4f}", neutral.clean_loss())}};
  show(std::move(report), verb.output, {{"relations", std::move(relations)}});
}

}  // namespace

void add_recall(Verb& weir) {
  auto options = std::make_shared<RecallVerb>();
  Verb& verb = weir.verb(
      {"recall",
       "shows how a model recalls a fact, and proves each step by an intervention",
       "Which heads carry the subject to the last position, which MLPs turn it into the answer, "
       "what "
       "the last block does to it (Lv et al. 2024). Heads and MLPs are chosen on half of the "
       "subjects; "
       "each claim is tested on the other half, beside random components, and is supported or not. "
       "Several relations and numbers of shots stand side by side. --json: result.relations.",
       {"weir recall smollm2-135m --relation country_capital_city --html recall.html",
        "weir recall smollm2-135m --relation country_capital_city,country_language --shots 0,4 "
        "--html recall.html"}});
  add_model_options(verb, options->model);
  verb.list("--relation", &options->relations, "R,...",
            "Relations: names (weir tasks list), JSON files of the LRE data set, or prompt files")
      .required()
      .list("--shots", &options->shots, "K,...", "Examples before each prompt")
      .option("-n", &options->n, "N", "At most so many prompts of a relation; 0: all", {0})
      .option("--template", &options->template_index, "I",
              "Which sentence of the relation; -1: all of them", {-1})
      .option("--heads", &options->recall.n_heads, "N", "Mover heads to name", {1, 100})
      .option("--mlps", &options->recall.n_mlps, "N", "MLPs to decompose", {1, 100})
      .option("--controls", &options->recall.n_controls, "N", "Random sets beside each claim",
              {1, 1000})
      .option("--seed", &options->recall.seed, "N", "Of the split, the controls and the bootstrap")
      .flag("--lre", &options->recall.relation_operator,
            "Also fit a linear relational operator (slow for wide models)")
      .option("--lre-layer", &options->recall.relation_layer, "L",
              "Where it reads the subject; -1: half of the layers", {-1})
      .option("--neutral", &options->neutral, "F",
              "Text on which the cost of mitigations is measured; left out: a text of Weir's own");
  add_output_options(verb, options->output);
  verb.run([options] { recall_verb(*options); });
}

}  // namespace weir::cli
