#include "apps/cli/command.h"
#include "apps/cli/start_bench.h"
#include "apps/cli/verbs.h"
#include "weir/tensor/threads.h"

namespace weir::cli {

void add_oracle(Verb& weir) {
  Verb& oracle = weir.verb({"oracle", "answers programs, not people"}).hidden();
  struct FirstLogits {
    std::string model;
    int threads = 0;
  };
  auto options = std::make_shared<FirstLogits>();
  Verb& verb = oracle.verb({"first-logits", "what `weir bench start` runs in a fresh process"});
  verb.argument("MODEL", &options->model, "The path of a model")
      .option("--threads", &options->threads, "N", "Threads");
  verb.run([options] {
    set_threads(options->threads);
    print(first_logits(options->model));
  });
}

}  // namespace weir::cli
