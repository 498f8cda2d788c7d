#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace weir::store {

struct Command {
  std::vector<std::string> arguments;  ///< The program, found in PATH, comes first. No shell.
  std::vector<std::string> variables;  ///< "NAME=VALUE", beside this process's environment.
  std::filesystem::path output;        ///< Receives what the program prints.
};

/// A program that runs beside this one; ended when the object goes.
class Subprocess {
 public:
  /// kNotFound when there is no such program.
  explicit Subprocess(const Command& command);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  /// True once it ended.
  bool has_ended();
  /// 0 for success; 128 + signal when one ended it. Valid once it ended.
  int exit_status() const noexcept { return exit_status_; }

 private:
  pid_t process_ = -1;
  int exit_status_ = -1;
};

}  // namespace weir::store
