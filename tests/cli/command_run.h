#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

/// Runs the weir command as a user would and keeps what it said.
struct CommandRun {
  int status = -1;
  std::string out, error;
  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `arguments` as typed in a shell; `environment` such as "COLUMNS=60 NO_COLOR=1".
inline CommandRun run_weir(const std::string& arguments, const std::string& environment = "") {
  const auto error_file = std::filesystem::temp_directory_path() /
                          ("weir-cli-test-" + std::to_string(::getpid()) + ".err");
  const std::string line =
      environment + " " WEIR_COMMAND " " + arguments + " 2> " + error_file.string();
  CommandRun run;
  FILE* pipe = popen(line.c_str(), "r");
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    run.out.append(buffer.data(), n);
  }
  run.status = WEXITSTATUS(pclose(pipe));
  run.error = file_text(error_file);
  std::filesystem::remove(error_file);
  return run;
}
