#include "weir/store/subprocess.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spawn.h>

#include "weir/base/error.h"

namespace weir::store {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// The environment of this process with `variables` put in.
std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  std::vector<std::string> merged = variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string start = text.substr(0, text.find('=') + 1);
    bool is_replaced = false;
    for (const std::string& variable : variables) {
      is_replaced |= variable.compare(0, start.size(), start) == 0;
    }
    if (!is_replaced) merged.push_back(text);
  }
  return merged;
}

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  void send_output_to(const std::filesystem::path& path) {
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

Subprocess::Subprocess(const Command& command) {
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> variables = environment_with(command.variables);
  SpawnActions actions;
  actions.send_output_to(command.output);
  const int error = posix_spawnp(&process_, arguments[0].c_str(), actions.get(), nullptr,
                                 pointers(arguments).data(), pointers(variables).data());
  if (error != 0) {
    process_ = -1;
    fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
         "{}: cannot be started: {}", arguments[0], std::strerror(error));
  }
}

Subprocess::~Subprocess() {
  if (process_ < 0) return;
  ::kill(process_, SIGTERM);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Subprocess::has_ended() {
  if (process_ < 0) return true;
  int status = 0;
  const pid_t ended = ::waitpid(process_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
  process_ = -1;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

}  // namespace weir::store
