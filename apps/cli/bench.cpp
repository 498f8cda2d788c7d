#include "bench/bench.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/start_bench.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/store/model_store.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

struct BenchVerb {
  std::string name = "all", model = "smollm2-135m";
  int threads = 0;
  int64_t runs = 5;
  bool json = false, first_logits = false;
};

std::vector<bench::Bench> chosen(const std::string& name) {
  std::vector<bench::Bench> all = bench::benches();
  all.push_back(start_bench());
  if (name == "all") return all;
  if (name == all.back().name) return {all.back()};
  return {bench::find_bench(name)};
}

std::vector<Cell> row(const bench::Result& result) {
  const double seconds = result.median();
  return {result.name,
          seconds,
          result.rate(),
          result.unit,
          result.flops > 0 ? Cell(result.flops / seconds / 1e9) : Cell(std::string("-")),
          static_cast<int64_t>(result.peak_rss / 1000000),
          result.check};
}

void run_benches(const BenchVerb& verb) {
  set_threads(verb.threads);
  if (verb.first_logits) return print(first_logits(resolve_model(verb.model)));
  bench::Options options;
  options.runs = verb.runs;
  TableBlock table{
      "Speed", {"bench", "seconds", "rate", "unit", "GFLOP/s", "peak MB", "check"}, {}, ""};
  const bench::Machine machine = bench::machine();
  for (const bench::Bench& bench : chosen(verb.name)) {
    if (bench.needs_model) options.model = resolve_model(verb.model);
    const bench::Result result = bench.run(options);
    if (verb.json) {
      print(nlohmann::ordered_json(bench::to_json(result, machine)).dump() + "\n");
    } else {
      table.rows.push_back(row(result));
    }
  }
  if (verb.json) return;
  table.note = fmt::format("{} threads; {}; BLAS {}; kernels {}", machine.threads, machine.cpu,
                           machine.blas, machine.kernels);
  show({"Benchmarks", {}, {std::move(table)}}, {}, nullptr);
}

std::string names() {
  std::string list;
  for (const bench::Bench& bench : chosen("all")) {
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
       "prints one line a bench. " +
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
  command->add_flag("--json", verb->json, "One JSON value a line");
  // What `start` runs in a fresh process.
  command->add_flag("--first-logits", verb->first_logits, "Only load the model and run 16 tokens");
  command->callback([verb] { run_benches(*verb); });
}

}  // namespace weir::cli
