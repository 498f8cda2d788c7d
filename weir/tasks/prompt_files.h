#pragma once

#include <filesystem>

#include "weir/tasks/prompt_set.h"
#include "weir/tasks/task.h"
#include "weir/text/tokenizer.h"

/// Prompt sets as files. Weir's own form is JSONL, a prompt a line, of which only "tokens" or
/// "text" is needed:
///
///   {"text": "The capital of France is", "parts": {"subject": [15, 21]}, "answer": " Paris",
///    "wrong": " Rome", "corrupt": {"text": "The capital of Italy is"}, "labels": {"x": " y"},
///    "groups": {"subject": "France"}}
///   {"tokens": [504, 3575], "roles": {"subject_last": 1}, "answer": [7042], "wrong": [4528],
///    "corrupt": {"tokens": [504, 338], "roles": {}}, "groups": {}}
///
/// Bytes of "parts" count in the text as UTF-8. Tokens beside a text must spell it, so that a set
/// made for one model is not scored as another's.
namespace weir {

/// Reads, by what is in it: that form; a relation of the LRE data set; TransformerLens's and
/// auto-circuit's {"prompts": [{"clean", "corrupt", "answers", "wrong_answers"}]}, texts or ids;
/// known_1000 (subject, attribute, prompt); CounterFact (requested_rewrite, or prompt with
/// target_true and target_new); a list of {"prompt", "answer"} (of IOI, the wrong answer and the
/// roles io, s1, s2 are found by the names) or of [prompt, answer] (colored objects); CSV of the
/// same keys, greater-than's (clean, corrupted, label) among them. A file named .jsonl holds one
/// entry a line, .csv a table, any other one JSON value.
/// `options`: n of its prompts (0: all), shots from among its prompts, prefix, random partners;
/// for a relation also variants (relation_set).
/// kCorruptData names the line or entry; kInvalidArgument an option that the file cannot have, or a
/// file of texts where there is no tokenizer (null).
PromptSet read_prompt_set(const std::filesystem::path& path, const Tokenizer* tokenizer,
                          const TaskOptions& options = {});
inline PromptSet read_prompt_set(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                 const TaskOptions& options = {}) {
  return read_prompt_set(path, &tokenizer, options);
}

/// As JSONL, tokens and text; read_prompt_set gives the same prompts back.
void write_prompt_set(const PromptSet& set, const std::filesystem::path& path);

/// Text to train on: each prompt with its answer and a full stop, one a line; `times` times, in
/// another order each time.
void write_sentences(const PromptSet& set, const Tokenizer& tokenizer, int64_t times,
                     const std::filesystem::path& file);

}  // namespace weir
