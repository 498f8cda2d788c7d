#include "apps/cli/cli.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include <c10/util/Exception.h>

#include "apps/cli/command.h"
#include "apps/cli/help.h"
#include "apps/cli/parse.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/memory.h"
#include "weir/base/version.h"
#include "weir/tensor/compat.h"

namespace weir::cli {
namespace {

constexpr int kOk = 0, kFailed = 1, kWrongUsage = 2, kInterrupted = 130;

int report_error(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');  // One line, whatever is quoted in it.
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  return status;
}

void add_verbs(Verb& weir) {
  add_lens(weir);
  add_tuned_lens(weir);
  add_train(weir);
  add_policies(weir);
  add_attribute(weir);
  add_heads(weir);
  add_channels(weir);
  add_subnet(weir);
  add_embed(weir);
  add_rl(weir);
  add_sae(weir);
  add_ablate(weir);
  add_knockout(weir);
  add_trace(weir);
  add_steer(weir);
  add_recall(weir);
  add_patch(weir);
  add_inspect(weir);
  add_tokenize(weir);
  add_tasks(weir);
  add_data(weir);
  add_bench(weir);
  add_run(weir);
  add_generate(weir);
  add_chat(weir);
  add_models(weir);
  add_completion(weir);
  add_oracle(weir);
}

void call(const VerbCall& call) {
  switch (parse(call)) {
    case Wanted::kHelp:
      return print(manual(*call.verb));
    case Wanted::kVersion:
      return print(std::string(version()) + "\n");
    case Wanted::kWork:
      call.verb->do_work();
  }
}

// LibTorch's allocator throws its general error, of which only the text says what it is.
std::string words_of(const c10::Error& error) {
  const std::string text = error.what_without_backtrace(), mark = "you tried to allocate ";
  const size_t place = text.find(mark);
  if (place == std::string::npos) return text;
  const double bytes = std::strtod(text.c_str() + place + mark.size(), nullptr);
  return fmt::format(
      "the memory does not suffice: {} more were needed, {} are available; ask for "
      "less at once",
      memory_text(bytes), memory_text(static_cast<double>(available_memory())));
}

int status_of(const VerbCall& verb_call) {
  try {
    call(verb_call);
    return kOk;
  } catch (const UsageError& error) {
    const std::string name = verb_call.verb->full_name();
    return report_error(fmt::format("{} (see {} --help)", error.what(), name), kWrongUsage);
  } catch (const Error& error) {
    const bool is_stop = error.code() == ErrorCode::kInterrupted;
    return report_error(error.what(), is_stop ? kInterrupted : kFailed);
  } catch (const c10::Error& error) {
    return report_error(words_of(error), kFailed);
  } catch (const std::bad_alloc&) {
    return report_error("the memory does not suffice; ask for less at once", kFailed);
  } catch (const std::exception& error) {
    return report_error(error.what(), kFailed);
  }
}

}  // namespace

int run(int argc, char** argv) {
  hold_standard_streams();
  install_interrupt_handler();
  route_torch_warnings();
  keep_freed_memory();
  set_command_line(argc, argv);
  Verb weir({"weir", "opens up transformer language models through their residual stream"});
  add_verbs(weir);
  const int status = status_of(find_verb(weir, {argv + std::min(argc, 1), argv + argc}));
  if (!streams_are_well() && status == kOk) {
    return report_error("the output cannot be written to the end (disk full?)", kFailed);
  }
  return status;
}

}  // namespace weir::cli
