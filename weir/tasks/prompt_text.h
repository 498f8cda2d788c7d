#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/tasks/prompt_set.h"
#include "weir/text/tokenizer.h"

/// Prompts as text with named parts, before a tokenizer has cut them.
namespace weir {

/// A text and the bytes where its parts stand, in the order in which it was put together:
///
///   PromptText().add("The capital of ").add("France", "subject").add(" is")
struct PromptText {
  struct Span {
    size_t begin = 0, end = 0;
  };
  std::string text;
  std::map<std::string, Span> parts;

  /// Appends; `part` names what was appended ("" none). A later part of the same name replaces it.
  PromptText& add(const std::string& piece, const std::string& part = "");
  PromptText& prepend(const std::string& piece);
};

/// A prompt, its answers as they would follow the text (with their space: " Paris"), and what may
/// stand in its place in a patching experiment.
struct TextPrompt {
  PromptText clean;
  std::string answer;
  std::string wrong;  ///< "": the answer of the corrupt partner.
  /// Possible partners, the preferred one first. Taken is the first of the same length in tokens,
  /// one whose answer begins with another token than the prompt's if there is one (else the logit
  /// difference of the two would be 0).
  struct Corruption {
    PromptText text;
    std::string answer;  ///< "" or the prompt's own: it does not serve as the wrong answer.
  };
  std::vector<Corruption> corruptions;
  std::map<std::string, std::string> labels;  ///< Words whose first token is noted.
  std::map<std::string, std::string> groups;
};

/// What a set is made of, and how strict it is.
struct TokenizeOptions {
  std::string task;
  uint64_t seed = 0;
  bool needs_pairs = false;  ///< Leave out prompts without a partner of their length.
  std::string prefix = {};   ///< Before every prompt and partner: "<|endoftext|>".
  /// Partners are as many random ordinary tokens, special ones (BOS) kept: 2403.19521's
  /// "induction".
  bool random_partners = false;
};

/// The prompts as tokens. A part P becomes the roles P_first and P_last, found by the tokens' byte
/// offsets (BOS or not); "end" is the last token. An answer's ids are those that the text's own
/// continuation has; where the text would be cut anew, those of the answer alone. Where the space
/// before an answer is a token of its own ("=", " ", "74"), it ends the prompt, and the answer is
/// what follows: a space is no answer (factual-recall spec 1.3). PromptSet::notes says what was
/// left out, and notes_of the rest. kInvalidArgument when no prompt is left.
PromptSet tokenize_prompts(const Tokenizer& tokenizer, const std::vector<TextPrompt>& prompts,
                           const TokenizeOptions& options);

/// What a reader of scores should know: answers that are one to a first-token score, pairs that
/// differ in nothing, prompts without a wrong answer.
std::vector<std::string> notes_of(const PromptSet& set, const Tokenizer& tokenizer);

/// The tokens, first and last, that stand for bytes of the span; nothing when none does.
struct TokenSpan {
  int64_t first = 0, last = 0;
};
std::optional<TokenSpan> tokens_of(const Encoding& encoding, const PromptText::Span& span);

/// The ids of `answer` after `text`, a space that is a token of its own included.
std::vector<int64_t> answer_ids(const Tokenizer& tokenizer, const std::string& text,
                                const std::string& answer);
/// Whether `ids` begin with a space that is a token of its own, and go on.
bool has_lone_space(const Tokenizer& tokenizer, const std::vector<int64_t>& ids);
/// Every id that is a token and not a special one.
std::vector<int64_t> ordinary_tokens(const Tokenizer& tokenizer);

}  // namespace weir
