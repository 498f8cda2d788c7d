#include "apps/cli/start_bench.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "apps/cli/child_process.h"
#include "bench/measure.h"
#include "weir/lm/language_model.h"

namespace weir::cli {
namespace {

constexpr int64_t kTokens = 16;

bench::Result run_start(const bench::Options& options) {
  bench::Result result;
  result.name = "start";
  result.work = "process start to first logits of 16 tokens, SmolLM2-135M, warm page cache";
  result.amount = 1;
  result.unit = "starts/s";
  const std::vector<std::string> child = {"oracle", "first-logits", options.model.string(),
                                          "--threads", std::to_string(at::get_num_threads())};
  result.seconds = bench::measure(
      options.runs, [&] { result.peak_rss = std::max(result.peak_rss, run_self(child).peak_rss); });
  result.check = fmt::format("{} processes ended well", options.runs + 1);
  return result;
}

}  // namespace

bench::Bench start_bench() {
  return {"start", "process start to first logits, SmolLM2", true, run_start};
}

std::string first_logits(const std::filesystem::path& model) {
  const LanguageModel lm = LanguageModel::load(model);
  RunOptions options;
  options.logits = LogitsAt::kLast;
  const at::Tensor tokens = at::arange(1000, 1000 + kTokens, at::kLong).unsqueeze(0);
  const at::NoGradGuard no_grad;
  return fmt::format("{}\n", lm.run({tokens, {}}, options).logits.max().item<float>());
}

}  // namespace weir::cli
