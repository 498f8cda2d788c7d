#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "weir/base/draw.h"
#include "weir/tasks/prompt_text.h"

namespace weir {

/// A relation between subjects and objects, with sentences that ask for the object: the layout of
/// the LRE data set (Hernandez et al. 2023), {"name", "prompt_templates": ["... {} ..."],
/// "prompt_templates_zs", "samples": [{"subject", "object"}]}.
struct Relation {
  std::string name;
  std::vector<std::string> templates;     ///< Each with one "{}" for the subject.
  std::vector<std::string> templates_zs;  ///< Meant for zero-shot use.
  struct Sample {
    std::string subject, object;
  };
  std::vector<Sample> samples;
};

/// By name among those that the library carries (relation_names), else the file of that path.
/// kNotFound names the nearest. Objects whose file spells \u twice are mended ("Bras\\u00edlia").
Relation load_relation(const std::string& name_or_path);
std::vector<std::string> relation_names();

struct RelationOptions {
  int64_t n = 0;  ///< Prompts; 0: one for each subject and template.
  uint64_t seed = 0;
  int64_t shots = 0;
  /// Index of the template to use; -1: all of them.
  int64_t template_index = 0;
};

/// Each subject in each chosen template; the answer is the object. `shots` examples of other
/// subjects with other objects stand before it, one a line. Partners for patching: the same words
/// with another subject whose object differs, none that the examples solve. Groups: "subject",
/// "template". Labels: "subject".
std::vector<TextPrompt> relation_prompts(const Relation& relation, const RelationOptions& options);

}  // namespace weir
