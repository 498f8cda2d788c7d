#pragma once

#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/cli/cli_fixture.h"
#include "tests/support/free_port.h"

/// The command in processes of its own: to be killed, or to work with another one.

/// The program itself.
inline pid_t start(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment = {}) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv = {const_cast<char*>("weir")};
    for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(WEIR_COMMAND, argv.data());
    ::_exit(125);
  }
  return child;
}

inline int status_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The command as two processes of one group, on this machine; both must end well.
inline void run_as_two(const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> environment = {{"WORLD_SIZE", "2"},
                                                    {"MASTER_ADDR", "127.0.0.1"},
                                                    {"MASTER_PORT", std::to_string(free_port())}};
  environment["RANK"] = "1";
  const pid_t second = start(arguments, environment);
  environment["RANK"] = "0";
  const int first_status = status_of(start(arguments, environment));
  if (first_status != 0) ::kill(second, SIGKILL);
  ASSERT_EQ(first_status, 0);
  EXPECT_EQ(status_of(second), 0);
}

/// Runs the command and kills it (SIGKILL) once metrics.jsonl has so many lines.
inline void run_and_kill(const std::vector<std::string>& arguments, const std::string& run,
                         int lines) {
  const pid_t child = start(arguments);
  for (int i = 0; i < 20000 && count_lines(file_text(run + "/metrics.jsonl")) < lines; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(child, SIGKILL);
  status_of(child);
}
