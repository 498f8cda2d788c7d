#include "apps/cli/child_process.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spawn.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir::cli {
namespace {

struct Child {
  pid_t process = 0;
  int output = -1;  // The end of a pipe from which its stdout is read.
};

Child start(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"weir"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    fail(ErrorCode::kUnavailable, "cannot make a pipe: {}", std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  Child child{0, ends[0]};
  const int failure =
      ::posix_spawn(&child.process, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failure != 0) {
    ::close(ends[0]);
    fail(ErrorCode::kUnavailable, "cannot start another weir: {}", std::strerror(failure));
  }
  return child;
}

}  // namespace

std::string read_to_end(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t n = ::read(descriptor, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  ::close(descriptor);
  return text;
}

ChildResult run_self(const std::vector<std::string>& arguments) {
  const Child child = start(arguments);
  ChildResult result;
  result.output = read_to_end(child.output);
  int status = 0;
  rusage usage{};
  while (::wait4(child.process, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  throw_if_interrupted();
  const int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (exit_status != 0) {
    fail(ErrorCode::kInternal, "weir {} ... ended with status {}", arguments.at(0), exit_status);
  }
  result.peak_rss = usage.ru_maxrss * 1024;
  return result;
}

}  // namespace weir::cli
