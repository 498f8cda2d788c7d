#include "apps/cli/start_bench.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <spawn.h>

#include "weir/base/error.h"
#include "weir/lm/language_model.h"

namespace weir::cli {
namespace {

constexpr int64_t kTokens = 16;

// Runs the command again on `model`; returns its peak resident set in bytes.
int64_t run_child(const std::string& model) {
  std::string program = "/proc/self/exe";
  std::vector<std::string> words = {"weir", "bench", "--first-logits", "--model", model};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failure =
      posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  require(failure == 0, "bench: cannot start another weir: {}", std::strerror(failure));
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  require(WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "bench: the measured process failed with status {}", status);
  return usage.ru_maxrss * 1024;
}

bench::Result run_start(const bench::Options& options) {
  bench::Result result;
  result.name = "start";
  result.work = "process start to first logits of 16 tokens, SmolLM2-135M, warm page cache";
  result.amount = 1;
  result.unit = "starts/s";
  for (int64_t i = 0; i <= options.runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    result.peak_rss = std::max(result.peak_rss, run_child(options.model.string()));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (i > 0) result.seconds.push_back(seconds.count());
  }
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
