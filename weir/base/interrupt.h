#pragma once

namespace weir {

/// Makes Ctrl-C (SIGINT) and SIGTERM set a flag instead of killing the process at once; a second
/// Ctrl-C kills. Called by programs, never by the library.
void install_interrupt_handler();

/// True once the user asked to stop.
bool interrupted() noexcept;

/// Forgets a Ctrl-C, so that the next one is noticed again: for programs that stop one thing and go
/// on. False when there was none; a SIGTERM stays.
bool forget_ctrl_c();

/// Throws kInterrupted once the user asked to stop. Long loops call it between steps, at places
/// where nothing is lost.
void throw_if_interrupted();

}  // namespace weir
