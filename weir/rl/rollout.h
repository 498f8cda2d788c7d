#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/lm/generate.h"
#include "weir/lm/token_batch.h"
#include "weir/model/transformer.h"
#include "weir/text/tokenizer.h"

namespace weir::rl {

struct RolloutOptions {
  int64_t n = 8;             ///< Answers to each prompt, whose keys and values are computed once.
  int64_t max_new = 64;      ///< Tokens of an answer.
  int64_t most_rows = 64;    ///< Answers in flight; at least one prompt's.
  SamplingOptions sampling;  ///< Answer j of prompt i draws from stream (seed, i n + j).
  std::vector<std::string> stop;  ///< An answer ends with the first of them.
};

/// One answer.
struct Rollout {
  int64_t prompt = 0;  ///< Its number in the call.
  /// Every token that was drawn, the one that ended it included: what a policy is trained on.
  std::vector<int64_t> tokens;
  /// Of each, at the sampling temperature over the whole vocabulary, nats.
  std::vector<double> log_probs;
  std::string text;    ///< Without the end token and from the stop string on.
  std::string finish;  ///< "eos", "stop", "length"
};

struct RolloutTimes {
  double seconds = 0;
  int64_t steps = 0, tokens = 0;  ///< Forwards of newest tokens; tokens drawn.
};

/// Answers to every prompt, prompt-major. Continuous batching: a finished answer leaves the batch,
/// and the next prompt's enter as soon as they fit, into the batch that is running. What an answer
/// is depends on weights, prompt, options and its own stream alone (to float rounding), not on what
/// runs beside it. `weights`: those of the training as they now are. `tokenizer` may be null: then
/// there is no text. `end_tokens` end an answer. kInterrupted when the user asked to stop.
std::vector<Rollout> roll_out(const Transformer& transformer, const Weights& weights,
                              const Tokenizer* tokenizer, const std::vector<int64_t>& end_tokens,
                              const std::vector<std::vector<int64_t>>& prompts,
                              const RolloutOptions& options, RolloutTimes* times = nullptr);

/// Every id after which a model stops by itself.
std::vector<int64_t> end_tokens_of(const ModelConfig& config, const Tokenizer* tokenizer);

/// Prompts with their answers as rows to train on, left-padded.
struct RolloutBatch {
  TokenBatch tokens;    ///< [B, T]
  at::Tensor mask;      ///< [B, T - 1] float64: 1 where column t predicts a drawn token.
  at::Tensor log_prob;  ///< [B, T - 1] float64, as sampled; 0 outside the mask.
};
RolloutBatch rollout_batch(const std::vector<std::vector<int64_t>>& prompts,
                           const std::vector<Rollout>& rollouts);

}  // namespace weir::rl
