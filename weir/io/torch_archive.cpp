#include "weir/io/torch_archive.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/printable.h"
#include "weir/io/sharded.h"
#include "weir/io/torch_pickle.h"
#include "weir/io/torch_tensors.h"
#include "weir/io/zip_archive.h"

namespace weir::io {
namespace {

constexpr std::string_view kPickleName = "data.pkl";
constexpr uint64_t kStorageAlignment = 8;
// Real names take about as much room as the pickle that lists them.
constexpr uint64_t kNameBytesPerPickleByte = 16;
constexpr uint64_t kLeastNameBytes = uint64_t{1} << 16;
constexpr uint64_t kMostNameBytes = uint64_t{256} << 20;
// A strided tensor usually takes what its storage takes; several may share one.
constexpr uint64_t kCopyBytesPerFileByte = 4;
constexpr uint64_t kLeastCopyBytes = uint64_t{64} << 20;

void refuse_old_format(const MappedFile& file) {
  // The old format is a sequence of pickles of protocol 2.
  if (file.bytes().substr(0, 2) != "\x80\x02") return;
  fail(ErrorCode::kUnsupported,
       "{}: a checkpoint in PyTorch's format from before 1.6; convert it in Python: "
       "torch.save(torch.load(OLD, map_location='cpu', weights_only=True), NEW)",
       file.path());
}

/// The entries of one checkpoint, all below one folder whose name the writer chose.
class Checkpoint {
 public:
  explicit Checkpoint(const std::shared_ptr<const MappedFile>& file) : archive_(file) {
    find_folder();
    check_byte_order();
    if (find("constants.pkl") != nullptr) {
      fail(ErrorCode::kUnsupported,
           "{}: a TorchScript program; save its tensors: torch.save(module.state_dict(), ...)",
           path());
    }
  }

  std::string_view pickle() const {
    const ZipEntry& entry = *find(kPickleName);
    check_is_stored(entry);
    archive_.check_stored(entry);
    return archive_.stored(entry);
  }

  StorageBytes storage(std::string_view key) {
    const auto [place, is_new] = storages_.emplace(key, StorageBytes{});
    if (is_new) place->second = load_storage(key);
    return place->second;
  }

 private:
  const std::string& path() const { return archive_.file()->path(); }

  const ZipEntry* find(std::string_view name) const {
    return archive_.find(folder_ + std::string(name));
  }

  void find_folder() {
    for (const ZipEntry& entry : archive_.entries()) {
      const std::string& name = entry.name;
      const size_t slash = name.find('/');
      if (slash == std::string::npos || name.compare(slash + 1, name.npos, kPickleName) != 0) {
        continue;
      }
      folder_ = name.substr(0, slash + 1);
      return;
    }
    fail(ErrorCode::kCorruptData, "{}: not a PyTorch checkpoint: the archive holds no {}", path(),
         kPickleName);
  }

  void check_byte_order() const {
    const ZipEntry* entry = find("byteorder");
    if (entry == nullptr || archive_.head(*entry, 16) == "little") return;
    fail(ErrorCode::kUnsupported,
         "{}: the byte order is '{}'; only little-endian checkpoints are read", path(),
         printable(archive_.head(*entry, 16)));
  }

  void check_is_stored(const ZipEntry& entry) const {
    if (!entry.is_deflated) return;
    fail(ErrorCode::kUnsupported,
         "{}: entry '{}' is compressed, which torch.save never does; save it again", path(),
         printable(entry.name));
  }

  StorageBytes load_storage(std::string_view key) const {
    const ZipEntry* entry = find("data/" + std::string(key));
    if (entry == nullptr) {
      fail(ErrorCode::kCorruptData, "{}: the storage '{}' is missing", path(), printable(key));
    }
    check_is_stored(*entry);
    const std::string_view bytes = archive_.stored(*entry);
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    if (reinterpret_cast<uintptr_t>(data) % kStorageAlignment == 0) {
      return {data, bytes.size(), archive_.file()};
    }
    const std::shared_ptr<std::byte[]> copy = allocate_tensor(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.get(), data, bytes.size());
    return {copy.get(), bytes.size(), copy};
  }

  ZipArchive archive_;
  std::string folder_;
  std::unordered_map<std::string, StorageBytes> storages_;
};

}  // namespace

TensorMap read_torch_archive(const std::filesystem::path& path) {
  return parse_torch_archive(MappedFile::open(path));
}

TensorMap parse_torch_archive(const std::shared_ptr<const MappedFile>& file) {
  refuse_old_format(*file);
  Checkpoint checkpoint(file);
  const std::string_view bytes = checkpoint.pickle();
  const TorchPickle pickle = parse_torch_pickle(bytes, file->path());
  TorchNamingLimits limits;
  limits.name_bytes =
      std::min(kLeastNameBytes + kNameBytesPerPickleByte * bytes.size(), kMostNameBytes);
  limits.copy_bytes = kLeastCopyBytes + kCopyBytesPerFileByte * file->size();
  return name_torch_tensors(
      pickle, [&](std::string_view key) { return checkpoint.storage(key); }, limits, file->path());
}

TensorMap read_sharded_torch(const std::filesystem::path& index_path) {
  return read_sharded(index_path, &read_torch_archive);
}

}  // namespace weir::io
