#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Prompts whose parts have names: what every analysis of a task starts from.
namespace weir {

/// One text as tokens, up to but without its answer, and where its named parts stand.
struct RoleTokens {
  std::string text;             ///< Empty when it came as ids.
  std::vector<int64_t> tokens;  ///< BOS included where the tokenizer adds one.
  /// Index into `tokens` by name: "subject_first", "subject_last", "relation", "end", and what a
  /// task adds ("io", "s1", "s2"). "end" is the token whose successor is the answer.
  std::map<std::string, int64_t> roles;
};

/// A prompt with the answers it is scored by. Answers are the ids that follow the prompt's last
/// token; the first one is what is scored unless a caller asks for the whole answer.
struct Prompt {
  RoleTokens clean;
  RoleTokens corrupt;  ///< `tokens` empty: the prompt has no pair.
  std::vector<int64_t> answer;
  std::vector<int64_t> wrong;  ///< Empty: none, so a logit difference is not defined.
  /// Other ids of interest by name: "subject" (first token of the topic), "in_context".
  std::map<std::string, int64_t> labels;
  /// What it shares with others: {"subject": "France", "template": "3"}.
  std::map<std::string, std::string> groups;
};

/// A set of prompts of one task. Rows may differ in length; whoever runs them pads on the left
/// (lm/token_batch.h), so that the last column is every row's last token.
struct PromptSet {
  std::string task;  ///< "ioi", "country_capital_city", a file's name, ...
  uint64_t seed = 0;
  std::vector<Prompt> prompts;
  /// What a reader should know: prompts that were left out, answers that share their first token.
  std::vector<std::string> notes = {};

  int64_t size() const { return static_cast<int64_t>(prompts.size()); }
  std::vector<std::vector<int64_t>> clean_rows() const;
  /// kInvalidArgument names the first prompt without a pair.
  std::vector<std::vector<int64_t>> corrupt_rows() const;
  bool has_pairs() const;
  bool has_wrong() const;
  /// int64 [N], the first token of each answer; kInvalidArgument when a prompt has none.
  at::Tensor answers() const;
  at::Tensor wrongs() const;
  /// int64 [N], ids of `labels`; kNotFound names the labels that there are.
  at::Tensor label(const std::string& name) const;
  /// int64 [N]: where the role of each clean row stands once the rows are padded on the left to the
  /// longest of them. kNotFound names the roles that there are.
  at::Tensor positions(const std::string& role) const;
  /// The distinct values of a group in the order of their first prompt, and each prompt's index.
  struct Groups {
    std::vector<std::string> names;
    std::vector<int64_t> index;
  };
  Groups group(const std::string& name) const;
};

}  // namespace weir
