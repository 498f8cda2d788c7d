#include "weir/tasks/relation.h"

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/io/json.h"
#include "weir/tasks/builtin_relations.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

using nlohmann::json;

// Some objects of the data set hold the six characters \u00ed where í is meant.
std::string unescaped(const std::string& text) {
  if (text.find("\\u") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return io::parse_json(quoted + "\"", "an escaped name").get<std::string>();
}

std::vector<std::string> templates_of(const json& file, const char* key, const std::string& what) {
  std::vector<std::string> templates;
  if (!file.contains(key)) return templates;
  for (const json& entry : file[key]) {
    const bool is_one =
        entry.is_string() && entry.get<std::string>().find("{}") != std::string::npos;
    if (!is_one) fail(ErrorCode::kCorruptData, "{}: expected texts with {{}} in {}", what, key);
    templates.push_back(entry.get<std::string>());
  }
  return templates;
}

Relation parse(const json& file, const std::string& what) {
  const bool has_samples =
      file.is_object() && file.contains("samples") && file["samples"].is_array();
  if (!has_samples) {
    fail(ErrorCode::kCorruptData,
         "{}: expected a relation {{\"prompt_templates\": [...], \"samples\": [...]}}", what);
  }
  Relation relation;
  relation.name = io::find_string(file, "name", what).value_or(what);
  relation.templates = templates_of(file, "prompt_templates", what);
  relation.templates_zs = templates_of(file, "prompt_templates_zs", what);
  for (const json& sample : file["samples"]) {
    relation.samples.push_back({unescaped(io::get_string(sample, "subject", what)),
                                unescaped(io::get_string(sample, "object", what))});
  }
  const bool is_usable = !relation.templates.empty() && !relation.samples.empty();
  if (!is_usable) fail(ErrorCode::kCorruptData, "{}: expected templates and samples", what);
  return relation;
}

PromptText sentence(const std::string& form, const std::string& subject) {
  const size_t hole = form.find("{}");
  return PromptText().add(form.substr(0, hole)).add(subject, "subject").add(form.substr(hole + 2));
}

std::string filled(const std::string& form, const Relation::Sample& sample) {
  return sentence(form, sample.subject).text + " " + sample.object;
}

/// What is drawn for a prompt, by the samples' numbers: texts are made of those alone that are
/// used.
struct Plan {
  const std::string* form;
  size_t sample;
  std::vector<size_t> partners, shots;
};

Plan draw_plan(const Relation& relation, const std::string& form, size_t sample, int64_t n_shots,
               Draw& draw) {
  const Relation::Sample& mine = relation.samples[sample];
  Plan plan{&form, sample, {}, {}};
  plan.partners.resize(relation.samples.size());
  std::iota(plan.partners.begin(), plan.partners.end(), size_t{0});
  draw.shuffle(plan.partners);
  if (n_shots == 0) return plan;
  // Examples of other subjects with other objects.
  std::vector<size_t> others;
  for (size_t i = 0; i < relation.samples.size(); ++i) {
    const Relation::Sample& other = relation.samples[i];
    if (other.subject != mine.subject && other.object != mine.object) others.push_back(i);
  }
  require(static_cast<int64_t>(others.size()) >= n_shots,
          "{}: expected at most {} shots, the other samples, got {}", relation.name, others.size(),
          n_shots);
  plan.shots = draw.pick(others, static_cast<size_t>(n_shots));
  return plan;
}

TextPrompt prompt_of(const Relation& relation, const Plan& plan) {
  const Relation::Sample& sample = relation.samples[plan.sample];
  TextPrompt prompt;
  prompt.clean = sentence(*plan.form, sample.subject);
  prompt.answer = " " + sample.object;
  prompt.labels["subject"] = " " + sample.subject;
  prompt.groups = {{"subject", sample.subject}, {"template", *plan.form}};
  for (const size_t i : plan.partners) {
    const Relation::Sample& other = relation.samples[i];
    if (other.object == sample.object) continue;
    prompt.corruptions.push_back({sentence(*plan.form, other.subject), " " + other.object});
  }
  std::string before;  // A line each.
  for (const size_t i : plan.shots) before += filled(*plan.form, relation.samples[i]) + "\n";
  if (!before.empty()) put_before(prompt, before);
  return prompt;
}

}  // namespace

std::vector<std::string> relation_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : builtin_relations()) names.push_back(name);
  return names;
}

Relation load_relation(const std::string& name_or_path) {
  for (const auto& [name, text] : builtin_relations()) {
    if (name == name_or_path) return parse(io::parse_json(text, name), name);
  }
  std::error_code ignored;
  if (!std::filesystem::exists(name_or_path, ignored)) {
    fail(ErrorCode::kNotFound, "no relation '{}': it is neither a file nor one of {}{}",
         name_or_path, fmt::join(relation_names(), ", "),
         did_you_mean(name_or_path, relation_names()));
  }
  Relation relation = parse(io::read_json(name_or_path), name_or_path);
  relation.name = std::filesystem::path(name_or_path).stem().string();
  return relation;
}

std::vector<TextPrompt> relation_prompts(const Relation& relation, const RelationOptions& options) {
  const auto n_templates = static_cast<int64_t>(relation.templates.size());
  require(options.template_index >= -1 && options.template_index < n_templates,
          "{}: expected a template from 0 to {} (-1: all), got {}", relation.name, n_templates - 1,
          options.template_index);
  Draw draw(options.seed);
  std::vector<Plan> plans;
  for (int64_t t = 0; t < n_templates; ++t) {
    if (options.template_index >= 0 && t != options.template_index) continue;
    for (size_t i = 0; i < relation.samples.size(); ++i) {
      plans.push_back(
          draw_plan(relation, relation.templates[static_cast<size_t>(t)], i, options.shots, draw));
    }
  }
  if (options.n > 0 && options.n < static_cast<int64_t>(plans.size())) {
    plans = draw.pick(plans, static_cast<size_t>(options.n));
  }
  std::vector<TextPrompt> prompts;
  for (const Plan& plan : plans) prompts.push_back(prompt_of(relation, plan));
  return prompts;
}

}  // namespace weir
