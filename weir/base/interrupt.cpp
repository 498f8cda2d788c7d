#include "weir/base/interrupt.h"

#include <csignal>

#include "weir/base/error.h"

namespace weir {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;  // The signal.

extern "C" void on_interrupt(int signal) {
  g_interrupted = signal;
  std::signal(signal, SIG_DFL);  // The next one kills.
}

}  // namespace

void install_interrupt_handler() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool interrupted() noexcept { return g_interrupted != 0; }

bool forget_ctrl_c() {
  if (g_interrupted != SIGINT) return false;
  g_interrupted = 0;
  std::signal(SIGINT, on_interrupt);
  return true;
}

void throw_if_interrupted() {
  if (interrupted()) fail(ErrorCode::kInterrupted, "stopped by the user");
}

}  // namespace weir
