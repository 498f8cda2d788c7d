#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

/// What the weir command said, as a user would see it.
struct CommandRun {
  int status = -1;  ///< 128 + signal when one ended it.
  std::string out, error;
  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

/// Where the streams of a command lead: a path, "closed", or "" for nothing to read and for what is
/// to be kept in CommandRun.
struct Streams {
  std::string in = {}, out = {}, error = {};
  int64_t most_file_bytes = 0;  ///< No file can grow past this, as if the disk were full; 0: any.
};

/// The command in a fork of this process, where LibTorch is loaded already (half a second a call).
/// `arguments` are quoted as in a shell, without redirections; `environment` is such as
/// "COLUMNS=60 NO_COLOR=1".
CommandRun run_weir(const std::string& arguments, const std::string& environment = "",
                    const Streams& streams = {});
/// The same by the program itself, for what belongs to a process.
CommandRun exec_weir(const std::string& arguments, const std::string& environment = "",
                     const Streams& streams = {});

std::string file_text(const std::filesystem::path& path);
