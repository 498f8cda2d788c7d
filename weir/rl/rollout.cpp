#include "weir/rl/rollout.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/lm/cached_run.h"
#include "weir/lm/sampler.h"
#include "weir/lm/stop_scanner.h"

namespace weir::rl {
namespace {

/// An answer while it is being drawn.
class Row {
 public:
  Row(int64_t prompt, int64_t stream, std::vector<int64_t> seen, const RolloutOptions& options,
      const Tokenizer* tokenizer)
      : stream_(stream), options_(options), scanner_(options.stop), seen_(std::move(seen)) {
    result_.prompt = prompt;
    if (tokenizer != nullptr) decoder_.emplace(*tokenizer);
  }

  void push(int64_t token, double log_prob, const std::vector<int64_t>& end_tokens) {
    result_.tokens.push_back(token);
    result_.log_probs.push_back(log_prob);
    seen_.push_back(token);
    const bool is_end = std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
    if (is_end) return finish("eos");
    if (decoder_) result_.text += scanner_.push(decoder_->push(token));
    if (scanner_.stopped()) {
      result_.finish = "stop";
    } else if (static_cast<int64_t>(result_.tokens.size()) >= options_.max_new) {
      finish("length");
    }
  }
  bool is_running() const { return result_.finish.empty(); }
  int64_t stream() const { return stream_; }
  int64_t step() const { return static_cast<int64_t>(result_.tokens.size()); }
  int64_t newest() const { return result_.tokens.back(); }
  const std::vector<int64_t>& seen() const { return seen_; }
  Rollout take() { return std::move(result_); }

 private:
  void finish(const char* why) {
    if (decoder_) {
      result_.text += scanner_.push(decoder_->finish());
      if (!scanner_.stopped()) result_.text += scanner_.finish();
    }
    result_.finish = why;
  }

  int64_t stream_;
  const RolloutOptions& options_;
  StopScanner scanner_;
  std::optional<StreamDecoder> decoder_;
  std::vector<int64_t> seen_;  ///< Prompt and answer.
  Rollout result_;
};

class RolloutEngine {
 public:
  RolloutEngine(const Transformer& transformer, const Weights& weights, const Tokenizer* tokenizer,
                const std::vector<int64_t>& end_tokens,
                const std::vector<std::vector<int64_t>>& prompts, const RolloutOptions& options)
      : transformer_(transformer),
        weights_(weights),
        end_tokens_(end_tokens),
        prompts_(prompts),
        options_(options),
        sampler_(options.sampling),
        can_join_(!rotary_depends_on_length(transformer.config())) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      for (int64_t j = 0; j < options.n; ++j) {
        const auto prompt = static_cast<int64_t>(i);
        rows_.emplace_back(prompt, prompt * options.n + j, prompts[i], options, tokenizer);
      }
    }
  }

  std::vector<Rollout> run(RolloutTimes* times) {
    const auto start = std::chrono::steady_clock::now();
    while (next_ < prompts_.size() || !active_.empty()) {
      throw_if_interrupted();
      enter();
      if (active_.empty()) continue;
      std::vector<int64_t> newest;
      for (const size_t row : active_) newest.push_back(rows_[row].newest());
      const at::Tensor logits = running_->step(newest, std::vector<bool>(newest.size(), true));
      ++n_steps_;
      draw(logits, &*running_, &active_);
    }
    std::vector<Rollout> results;
    for (Row& row : rows_) results.push_back(row.take());
    if (times != nullptr) {
      times->seconds +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      times->steps += n_steps_;
      for (const Rollout& of : results) times->tokens += static_cast<int64_t>(of.tokens.size());
    }
    return results;
  }

 private:
  // Takes in as many prompts as fit, each with all of its answers.
  void enter() {
    const auto n_active = static_cast<int64_t>(active_.size());
    int64_t room = (options_.most_rows - n_active) / options_.n;
    if (n_active == 0) room = std::max<int64_t>(room, 1);
    if (n_active > 0 && !can_join_) room = 0;
    room = std::min<int64_t>(room, static_cast<int64_t>(prompts_.size() - next_));
    if (room <= 0) return;
    std::vector<std::vector<int64_t>> prompts;
    std::vector<int64_t> prefix;
    std::vector<size_t> entering;
    for (int64_t k = 0; k < room; ++k, ++next_) {
      prompts.push_back(prompts_[next_]);
      for (int64_t j = 0; j < options_.n; ++j) {
        prefix.push_back(k);
        entering.push_back(next_ * static_cast<size_t>(options_.n) + static_cast<size_t>(j));
      }
    }
    CachedRun fresh(transformer_, weights_, at::kCPU, {}, left_pad(prompts));
    const at::Tensor logits = fresh.prefill().index_select(0, at::tensor(prefix, at::kLong));
    fresh.select(prefix);
    draw(logits, &fresh, &entering);
    if (entering.empty()) return;
    if (active_.empty()) {
      running_.emplace(std::move(fresh));
    } else {
      running_->join(std::move(fresh));
    }
    active_.insert(active_.end(), entering.begin(), entering.end());
  }

  // Draws a token for each row; those that end leave rows and run.
  void draw(const at::Tensor& logits, CachedRun* run, std::vector<size_t>* rows) {
    const bool is_plain = options_.sampling.top_k == 0 && options_.sampling.top_p == 1 &&
                          options_.sampling.min_p == 0 && !sampler_.has_penalty();
    const double temperature = sampler_.is_greedy() ? 1 : options_.sampling.temperature;
    const at::Tensor values = logits.contiguous();
    const at::Tensor log_p =
        (temperature == 1 ? values : values / temperature).log_softmax(1).contiguous();
    const at::Tensor p = is_plain && !sampler_.is_greedy() ? log_p.exp() : at::Tensor();
    const int64_t n_vocab = values.size(1);
    std::vector<int64_t> kept;
    std::vector<size_t> left;
    for (size_t b = 0; b < rows->size(); ++b) {
      Row& row = rows_[(*rows)[b]];
      const int64_t offset = static_cast<int64_t>(b) * n_vocab;
      require(std::isfinite(log_p.data_ptr<float>()[offset]),
              "rollout: logits of row {} are not finite after {} tokens", row.stream(), row.step());
      const int64_t token = p.defined() ? inverse(p.data_ptr<float>() + offset, n_vocab, row)
                                        : sampler_.pick(values.data_ptr<float>() + offset, n_vocab,
                                                        row.seen(), row.stream(), row.step());
      row.push(token, log_p.data_ptr<float>()[offset + token], end_tokens_);
      if (!row.is_running()) continue;
      kept.push_back(static_cast<int64_t>(b));
      left.push_back((*rows)[b]);
    }
    if (kept.size() < rows->size() && !kept.empty()) run->select(kept);
    *rows = std::move(left);
  }

  // The first token at which the summed probability exceeds the row's number.
  int64_t inverse(const float* p, int64_t n, const Row& row) const {
    double left = stream_uniform(options_.sampling.seed, row.stream(), row.step());
    int64_t last = 0;
    for (int64_t v = 0; v < n; ++v) {
      left -= p[v];
      if (left < 0) return v;
      if (p[v] > 0) last = v;
    }
    return last;  // Rounding left a little over.
  }

  const Transformer& transformer_;
  const Weights& weights_;
  const std::vector<int64_t>& end_tokens_;
  const std::vector<std::vector<int64_t>>& prompts_;
  const RolloutOptions& options_;
  Sampler sampler_;
  bool can_join_;
  std::vector<Row> rows_;
  std::optional<CachedRun> running_;
  std::vector<size_t> active_;  ///< Rows in the order of the batch.
  size_t next_ = 0;             ///< The prompt that enters next.
  int64_t n_steps_ = 0;
};

}  // namespace

std::vector<Rollout> roll_out(const Transformer& transformer, const Weights& weights,
                              const Tokenizer* tokenizer, const std::vector<int64_t>& end_tokens,
                              const std::vector<std::vector<int64_t>>& prompts,
                              const RolloutOptions& options, RolloutTimes* times) {
  const at::NoGradGuard no_grad;
  require(!prompts.empty() && options.n > 0 && options.max_new > 0 && options.most_rows > 0,
          "rollout: expected prompts, and n, max_new and most_rows above 0");
  require(options.stop.empty() || tokenizer != nullptr, "rollout: stop strings need a tokenizer");
  return RolloutEngine(transformer, weights, tokenizer, end_tokens, prompts, options).run(times);
}

std::vector<int64_t> end_tokens_of(const ModelConfig& config, const Tokenizer* tokenizer) {
  std::vector<int64_t> ids;
  if (tokenizer != nullptr) ids = tokenizer->special().end_of_generation;
  if (config.eos) ids.push_back(*config.eos);
  ids.insert(ids.end(), config.more_eos.begin(), config.more_eos.end());
  return ids;
}

RolloutBatch rollout_batch(const std::vector<std::vector<int64_t>>& prompts,
                           const std::vector<Rollout>& rollouts) {
  std::vector<std::vector<int64_t>> rows;
  for (const Rollout& of : rollouts) {
    std::vector<int64_t> row = prompts.at(static_cast<size_t>(of.prompt));
    row.insert(row.end(), of.tokens.begin(), of.tokens.end());
    rows.push_back(std::move(row));
  }
  RolloutBatch batch{left_pad(rows), {}, {}};
  const int64_t columns = batch.tokens.tokens.size(1) - 1;
  batch.mask = at::zeros({static_cast<int64_t>(rows.size()), columns}, at::kDouble);
  batch.log_prob = at::zeros_like(batch.mask);
  for (size_t b = 0; b < rollouts.size(); ++b) {
    const auto n = static_cast<int64_t>(rollouts[b].tokens.size()), row = static_cast<int64_t>(b);
    batch.mask[row].slice(0, columns - n).fill_(1);
    batch.log_prob[row].slice(0, columns - n).copy_(at::tensor(rollouts[b].log_probs, at::kDouble));
  }
  return batch;
}

}  // namespace weir::rl
