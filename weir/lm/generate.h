#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "weir/lm/language_model.h"

namespace weir {

/// How the next token is chosen. Applied in the order of Hugging Face: repetition penalty,
/// temperature, top-k, top-p, min-p. The defaults change nothing. docs/methods/generation.md.
struct SamplingOptions {
  bool greedy = false;
  double temperature = 1;         ///< 0: greedy.
  int64_t top_k = 0;              ///< 0: all.
  double top_p = 1;               ///< 1: all.
  double min_p = 0;               ///< Relative to the most probable token; 0: all.
  double repetition_penalty = 1;  ///< Over prompt and generated tokens.
  uint64_t seed = 0;              ///< Row b draws from stream (seed, b), whatever the batch.
};

struct GenerateOptions {
  int64_t max_new = 64;
  SamplingOptions sampling;
  std::vector<std::string> stop_strings;  ///< The text ends before the first of them.
  bool stop_at_eos = true;
  int64_t n_samples = 1;  ///< Of each prompt; its prefix is computed once.
  /// Positions count in the left-padded rectangle of the prompts, so -1 is the last token of every
  /// prompt; rows are those of the result. A value with a position axis must name its positions.
  std::vector<Intervention> interventions;
  /// Globs and functions of one's own, called after the interventions in every forward: first over
  /// the prompts, then over one position after another (HookContext::first_position). Rows are
  /// those of the result; a row that has ended stays among them to the end. No graph is recorded.
  std::vector<NamedHook> hooks;
  const Weights* weights = nullptr;  ///< An overlay for this call.
  /// Called for every new token with its row and the text that became certain; false stops that
  /// row. An end token comes too, with the text that was still held back. All texts of a row in
  /// order are its final text (unless false left some unsent).
  std::function<bool(int64_t row, int64_t token, const std::string& text)> on_token;
};

struct Generation {
  std::vector<int64_t> prompt_tokens;
  std::vector<int64_t> tokens;  ///< New ones, without the end token or those inside a stop string.
  std::vector<double> log_probs;  ///< Of `tokens` under the model's own distribution (temperature
                                  ///< 1, unfiltered), nats.
  std::string text;
  std::string stopped_by;  ///< "length", "eos", "stop_string", "callback"
};

struct GenerateResult {
  std::vector<Generation> rows;  ///< n_samples for each prompt, prompt-major.
  double prefill_seconds = 0, decode_seconds = 0;
};

/// Bytes that `generate` cannot do without: the keys and values of the prompts' positions and the
/// logits of one step, for every row.
double least_memory(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                    const GenerateOptions& options);

/// Continues every prompt. A row stops at an end token (of the tokenizer or the config), a stop
/// string, max_new, or the last position that a model with learned positions has. Step by step
/// gives what one forward over the whole sequence gives; rows do not depend on their batch beyond
/// float rounding. kInterrupted leaves what was generated with on_token; kUnavailable, before any
/// work, when `least_memory` is not there.
GenerateResult generate(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                        const GenerateOptions& options);

}  // namespace weir
