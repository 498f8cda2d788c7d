#pragma once

#include <string>

#include "apps/cli/command.h"
#include "apps/cli/verb.h"
#include "weir/lm/language_model.h"

/// One prompt as text, or rows of token ids from a file, for verbs that need no answers with them.
namespace weir::cli {

struct TokenSource {
  TextOptions text;
  std::string tokens, mask;  ///< FILE[:KEY]
};
/// PROMPT (or --text-file), --tokens and --mask.
void add_token_source(Verb& verb, TokenSource& source);
/// Exactly one of text and tokens must be given, else a UsageError.
TokenBatch read_token_source(const TokenSource& source, const LanguageModel& lm);
/// The rows of FILE[:KEY] ("tokens"), and of a mask's ("attention_mask"; "": none).
TokenBatch read_rows(const std::string& tokens, const std::string& mask);
/// FILE[:KEY]: the tensor KEY of a file, `fallback` when no key is given.
at::Tensor read_named(const std::string& place, const std::string& fallback);
/// A token by its id, or the first token of a text. UsageError for an id outside the vocabulary; a
/// text of several tokens is told in the log.
int64_t token_of(const LanguageModel& lm, const std::string& word, const std::string& option);

}  // namespace weir::cli
