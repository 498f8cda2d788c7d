#include "bench/bench.h"

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/child_process.h"
#include "apps/cli/command.h"
#include "apps/cli/start_bench.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/store/model_store.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct BenchVerb {
  std::string name = "all", model = "smollm2-135m";
  int threads = 0;
  int64_t runs = 5;
  OutputOptions output;
  bool first_logits = false;
};

std::vector<bench::Bench> all_benches() {
  std::vector<bench::Bench> all = bench::benches();
  all.push_back(start_bench());
  return all;
}

bench::Bench find_bench(const std::string& name) {
  std::string known = "all";
  for (const bench::Bench& bench : all_benches()) {
    if (bench.name == name) return bench;
    known += ", " + bench.name;
  }
  fail(ErrorCode::kNotFound, "bench: '{}' is not one of {}", name, known);
}

ordered_json measured_here(const BenchVerb& verb) {
  const bench::Bench bench = find_bench(verb.name);
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
    if (verb.output.json) print(result.dump() + "\n");
    std::fflush(stdout);
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
  require_usage(verb.runs >= 1, fmt::format("--runs: expected 1 or more, got {}", verb.runs));
  set_threads(verb.threads);
  set_progress_enabled(!verb.output.quiet);
  if (verb.first_logits) return print(first_logits(resolve_model(verb.model)));
  const std::vector<ordered_json> results = measured(verb);
  if (verb.output.json) return write_files(report_of(results), verb.output);
  show_document(report_of(results), verb.output, nullptr);
}

std::string names() {
  std::string list;
  for (const bench::Bench& bench : all_benches()) {
    list += (list.empty() ? "" : "; ") + bench.name + ": " + bench.summary;
  }
  return list;
}

}  // namespace

void add_bench(CLI::App& app) {
  auto verb = std::make_shared<BenchVerb>();
  CLI::App* command = add_verb(
      app,
      {"bench",
       "measures speed on fixed work",
       "Median of several runs after a warm-up, with a check that the work was done right. --json "
       "prints one line a bench. all runs each in a process of its own, so that every peak of "
       "memory is of one bench. The work is fixed so that figures compare with each other and "
       "with other programs doing the same on the CPU: therefore no --device and no --dtype. " +
           names() + ".",
       {"weir bench all", "weir bench decode-1 --threads 2 --json"}});
  command->add_option("NAME", verb->name, "Which, or all")->capture_default_str();
  command->add_option("--model", verb->model, "SmolLM2-135M for those that need a real model")
      ->type_name("MODEL")
      ->capture_default_str();
  command->add_option("--threads", verb->threads, "Threads; 0: every CPU the process may use")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--runs", verb->runs, "Timed runs")->type_name("N")->capture_default_str();
  add_output_options(*command, verb->output);
  // What `start` runs in a fresh process; an empty group hides it.
  command->add_flag("--first-logits", verb->first_logits)->group("");
  command->callback([verb] { run_benches(*verb); });
}

}  // namespace weir::cli
