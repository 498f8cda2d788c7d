#include "weir/lm/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/log.h"
#include "weir/base/memory.h"
#include "weir/lm/cached_run.h"
#include "weir/lm/context_length.h"
#include "weir/lm/generation_row.h"
#include "weir/lm/sampler.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_options(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                   const GenerateOptions& options) {
  require(!prompts.empty(), "generate: expected at least one prompt, got none");
  require(options.max_new >= 0, "generate: expected max_new of 0 or more, got {}", options.max_new);
  require(options.n_samples >= 1, "generate: expected n_samples of 1 or more, got {}",
          options.n_samples);
  require(options.stop_strings.empty() || lm.has_tokenizer(),
          "generate: stop strings need a tokenizer, and this model came without one");
}

RowLimits row_limits(const LanguageModel& lm, const Weights& weights) {
  RowLimits limits;
  if (lm.has_tokenizer()) limits.end_tokens = lm.tokenizer().special().end_of_generation;
  if (lm.config().eos) limits.end_tokens.push_back(*lm.config().eos);
  for (const int64_t id : lm.config().more_eos) limits.end_tokens.push_back(id);
  // The newest token need not be run, so it needs no position.
  if (weights.W_pos.defined()) limits.max_sequence = weights.W_pos.size(0) + 1;
  return limits;
}

// Whether rows have to stay where they are, since something counts them.
bool names_rows(const GenerateOptions& options) {
  return !options.hooks.empty() ||
         std::any_of(options.interventions.begin(), options.interventions.end(),
                     [](const Intervention& i) { return i.rows.has_value(); });
}

// Generates n_samples rows for each of some prompts, as one batch.
class BatchGeneration {
 public:
  /// Rows count from `first_row` in the result of the whole call.
  BatchGeneration(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                  int64_t first_row, const GenerateOptions& options, const RowLimits& limits)
      : lm_(lm), options_(options), sampler_(options.sampling), fixed_rows_(names_rows(options)) {
    const Tokenizer* tokenizer = lm.has_tokenizer() ? &lm.tokenizer() : nullptr;
    for (const auto& prompt : prompts) {
      for (int64_t i = 0; i < options.n_samples; ++i) {
        // A row that interventions can name has a prefix of its own.
        if (i == 0 || fixed_rows_) prefixes_.push_back(prompt);
        prefix_of_row_.push_back(static_cast<int64_t>(prefixes_.size()) - 1);
        const int64_t row = first_row + static_cast<int64_t>(rows_.size());
        rows_.emplace_back(row, prompt, options, limits, tokenizer);
      }
    }
  }

  /// Tokens of the longest row after `run`.
  int64_t longest() const { return longest_; }

  void run(const Weights& weights, GenerateResult& result) {
    const Clock::time_point start = Clock::now();
    const TokenBatch batch = left_pad(prefixes_);
    CachedRun cached(lm_.transformer(), weights, lm_.device(), options_.interventions, batch,
                     options_.hooks);
    at::Tensor logits = cached.prefill();
    if (prefixes_.size() < rows_.size()) {
      cached.select(prefix_of_row_);
      logits = logits.index_select(0, at::tensor(prefix_of_row_, at::kLong));
    }
    const double prefill_seconds = seconds_since(start);
    decode(cached, logits);
    warn_of_unreached(batch.tokens.size(1), cached.length());
    for (const GenerationRow& row : rows_) {
      longest_ = std::max(longest_, static_cast<int64_t>(row.sequence().size()));
    }
    result.prefill_seconds += prefill_seconds;
    result.decode_seconds += seconds_since(start) - prefill_seconds;
    for (GenerationRow& row : rows_) result.rows.push_back(row.take());
  }

 private:
  void decode(CachedRun& cached, at::Tensor logits) {
    std::vector<int64_t> active(rows_.size());  // Indices into rows_, in the order of the batch.
    std::iota(active.begin(), active.end(), 0);
    while (any_running()) {
      throw_if_interrupted();
      std::vector<int64_t> tokens = choose(active, logits);
      if (!any_running()) return;
      if (!fixed_rows_) drop_finished(cached, active, tokens);
      std::vector<bool> is_real;
      for (const int64_t i : active) is_real.push_back(rows_[i].is_running());
      logits = cached.step(tokens, is_real);
    }
  }

  void warn_of_unreached(int64_t prompt_length, int64_t n_positions) const {
    for (const std::string& line : never_reached(
             options_.interventions, lm_.transformer().hook_names(), prompt_length, n_positions)) {
      log::warn("{}: it was never reached", line);
    }
  }

  void drop_finished(CachedRun& cached, std::vector<int64_t>& active,
                     std::vector<int64_t>& tokens) const {
    std::vector<int64_t> kept, kept_active, kept_tokens;
    for (size_t b = 0; b < active.size(); ++b) {
      if (!rows_[active[b]].is_running()) continue;
      kept.push_back(static_cast<int64_t>(b));
      kept_active.push_back(active[b]);
      kept_tokens.push_back(tokens[b]);
    }
    if (kept.size() == active.size()) return;
    cached.select(kept);
    active = std::move(kept_active);
    tokens = std::move(kept_tokens);
  }

  bool any_running() const {
    return std::any_of(rows_.begin(), rows_.end(),
                       [](const GenerationRow& row) { return row.is_running(); });
  }

  // Pushes a token to every running row; returns the tokens of the batch (0 for others).
  std::vector<int64_t> choose(const std::vector<int64_t>& active, const at::Tensor& logits) {
    const bool plain_greedy = sampler_.is_greedy() && !sampler_.has_penalty();
    const at::Tensor values = logits.contiguous();
    const at::Tensor best = plain_greedy ? values.argmax(1) : at::Tensor();
    const at::Tensor log_total = values.logsumexp({1});
    const int64_t n_vocab = values.size(1);
    std::vector<int64_t> tokens(active.size(), 0);
    for (size_t b = 0; b < active.size(); ++b) {
      GenerationRow& row = rows_[active[b]];
      if (!row.is_running()) continue;
      const float* row_logits = values.data_ptr<float>() + static_cast<int64_t>(b) * n_vocab;
      const double total = log_total.data_ptr<float>()[b];
      require(std::isfinite(total),
              "generate: row {} has logits that are not finite after {} tokens", row.index(),
              row.sequence().size());
      tokens[b] = plain_greedy ? best.data_ptr<int64_t>()[b]
                               : sampler_.pick(row_logits, n_vocab, row.sequence(), row.index(),
                                               row.n_new());
      row.push(tokens[b], row_logits[tokens[b]] - total);
    }
    return tokens;
  }

  const LanguageModel& lm_;
  const GenerateOptions& options_;
  Sampler sampler_;
  bool fixed_rows_;  ///< Rows stay in the batch to the end, because interventions name them.
  std::vector<std::vector<int64_t>> prefixes_;
  std::vector<int64_t> prefix_of_row_;
  std::vector<GenerationRow> rows_;
  int64_t longest_ = 0;
};

}  // namespace

double least_memory(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                    const GenerateOptions& options) {
  const ModelConfig& config = lm.config();
  double position = 2.0 * static_cast<double>(config.n_layers * config.n_kv_heads * config.d_head);
  position *= static_cast<double>(c10::elementSize(lm.transformer().dtype()));
  const double logits = static_cast<double>(config.d_vocab) * sizeof(float);
  double total = 0;
  for (const auto& prompt : prompts) {
    total += static_cast<double>(prompt.size()) * position + logits + sizeof(GenerationRow);
  }
  return total * static_cast<double>(options.n_samples);
}

GenerateResult generate(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& prompts,
                        const GenerateOptions& options) {
  const at::NoGradGuard no_grad;
  check_options(lm, prompts, options);
  require_memory(
      least_memory(lm, prompts, options),
      fmt::format("generate: {} samples of {} prompts", options.n_samples, prompts.size()));
  const Weights& weights =
      options.weights != nullptr ? *options.weights : lm.transformer().weights();
  const RowLimits limits = row_limits(lm, weights);
  const bool unequal = std::any_of(prompts.begin(), prompts.end(), [&](const auto& prompt) {
    return prompt.size() != prompts[0].size();
  });
  GenerateResult result;
  // Frequencies that depend on the length would depend on the longest row of the batch.
  if (unequal && rotary_depends_on_length(lm.config())) {
    require(!names_rows(options),
            "generate: with {} rotary scaling, hooks and interventions on rows need prompts of "
            "equal length",
            lm.config().rotary.scaling);
    int64_t longest = 0;
    for (const auto& prompt : prompts) {
      const auto first_row = static_cast<int64_t>(result.rows.size());
      BatchGeneration one(lm, {prompt}, first_row, options, limits);
      one.run(weights, result);
      longest = std::max(longest, one.longest());
    }
    warn_past_context(lm.config(), longest);
    return result;
  }
  BatchGeneration all(lm, prompts, 0, options, limits);
  all.run(weights, result);
  warn_past_context(lm.config(), all.longest());
  return result;
}

}  // namespace weir
