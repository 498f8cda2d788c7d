#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// Speed on fixed work, each with a check that the work was done right. `weir bench` prints them.
/// Figures are comparable only within one run on one machine; docs/performance.md reads them.
namespace weir::bench {

struct Options {
  std::filesystem::path model;  ///< SmolLM2-135M-Instruct.Q4_1.gguf, for the benches that need it.
  int64_t runs = 5;             ///< Timed calls after one that is not counted.
};

/// Of at least one value.
double median(std::vector<double> values);

struct Result {
  std::string name;
  std::string work;             ///< What one call does.
  std::vector<double> seconds;  ///< Of each timed call.
  double amount = 0;            ///< Units of work in one call.
  std::string unit;             ///< "tokens/s", ...
  double flops = 0;             ///< The least that the work needs (multiply + add = 2).
  int64_t peak_rss = 0;         ///< Bytes, of the process so far: measure one bench a process.
  std::string check;            ///< What was compared, and how close it came.
  std::map<std::string, double> extra;  ///< More figures, by name with unit ("seconds_one_hook").

  double median() const { return bench::median(seconds); }
  double rate() const { return amount / median(); }
};

struct Bench {
  std::string name;
  std::string summary;
  bool needs_model = false;
  Result (*run)(const Options& options) = nullptr;
};

/// gemm, forward, forward-cache, hooks, given, train-step, mask-step, harvest, dashboard, sae-step,
/// sae-step-dead, vocab-loss, patch-head-z, path-patching, attribution-grids, composition,
/// composition-components, composition-xl, composition-7b, tokenize, lens, decode-1, decode-busy,
/// decode-8, prefill, steer-sweep.
const std::vector<Bench>& benches();

/// What the figures depend on.
struct Machine {
  std::string cpu, blas, kernels;
  int threads = 0;
};
Machine machine();

/// {name, work, seconds_median, seconds_min, seconds_max, runs, rate, unit, flops, gflops_per_s,
/// peak_rss_mb (MiB), check, extra, cpu, blas, kernels, threads}
nlohmann::ordered_json to_json(const Result& result, const Machine& machine);

}  // namespace weir::bench
