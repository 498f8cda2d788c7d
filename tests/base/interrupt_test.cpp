#include "weir/base/interrupt.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

// The flag stays set, so each test runs in a process of its own: the exit code tells what happened.
template <typename Work>
[[noreturn]] void exit_with_code_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    std::_Exit(error.code() == ErrorCode::kInterrupted ? 10 : 11);
  }
  std::_Exit(0);
}

TEST(Interrupt, IsNotSetAtFirst) {
  EXPECT_FALSE(interrupted());
  EXPECT_NO_THROW(throw_if_interrupted());
}

TEST(Interrupt, ASignalSetsTheFlagInsteadOfKilling) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(exit_with_code_of([&] {
                  install_interrupt_handler();
                  std::raise(signal);
                  if (interrupted()) throw_if_interrupted();
                }),
                testing::ExitedWithCode(10), "");
  }
}

TEST(Interrupt, TheSecondSignalKills) {
  EXPECT_EXIT(exit_with_code_of([] {
                install_interrupt_handler();
                std::raise(SIGINT);
                std::raise(SIGINT);
              }),
              testing::KilledBySignal(SIGINT), "");
}

TEST(Interrupt, AForgottenCtrlCLetsTheNextBeNoticed) {
  EXPECT_EXIT(exit_with_code_of([] {
                install_interrupt_handler();
                if (forget_ctrl_c()) std::_Exit(12);  // There was none.
                std::raise(SIGINT);
                if (!forget_ctrl_c() || interrupted()) std::_Exit(13);
                std::raise(SIGINT);
                throw_if_interrupted();
              }),
              testing::ExitedWithCode(10), "");
}

TEST(Interrupt, ATerminationIsNotForgotten) {
  EXPECT_EXIT(exit_with_code_of([] {
                install_interrupt_handler();
                std::raise(SIGTERM);
                if (forget_ctrl_c()) std::_Exit(12);
                throw_if_interrupted();
              }),
              testing::ExitedWithCode(10), "");
}

TEST(Interrupt, StopsWorkThatShowsProgress) {
  EXPECT_EXIT(exit_with_code_of([] {
                install_interrupt_handler();
                Progress progress("work", 10);
                progress.advance();
                std::raise(SIGINT);
                progress.advance();
                std::_Exit(12);
              }),
              testing::ExitedWithCode(10), "");
}

}  // namespace
}  // namespace weir
