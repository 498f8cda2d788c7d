#include "apps/cli/line_reader.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <poll.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir::cli {
namespace {

// A signal may reach another thread or come just before the wait, so the wait looks up again.
constexpr int kLookUpMilliseconds = 100;

void wait_for_input(int descriptor) {
  pollfd input{descriptor, POLLIN, 0};
  do {
    throw_if_interrupted();
  } while (::poll(&input, 1, kLookUpMilliseconds) <= 0);
}

// Ctrl-C makes a terminal forget what was typed: a read that poll has promised would then block.
// So the terminal is opened once more, without blocking; stdin itself is shared with the shell.
int open_input() {
  if (isatty(STDIN_FILENO) != 1) return STDIN_FILENO;
  const int opened = ::open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return opened < 0 ? STDIN_FILENO : opened;
}

}  // namespace

LineReader::LineReader() : descriptor_(open_input()) {}

LineReader::~LineReader() {
  if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
}

bool LineReader::next(std::string& line) {
  size_t end = 0;
  while ((end = pending_.find('\n')) == std::string::npos) {
    if (read_more()) continue;
    line = std::move(pending_);
    pending_.clear();
    return !line.empty();
  }
  line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return true;
}

bool LineReader::read_more() {
  std::array<char, 4096> buffer;
  while (true) {
    wait_for_input(descriptor_);
    const ssize_t n = ::read(descriptor_, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail(ErrorCode::kUnavailable, "stdin: {}", std::strerror(errno));
    pending_.append(buffer.data(), static_cast<size_t>(n));
    return n > 0;
  }
}

}  // namespace weir::cli
