#include <cstdio>
#include <exception>
#include <memory>

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>

#include "apps/cli/command.h"
#include "apps/cli/help.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/version.h"
#include "weir/tensor/compat.h"

namespace {

constexpr int kOk = 0, kFailed = 1, kWrongUsage = 2, kInterrupted = 130;

int report_error(const std::string& message, int status) {
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  return status;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return kOk;
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return report_error(weir::cli::usage_error(app, error.what()), kWrongUsage);
  } catch (const weir::Error& error) {
    if (error.code() == weir::ErrorCode::kInterrupted) {
      return report_error(error.what(), kInterrupted);
    }
    return report_error(error.what(), kFailed);
  } catch (const c10::Error& error) {
    return report_error(error.what_without_backtrace(), kFailed);
  } catch (const std::exception& error) {
    return report_error(error.what(), kFailed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir::cli;
  weir::install_interrupt_handler();
  weir::route_torch_warnings();
  set_command_line(argc, argv);
  CLI::App app("opens up transformer language models through their residual stream", "weir");
  app.formatter(std::make_shared<ManualFormatter>());
  app.set_version_flag("--version", std::string(weir::version()), "Print the version");
  app.set_help_flag("-h,--help", "Print this text");
  app.require_subcommand(1);
  add_models(app);
  add_run(app);
  add_generate(app);
  add_chat(app);
  add_tokenize(app);
  add_inspect(app);
  add_lens(app);
  add_bench(app);
  add_completion(app);
  const int status = parse_and_run(app, argc, argv);
  if (std::fflush(stdout) != 0 && status == kOk) {
    return report_error("the output cannot be written to the end (disk full?)", kFailed);
  }
  return status;
}
