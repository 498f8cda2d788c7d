#include "weir/sae/harvest/harvest.h"

#include <filesystem>
#include <memory>
#include <unistd.h>

#include <ATen/ATen.h>

#include "bench/gpt2_shape.h"
#include "bench/measure.h"
#include "weir/base/draw.h"
#include "weir/data/shard_writer.h"
#include "weir/sae/dashboard/dashboard.h"
#include "weir/sae/harvest/harvested_activations.h"

namespace weir::bench {
namespace {

constexpr int64_t kLength = 128, kContexts = 128, kBatch = 4096, kLayers = 7;
constexpr const char* kSite = "blocks.6.hook_resid_post";

/// Random tokens in a shard that goes with this object.
class RandomCorpus {
 public:
  explicit RandomCorpus(int64_t n_vocab)
      : file_(std::filesystem::temp_directory_path() /
              ("weir-bench-" + std::to_string(::getpid()) + ".shard")) {
    data::ShardInfo head;
    head.vocab_size = n_vocab;
    data::ShardWriter writer(file_, head, "bench");
    Draw draw(4);
    for (int64_t context = 0; context < kContexts; ++context) {
      std::vector<uint32_t> ids(kLength);
      for (uint32_t& id : ids) id = static_cast<uint32_t>(draw.below(n_vocab));
      writer.append(ids.data(), ids.size());
      writer.end_document();
    }
    writer.finish();
  }
  ~RandomCorpus() {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }
  RandomCorpus(const RandomCorpus&) = delete;
  RandomCorpus& operator=(const RandomCorpus&) = delete;

  data::TokenRows rows() const {
    data::RowOptions options;
    options.length = kLength;
    return data::TokenRows(
        {{std::make_shared<data::TokenStream>(data::TokenShard::open(file_)), 1}}, options);
  }

 private:
  std::filesystem::path file_;
};

HarvestOptions site_options() {
  HarvestOptions options;
  options.names = {kSite};
  options.batch_contexts = 32;
  return options;
}

// Seven of twelve blocks, no unembedding.
double harvest_flops() {
  const Gpt2Shape shape{kLayers, 12, 768, 0, 1024};
  return forward_flops(shape, kContexts * kLength, (kLength + 1) / 2.0);
}

Result harvest_result(const std::string& name, const std::string& work) {
  Result result;
  result.name = name;
  result.work =
      "GPT-2-small shape, " + std::string(kSite) + ", 128 contexts of 128 tokens, " + work;
  result.amount = kContexts * kLength;
  result.unit = "tokens/s";
  result.flops = harvest_flops();
  return result;
}

// Rows of the first context as they were harvested, and of a plain run.
double difference_to_plain(const LanguageModel& lm, const data::TokenRows& rows) {
  Harvester harvester(lm, rows, site_options());
  const data::ActivationBlock block = harvester.next(kContexts);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {kSite};
  run.stop_when_cached = true;
  const at::Tensor plain = lm.run({rows.batch(0, 1).ids, {}}, run).cache[kSite][0];
  const at::Tensor first = (block.rows.contexts == 0).nonzero().squeeze(1);
  const at::Tensor found = block.rows.activations[0].index_select(0, first);
  const at::Tensor places = block.rows.positions.index_select(0, first);
  return (found - plain.index_select(0, places)).abs().max().item<double>();
}

Sae random_topk(int64_t d, int64_t n_latents) {
  at::manual_seed(2);
  Sae sae;
  sae.config.kind = "topk";
  sae.config.d_in = sae.config.d_out = d;
  sae.config.d_sae = n_latents;
  sae.config.k = 32;
  sae.config.hook = kSite;
  const at::Tensor decoder = at::randn({n_latents, d});
  sae.weights = {{"W_enc", decoder.t().contiguous()},
                 {"b_enc", at::zeros({n_latents})},
                 {"W_dec", decoder},
                 {"b_dec", at::zeros({d})}};
  return sae;
}

}  // namespace

// What a trainer sees: batches of 4,096 rows in random order out of a buffer of all contexts.
Result bench_harvest(const Options& options) {
  const at::NoGradGuard no_grad;
  const LanguageModel lm = random_gpt2_small_lm();
  const RandomCorpus corpus(lm.config().d_vocab);
  const data::TokenRows rows = corpus.rows();
  Result result = harvest_result("harvest", "out of a shuffled buffer in batches of 4,096");
  result.seconds = measure(options.runs, [&] {
    HarvestedActivations source(lm, rows, site_options(), {kContexts, 0, kContexts});
    while (source.next(kBatch).size() > 0) {
    }
  });
  result.peak_rss = peak_rss();
  result.check =
      checked("rows and a plain run of their context", difference_to_plain(lm, rows), 1e-3);
  return result;
}

// A harvest and, in turn, the same with a dictionary's latents, their facts and their effects.
Result bench_dashboard(const Options& options) {
  const at::NoGradGuard no_grad;
  const LanguageModel lm = random_gpt2_small_lm();
  const RandomCorpus corpus(lm.config().d_vocab);
  const data::TokenRows rows = corpus.rows();
  const Sae sae = random_topk(lm.config().d_model, 4096);
  Result result = harvest_result("dashboard", "all 4,096 latents; \"extra\": the harvest alone");
  std::vector<double> harvests, passes;
  int64_t n_events = 0, n_rows = 0;
  const auto next_of = [](Harvester& harvester) {
    return [&harvester]() -> data::ActivationBlock {
      const int64_t left = kContexts - harvester.n_contexts();
      return left > 0 ? harvester.next(left) : data::ActivationBlock();
    };
  };
  for (int64_t run = 0; run <= options.runs; ++run) {
    const double plain = seconds_of([&] {
      Harvester harvester(lm, rows, site_options());
      while (harvester.n_contexts() < kContexts) harvester.next(kContexts);
    });
    std::unique_ptr<LatentEvents> events;
    const double pass = seconds_of([&] {
      Harvester harvester(lm, rows, site_options());
      events = std::make_unique<LatentEvents>(
          collect_latents(sae, next_of(harvester), 0, kLength, kContexts * kLength));
    });
    n_events = events->n_events();
    n_rows = events->n_rows();
    if (run == 0) continue;
    harvests.push_back(plain);
    passes.push_back(pass);
  }
  result.seconds = passes;
  result.extra = {{"seconds_harvest", median(harvests)},
                  {"ratio_to_harvest", median(passes) / median(harvests)}};
  result.peak_rss = peak_rss();
  result.check =
      checked("latents a token beside k = 32",
              std::abs(static_cast<double>(n_events) / static_cast<double>(n_rows) - 32), 0.01);
  return result;
}

}  // namespace weir::bench
