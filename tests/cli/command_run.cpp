#include "tests/cli/command_run.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <wordexp.h>

#include "apps/cli/child_process.h"
#include "apps/cli/cli.h"
#include "weir/tensor/threads.h"

namespace {

constexpr int kBroken = 125;  // The child could not be set up.

std::vector<std::string> shell_words(const std::string& text) {
  wordexp_t expanded{};
  const int failure = ::wordexp(text.c_str(), &expanded, WRDE_NOCMD | WRDE_UNDEF);
  EXPECT_EQ(failure, 0) << "not the words of a shell: " << text;
  std::vector<std::string> words;
  if (failure == 0) words.assign(expanded.we_wordv, expanded.we_wordv + expanded.we_wordc);
  ::wordfree(&expanded);
  return words;
}

void lead(int descriptor, const std::string& place, int flags) {
  if (place == "closed") {
    ::close(descriptor);
    return;
  }
  const int opened = ::open(place.c_str(), flags, 0600);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) ::_exit(kBroken);
  if (opened != descriptor) ::close(opened);
}

using Program = std::function<int(std::vector<char*>& argv)>;

[[noreturn]] void be_the_command(const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& environment,
                                 const Streams& streams, const Program& program) {
  for (const std::string& variable : environment) {
    const size_t equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  lead(STDIN_FILENO, streams.in.empty() ? "/dev/null" : streams.in, O_RDONLY);
  if (!streams.out.empty()) lead(STDOUT_FILENO, streams.out, O_WRONLY | O_CREAT);
  lead(STDERR_FILENO, streams.error, O_WRONLY | O_CREAT);
  if (streams.most_file_bytes > 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const auto most = static_cast<rlim_t>(streams.most_file_bytes);
    const rlimit limit{most, most};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(kBroken);
  }
  std::vector<std::string> words = {"weir"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::_exit(program(argv));
}

CommandRun forked(const std::string& arguments, const std::string& environment, Streams streams,
                  const Program& program) {
  const auto error_file = std::filesystem::temp_directory_path() /
                          ("weir-cli-test-" + std::to_string(::getpid()) + ".err");
  const bool keeps_error = streams.error.empty();
  if (keeps_error) streams.error = error_file.string();
  const std::vector<std::string> words = shell_words(arguments);
  const std::vector<std::string> variables = shell_words(environment);
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) ADD_FAILURE() << "no pipe";
  std::fflush(nullptr);  // Else the child would write it again.
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    be_the_command(words, variables, streams, program);
  }
  ::close(ends[1]);
  CommandRun run;
  run.out = weir::cli::read_to_end(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  EXPECT_NE(run.status, kBroken) << "cannot set up: " << arguments;
  if (keeps_error) {
    run.error = file_text(error_file);
    std::filesystem::remove(error_file);
  }
  return run;
}

// A fork has one thread: a pool that this process had started would be missed in the child. One
// thread needs no pool; the verbs set their own number.
class OneThread final : public ::testing::Environment {
 public:
  void SetUp() override { weir::set_threads(1); }
};
const auto* const g_one_thread = ::testing::AddGlobalTestEnvironment(new OneThread);

int n_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

CommandRun run_weir(const std::string& arguments, const std::string& environment,
                    const Streams& streams) {
  EXPECT_EQ(n_threads(), 1) << "of the test itself: the forked command lacks them";
  return forked(arguments, environment, streams, [](std::vector<char*>& argv) {
    const int status = weir::cli::run(static_cast<int>(argv.size()) - 1, argv.data());
    std::fflush(nullptr);
    return status;
  });
}

CommandRun exec_weir(const std::string& arguments, const std::string& environment,
                     const Streams& streams) {
  return forked(arguments, environment, streams, [](std::vector<char*>& argv) {
    ::execv(WEIR_COMMAND, argv.data());
    return kBroken;
  });
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
