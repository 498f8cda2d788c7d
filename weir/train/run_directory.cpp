#include "weir/train/run_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/atomic_folder.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kStep = "step-";

std::optional<int64_t> step_of(const std::string& name) {
  if (name.compare(0, kStep.size(), kStep) != 0 || name.size() <= kStep.size()) return std::nullopt;
  const std::string digits = name.substr(kStep.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.size() > 18) {
    return std::nullopt;
  }
  return std::stoll(digits);
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, missing)) {
    found.push_back(entry.path());
  }
  return found;
}

[[noreturn]] void refuse(const fs::path& path, const char* action) {
  fail(ErrorCode::kUnavailable, "{}: cannot be {}: {}", path.string(), action,
       std::strerror(errno));
}

// The complete lines of the file that parse and reach no further than `step`.
std::vector<json> lines_up_to(const fs::path& file, int64_t step, std::string* text) {
  std::vector<json> lines;
  if (!fs::exists(file) || fs::file_size(file) == 0) return lines;
  const auto mapped = io::MappedFile::open(file);
  std::string_view rest = mapped->bytes();
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    json value = io::parse_json(line, file.string());
    if (io::get_int(value, "step", 0, INT64_MAX, file.string()) > step) break;
    lines.push_back(std::move(value));
    *text += std::string(line) + "\n";
  }
  return lines;
}

}  // namespace

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      metrics_(std::exchange(other.metrics_, -1)) {}

RunDirectory::~RunDirectory() {
  if (metrics_ >= 0) ::close(metrics_);
  if (lock_ >= 0) ::close(lock_);  // The lock goes with it, and with a killed process.
}

void RunDirectory::lock() {
  const fs::path file = path_ / "lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) refuse(file, "made");
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(std::exchange(lock_, -1));
  fail(ErrorCode::kUnavailable, "{}: another process trains in this folder; wait for it or end it",
       path_.string());
}

RunDirectory RunDirectory::create(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    fail(ErrorCode::kUnavailable, "{}: cannot be made: {}", path.string(), error.message());
  }
  for (const fs::path& entry : entries(path)) {
    const std::string name = entry.filename();
    const bool is_ours = name == "lock" || name == "checkpoints" || name == "data";
    require(is_ours, "{}: the folder is not empty; give a new one, or --resume it", path.string());
  }
  RunDirectory made(path);
  made.lock();
  fs::remove_all(path / "checkpoints");
  fs::remove_all(made.data());
  fs::create_directories(path / "checkpoints");
  return made;
}

RunDirectory RunDirectory::join(const fs::path& path) { return RunDirectory(path); }

void RunDirectory::begin(std::string_view recipe) { io::write_file(this->recipe(), recipe); }

void RunDirectory::discard() {
  std::error_code ignored;
  for (const char* name : {"checkpoints", "data", "lock"}) fs::remove_all(path_ / name, ignored);
  fs::remove(path_, ignored);  // Only if nothing else is there.
}

RunDirectory RunDirectory::open(const fs::path& path) {
  if (!fs::exists(path / "recipe.toml")) {
    fail(ErrorCode::kNotFound, "{}: expected the folder of a training, found no recipe.toml in it",
         path.string());
  }
  RunDirectory found(path);
  found.lock();
  std::error_code error;
  fs::create_directories(path / "checkpoints", error);
  for (const fs::path& entry : entries(path / "checkpoints")) {
    if (!step_of(entry.filename())) fs::remove_all(entry, error);
  }
  return found;
}

void RunDirectory::append(const nlohmann::ordered_json& line) {
  if (!is_writer()) return;
  const fs::path file = path_ / "metrics.jsonl";
  if (metrics_ < 0) {
    metrics_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (metrics_ < 0) refuse(file, "opened");
  }
  const std::string text = io::dump_json(line) + "\n";
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(metrics_, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse(file, "written");
    written += static_cast<size_t>(n);
  }
}

std::vector<json> RunDirectory::rewind(int64_t step) {
  if (metrics_ >= 0) ::close(std::exchange(metrics_, -1));
  const fs::path file = path_ / "metrics.jsonl";
  std::string text;
  std::vector<json> lines = lines_up_to(file, step, &text);
  if (is_writer()) io::write_file(file, text);
  return lines;
}

fs::path RunDirectory::checkpoint(int64_t step) const {
  return path_ / "checkpoints" / fmt::format("{}{:08}", kStep, step);
}

void RunDirectory::save_checkpoint(int64_t step,
                                   const std::function<void(const fs::path& folder)>& write) {
  if (!is_writer()) return;
  if (fs::exists(checkpoint(step))) remove_checkpoint(step);  // Of before a resumption: the same.
  io::AtomicFolder folder(checkpoint(step));
  write(folder.path());
  folder.commit();
}

std::vector<int64_t> RunDirectory::checkpoints() const {
  std::vector<int64_t> steps;
  for (const fs::path& entry : entries(path_ / "checkpoints")) {
    if (const auto step = step_of(entry.filename())) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<int64_t> RunDirectory::last_checkpoint() const {
  const std::vector<int64_t> steps = checkpoints();
  return steps.empty() ? std::nullopt : std::optional(steps.back());
}

void RunDirectory::remove_checkpoint(int64_t step) {
  if (!is_writer()) return;
  // Renamed first: what is half removed is no checkpoint.
  const fs::path folder = checkpoint(step), gone = io::temporary_name(folder);
  std::error_code error;
  fs::rename(folder, gone, error);
  fs::remove_all(error ? folder : gone, error);
}

}  // namespace weir
