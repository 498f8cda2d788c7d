#include <atomic>
#include <pthread.h>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <sched.h>

#include "bench/measure.h"
#include "weir/base/error.h"
#include "weir/lens/logit_lens.h"
#include "weir/lm/generate.h"
#include "weir/lm/unembedding.h"

namespace weir::bench {
namespace {

constexpr int64_t kPrompt = 16, kNew = 64;

at::Tensor random_tokens(int64_t low, int64_t high, at::IntArrayRef shape, uint64_t seed) {
  at::manual_seed(seed);
  return at::randint(low, high, shape, at::kLong);
}

LanguageModelShape shape_of(const ModelConfig& c) {
  return {c.n_layers, c.d_model, c.d_mlp, c.d_vocab, c.n_kv_heads * c.d_head, c.gated_mlp};
}

LanguageModel load(const Options& options) {
  require(!options.model.empty(), "bench: this one needs a model; give SmolLM2's GGUF file");
  return LanguageModel::load(options.model);
}

// Greedy tokens must be what one forward over prompt and answer finds most probable: the difference
// in log-probability between its choice and ours.
double greedy_gap(const LanguageModel& lm, const Generation& row) {
  std::vector<int64_t> all = row.prompt_tokens;
  all.insert(all.end(), row.tokens.begin(), row.tokens.end());
  const RunResult run = lm.run(left_pad({all}));
  const auto n_prompt = static_cast<int64_t>(row.prompt_tokens.size());
  const auto n_new = static_cast<int64_t>(row.tokens.size());
  const at::Tensor logits = run.logits[0].slice(0, n_prompt - 1, n_prompt - 1 + n_new);
  const at::Tensor chosen = logits.gather(1, at::tensor(row.tokens, at::kLong).unsqueeze(1));
  return (std::get<0>(logits.max(-1)) - chosen.squeeze(1)).max().item<double>();
}

/// Keeps the last CPU that this process may use busy while it lives, as another program would.
class BusyCore {
 public:
  BusyCore() : spinning_([this] { spin(); }) {}
  ~BusyCore() {
    stop_ = true;
    spinning_.join();
  }

 private:
  void spin() const {
    cpu_set_t allowed, last;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    int cpu = CPU_SETSIZE - 1;
    while (cpu > 0 && !CPU_ISSET(cpu, &allowed)) --cpu;
    CPU_ZERO(&last);
    CPU_SET(cpu, &last);
    pthread_setaffinity_np(pthread_self(), sizeof(last), &last);
    while (!stop_) {
    }
  }

  std::atomic<bool> stop_{false};
  std::thread spinning_;
};

Result decode(const Options& options, int64_t n_rows) {
  const LanguageModel lm = load(options);
  const at::Tensor ids = random_tokens(1000, 40000, {n_rows, kPrompt}, 7);
  std::vector<std::vector<int64_t>> prompts;
  for (int64_t row = 0; row < n_rows; ++row) {
    const int64_t* first = ids.data_ptr<int64_t>() + row * kPrompt;
    prompts.emplace_back(first, first + kPrompt);
  }
  GenerateOptions how;
  how.max_new = kNew;
  how.sampling.greedy = true;
  how.stop_at_eos = false;
  GenerateResult generated;
  Result result;
  result.name = fmt::format("decode-{}", n_rows);
  result.work = fmt::format("{}, batch {}, {}-token prompts, {} greedy tokens, weights as stored",
                            lm.config().name, n_rows, kPrompt, kNew);
  result.seconds = measure(options.runs, [&] { generated = generate(lm, prompts, how); });
  result.amount = static_cast<double>(n_rows * kNew);
  result.unit = "new tokens/s";
  const LanguageModelShape shape = shape_of(lm.config());
  const auto rows = static_cast<double>(n_rows);
  result.flops = forward_flops(shape, rows * kPrompt, (kPrompt + 1) / 2.0, rows) +
                 forward_flops(shape, rows * (kNew - 1), kPrompt + kNew / 2.0, rows * (kNew - 1));
  result.peak_rss = peak_rss();
  double gap = 0;
  for (const Generation& row : generated.rows) gap = std::max(gap, greedy_gap(lm, row));
  // Two summation orders: a near-tie may fall either way, by the rounding of a logit.
  result.check = checked("greedy choices and one forward's most probable tokens", gap, 1e-3);
  return result;
}

// All that `weir lens` computes of the same streams.
void whole_lens(const LanguageModel& lm, const TokenBatch& batch) {
  const int64_t* first = batch.tokens.data_ptr<int64_t>();
  LensOptions lens;
  lens.embedding = false;
  logit_lens(lm, {first, first + batch.tokens.numel()}, lens);
}

}  // namespace

Result bench_decode_1(const Options& options) { return decode(options, 1); }
Result bench_decode_busy(const Options& options) {
  const BusyCore busy;
  Result result = decode(options, 1);
  result.name = "decode-busy";
  result.work += ", one of the CPUs busy with something else";
  return result;
}
Result bench_decode_8(const Options& options) { return decode(options, 8); }

Result bench_prefill(const Options& options) {
  constexpr int64_t kTokens = 512;
  const at::NoGradGuard no_grad;
  const LanguageModel lm = load(options);
  ForwardInput input;
  input.tokens = random_tokens(1000, 40000, {1, kTokens}, 7);
  input.logits = LogitsAt::kLast;
  Result result;
  result.name = "prefill";
  result.work = fmt::format("{}, 512-token prompt into a cache, last logits, weights as stored",
                            lm.config().name);
  at::Tensor logits;
  result.seconds = measure(options.runs, [&] {
    KvCache cache(lm.config().n_layers);
    input.cache = &cache;
    logits = lm.transformer().forward(input).logits;
  });
  result.amount = kTokens;
  result.unit = "tokens/s";
  result.flops = forward_flops(shape_of(lm.config()), kTokens, (kTokens + 1) / 2.0, 1);
  result.peak_rss = peak_rss();
  KvCache cache(lm.config().n_layers);
  input.cache = &cache;
  for (const auto& [first, last] : {std::pair{0, 300}, std::pair{300, 511}, std::pair{511, 512}}) {
    ForwardInput piece = input;
    piece.tokens = input.tokens.slice(1, first, last);
    const at::Tensor now = lm.transformer().forward(piece).logits;
    if (last == kTokens) {
      result.check = checked("last logits in one piece and in three",
                             (now - logits).abs().max().item<double>(), 1e-2);
    }
  }
  return result;
}

// The entropies alone, by the functions that the logit lens is made of. logit_lens itself always
// finds ranks, log-probabilities and KL divergences too, which the peer's script does not; what it
// takes is told beside.
Result bench_lens(const Options& options) {
  constexpr int64_t kTokens = 256;
  const at::NoGradGuard no_grad;
  const LanguageModel lm = load(options);
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  TokenBatch batch;
  batch.tokens = random_tokens(0, config.d_vocab, {1, kTokens}, 5);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"blocks.*.hook_resid_post"};
  run.logits = LogitsAt::kNone;
  at::Tensor rows, entropy;
  Result result;
  result.name = "lens";
  result.work = fmt::format("{}, 256 tokens: forward, then {} x (final norm, unembed, entropy)",
                            config.name, config.n_layers);
  result.seconds = measure(options.runs, [&] {
    const RunResult observed = lm.run(batch, run);
    std::vector<at::Tensor> streams;
    for (const std::string& name : observed.cache.names()) {
      streams.push_back(observed.cache[name][0]);
    }
    rows = final_normed(config, weights, at::cat(streams));
    entropy = unembedding_stats(config, weights, rows, {}).entropy;
  });
  result.amount = static_cast<double>(kTokens * config.n_layers);
  result.unit = "layer-positions/s";
  result.flops = forward_flops(shape_of(config), kTokens, (kTokens + 1) / 2.0, result.amount);
  result.peak_rss = peak_rss();
  result.extra["seconds_logit_lens"] =
      median(measure(options.runs, [&] { whole_lens(lm, batch); }));
  const at::Tensor some = at::arange(17, rows.size(0), 769, at::kLong);
  const at::Tensor log_p =
      at::matmul(rows.index_select(0, some).to(at::kDouble), weights.W_U.dense(at::kDouble))
          .log_softmax(-1);
  const at::Tensor exact = -(log_p.exp() * log_p).sum(-1);
  result.check = checked("ten entropies and their float64 values",
                         (entropy.index_select(0, some) - exact).abs().max().item<double>(), 1e-4);
  return result;
}

}  // namespace weir::bench
