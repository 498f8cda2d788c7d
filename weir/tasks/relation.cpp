#include "weir/tasks/relation.h"

#include <algorithm>
#include <map>

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

// Examples of other subjects with other objects, a line each.
std::string shots_before(const Relation& relation, const Relation::Sample& sample,
                         const std::string& form, int64_t shots, Draw& draw) {
  std::vector<Relation::Sample> others;
  for (const Relation::Sample& other : relation.samples) {
    if (other.subject != sample.subject && other.object != sample.object) others.push_back(other);
  }
  require(static_cast<int64_t>(others.size()) >= shots,
          "{}: expected at most {} shots, the other samples, got {}", relation.name, others.size(),
          shots);
  std::string text;
  for (const auto& other : draw.pick(others, static_cast<size_t>(shots))) {
    text += filled(form, other) + "\n";
  }
  return text;
}

TextPrompt prompt_of(const Relation& relation, const Relation::Sample& sample,
                     const std::string& form, int64_t shots, Draw& draw) {
  TextPrompt prompt;
  prompt.clean = sentence(form, sample.subject);
  prompt.answer = " " + sample.object;
  prompt.labels["subject"] = " " + sample.subject;
  prompt.groups = {{"subject", sample.subject}, {"template", form}};
  std::vector<Relation::Sample> others = relation.samples;
  draw.shuffle(others);
  for (const Relation::Sample& other : others) {
    if (other.object == sample.object) continue;
    prompt.corruptions.push_back({sentence(form, other.subject), " " + other.object});
  }
  if (shots == 0) return prompt;
  put_before(prompt, shots_before(relation, sample, form, shots, draw));
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
  std::vector<TextPrompt> prompts;
  for (int64_t t = 0; t < n_templates; ++t) {
    if (options.template_index >= 0 && t != options.template_index) continue;
    for (const Relation::Sample& sample : relation.samples) {
      prompts.push_back(prompt_of(relation, sample, relation.templates[static_cast<size_t>(t)],
                                  options.shots, draw));
    }
  }
  if (options.n > 0 && options.n < static_cast<int64_t>(prompts.size())) {
    prompts = draw.pick(prompts, static_cast<size_t>(options.n));
  }
  return prompts;
}

}  // namespace weir
