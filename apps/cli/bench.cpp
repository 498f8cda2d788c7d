#include "bench/bench.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/child_process.h"
#include "apps/cli/command.h"
#include "apps/cli/start_bench.h"
#include "apps/cli/verbs.h"
#include "weir/base/parallel.h"
#include "weir/base/progress.h"
#include "weir/store/model_store.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMostRuns = 1'000'000;  // Days of the shortest work.

struct BenchVerb {
  std::string name = "all", model = "smollm2-135m";
  int threads = 0;
  int64_t runs = 5;
  OutputOptions output;
};

std::vector<bench::Bench> all_benches() {
  std::vector<bench::Bench> all = bench::benches();
  all.push_back(start_bench());
  return all;
}

std::vector<std::string> bench_names() {
  std::vector<std::string> names = {"all"};
  for (const bench::Bench& bench : all_benches()) names.push_back(bench.name);
  return names;
}

ordered_json measured_here(const BenchVerb& verb) {
  const std::vector<bench::Bench> all = all_benches();
  const bench::Bench& bench =
      *std::find_if(all.begin(), all.end(), [&](const auto& b) { return b.name == verb.name; });
  bench::Options options;
  options.runs = verb.runs;
  if (bench.needs_model) options.model = resolve_model(verb.model);
  return bench::to_json(bench.run(options), bench::machine());
}

// In a process of its own, so that the peak memory is that of this bench and the heap is fresh.
ordered_json measured_apart(const std::string& name, const BenchVerb& verb) {
  return ordered_json::parse(
      run_self({"bench", name, "--json", "--model", verb.model, "--threads",
                std::to_string(verb.threads), "--runs", std::to_string(verb.runs)})
          .output);
}

// Prints each as it comes when lines of JSON are wanted.
std::vector<ordered_json> measured(const BenchVerb& verb) {
  std::vector<ordered_json> results;
  const auto keep = [&](ordered_json result) {
    if (verb.output.json) print_now(result.dump() + "\n");
    results.push_back(std::move(result));
  };
  if (verb.name != "all") {
    keep(measured_here(verb));
    return results;
  }
  resolve_model(verb.model);  // A missing model is told before the work of minutes.
  Progress progress("bench", all_benches().size());
  for (const bench::Bench& bench : all_benches()) {
    keep(measured_apart(bench.name, verb));
    progress.advance();
  }
  return results;
}

Report report_of(const std::vector<ordered_json>& results) {
  TableBlock table{
      "Speed", {"bench", "seconds", "rate", "unit", "GFLOP/s", "peak MiB", "check"}, {}, ""};
  TableBlock more{"More figures", {"bench", "figure", "value"}, {}, ""};
  for (const ordered_json& result : results) {
    const auto text = [&](const char* key) { return result.at(key).get<std::string>(); };
    const auto number = [&](const char* key) { return result.at(key).get<double>(); };
    const bool has_flops = number("flops") > 0;
    table.rows.push_back({text("name"), number("seconds_median"), number("rate"), text("unit"),
                          has_flops ? Cell(number("gflops_per_s")) : Cell(std::string("-")),
                          static_cast<int64_t>(number("peak_rss_mb")), text("check")});
    for (const auto& [key, value] : result.at("extra").items()) {
      more.rows.push_back({text("name"), key, value.get<double>()});
    }
  }
  const bench::Machine machine = bench::machine();
  table.note = fmt::format("{} threads; {}; BLAS {}; kernels {}", machine.threads, machine.cpu,
                           machine.blas, machine.kernels);
  Report report{"Benchmarks", plain_provenance(), {std::move(table)}};
  report.provenance.threads = machine.threads;
  if (!more.rows.empty()) report.blocks.push_back(std::move(more));
  return report;
}

void run_benches(const BenchVerb& verb) {
  set_threads(verb.threads);
  set_progress_enabled(!verb.output.quiet);
  const std::vector<ordered_json> results = measured(verb);
  if (verb.output.json) return write_files(report_of(results), verb.output);
  show_document(report_of(results), verb.output, nullptr);
}

std::string summaries() {
  std::string list;
  for (const bench::Bench& bench : all_benches()) {
    list += (list.empty() ? "" : "; ") + bench.name + ": " + bench.summary;
  }
  return list;
}

}  // namespace

void add_bench(Verb& weir) {
  auto options = std::make_shared<BenchVerb>();
  Verb& verb = weir.verb(
      {"bench",
       "measures speed on fixed work",
       "Median of several runs after a warm-up, with a check that the work was done right. --json "
       "prints one line a bench. all runs each in a process of its own, so that every peak of "
       "memory is of one bench. The work is fixed so that figures compare with each other and "
       "with other programs doing the same on the CPU: therefore no --device and no --dtype. " +
           summaries() + ".",
       {"weir bench all", "weir bench decode-1 --threads 2 --json"}});
  verb.choice("NAME", &options->name, bench_names(), "Which, or all")
      .option("--model", &options->model, "MODEL", "SmolLM2-135M for those that need a real model")
      .option("--threads", &options->threads, "N", "Threads; 0: every CPU the process may use",
              {0, most_threads()})
      .option("--runs", &options->runs, "N", "Timed runs", {1, kMostRuns});
  add_output_options(verb, options->output);
  verb.run([options] { run_benches(*options); });
}

}  // namespace weir::cli
