#include "weir/rl/verify/program_verifier.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <poll.h>
#include <spawn.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/io/json.h"

namespace weir::rl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// A child whose stdin and stdout are one end of a socket: writing to one that has ended is an
/// error, not a signal. It leads a process group, so that what it has started ends with it.
class Child {
 public:
  explicit Child(std::vector<std::string> words) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      fail(ErrorCode::kUnavailable, "cannot make a socket: {}", std::strerror(errno));
    }
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    const int failure = ::posix_spawnp(&process_, words[0].c_str(), &actions, &attributes,
                                       pointers.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    socket_ = ends[0];
    if (failure != 0) {
      process_ = -1;
      ::close(socket_);
      fail(failure == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
           "verifier {}: cannot be started: {}", words[0], std::strerror(failure));
    }
    ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
  }
  ~Child() {
    ::close(socket_);
    if (process_ < 0) return;
    ::kill(-process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Sends `text` and returns the `n_lines` lines that come back; nullopt when it ended or took
  /// longer than until `deadline`.
  std::optional<std::vector<std::string>> exchange(const std::string& text, size_t n_lines,
                                                   Clock::time_point deadline) {
    std::vector<std::string> lines;
    size_t sent = 0;
    while (lines.size() < n_lines) {
      throw_if_interrupted();
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return std::nullopt;
      const short events = sent < text.size() ? POLLIN | POLLOUT : POLLIN;
      pollfd waiting{socket_, events, 0};
      ::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 100)));
      if ((waiting.revents & POLLOUT) != 0) {
        const ssize_t n = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
        if (n > 0) sent += static_cast<size_t>(n);
      }
      if ((waiting.revents & (POLLIN | POLLHUP)) != 0 && !receive(&lines)) return std::nullopt;
    }
    return lines;
  }

 private:
  bool receive(std::vector<std::string>* lines) {
    std::array<char, 4096> buffer;
    const ssize_t n = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    pending_.append(buffer.data(), static_cast<size_t>(n));
    for (size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      lines->push_back(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
    return true;
  }

  pid_t process_ = -1;
  int socket_ = -1;
  std::string pending_;
};

class ProgramVerifier final : public Verifier {
 public:
  ProgramVerifier(std::vector<std::string> command, double seconds)
      : command_(std::move(command)), seconds_(seconds) {}

  std::vector<Judgement> judge(const std::vector<Completion>& completions) override {
    if (!child_) child_ = std::make_unique<Child>(command_);
    std::string text;
    for (const Completion& of : completions) {
      text += io::dump_json(json{{"prompt", of.prompt}, {"answer", of.text}, {"gold", of.gold}});
      text += '\n';
    }
    const auto deadline =
        Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds_));
    const auto lines = child_->exchange(text, completions.size(), deadline);
    if (!lines) {
      child_.reset();
      fail(ErrorCode::kUnavailable,
           "verifier {}: expected {} lines of JSON within {} s; it ended or took longer",
           command_[0], completions.size(), seconds_);
    }
    std::vector<Judgement> all;
    for (const std::string& line : *lines) all.push_back(read(line));
    return all;
  }

 private:
  Judgement read(const std::string& line) const {
    const std::string what = "verifier " + command_[0];
    const json said = io::parse_json(line, what);
    require(said.is_object() && said.contains("score"),
            "{}: expected lines like {{\"score\": 1}}, got '{}'", what, line.substr(0, 80));
    Judgement result;
    result.score = io::find_double(said, "score", what);
    result.read = io::find_string(said, "read", what).value_or("");
    result.outcome = result.score.value_or(0) > 0 ? Outcome::kMatch : Outcome::kMismatch;
    return result;
  }

  std::vector<std::string> command_;
  double seconds_;
  std::unique_ptr<Child> child_;
};

}  // namespace

std::unique_ptr<Verifier> make_program_verifier(const json& settings) {
  const auto command = settings.find("command");
  const bool is_list = command != settings.end() && command->is_array() && !command->empty() &&
                       std::all_of(command->begin(), command->end(),
                                   [](const json& word) { return word.is_string(); });
  require(is_list, "verifier program: expected 'command' as a list of words");
  const double seconds = io::find_double(settings, "seconds", "verifier program").value_or(10);
  require(seconds > 0, "verifier program: expected 'seconds' above 0, got {}", seconds);
  return std::make_unique<ProgramVerifier>(command->get<std::vector<std::string>>(), seconds);
}

}  // namespace weir::rl
