#include "weir/io/npy.h"

#include <algorithm>
#include <string>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/npy_header.h"
#include "weir/io/printable.h"
#include "weir/io/strided.h"
#include "weir/io/zip_archive.h"

namespace weir::io {
namespace {

constexpr std::string_view kExtension = ".npy";

TensorView make_tensor(const std::shared_ptr<const MappedFile>& file, const std::string& name,
                       const NpyHeader& header, uint64_t offset) {
  TensorView tensor = file_tensor(file, name, header.dtype, header.shape, offset);
  if (header.is_fortran && header.shape.size() > 1) {
    const std::shared_ptr<std::byte[]> copy =
        gather_strided(tensor.data, static_cast<size_t>(block_bytes(header.dtype)), header.shape,
                       fortran_order_strides(header.shape));
    tensor.data = copy.get();
    tensor.owner = copy;
  }
  return tensor;
}

void check_size(const MappedFile& file, const std::string& name, const NpyHeader& header,
                uint64_t n_bytes) {
  if (n_bytes - header.data_offset == header.n_bytes) return;
  fail(ErrorCode::kCorruptData, "{}: array '{}': {} of shape {} needs {} bytes, found {}",
       file.path(), printable(name), to_string(header.dtype), shape_text(header.shape),
       header.n_bytes, n_bytes - header.data_offset);
}

TensorView read_entry(const ZipArchive& archive, const ZipEntry& entry) {
  const MappedFile& file = *archive.file();
  std::string name = entry.name;
  if (name.size() > kExtension.size() &&
      name.compare(name.size() - kExtension.size(), kExtension.size(), kExtension) == 0) {
    name.resize(name.size() - kExtension.size());
  } else {
    fail(ErrorCode::kCorruptData, "{}: entry '{}' is not an array (.npy)", file.path(),
         printable(name));
  }
  const std::string what = file.path() + ": array '" + printable(name) + "'";
  const NpyHeader header = parse_npy_header(archive.head(entry, kMaxNpyHeaderBytes), what);
  check_size(file, name, header, entry.n_bytes);
  if (!entry.is_deflated) {
    archive.check_stored(entry);
    return make_tensor(archive.file(), name, header, entry.data_offset + header.data_offset);
  }
  const std::string bytes = archive.read(entry);
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return make_tensor(MappedFile::from_bytes({begin, begin + bytes.size()}, file.path()), name,
                     header, header.data_offset);
}

}  // namespace

TensorMap read_npy(const std::filesystem::path& path) { return parse_npy(MappedFile::open(path)); }

TensorMap parse_npy(const std::shared_ptr<const MappedFile>& file) {
  const NpyHeader header = parse_npy_header(file->bytes(), file->path());
  check_size(*file, "data", header, file->size());
  TensorMap map;
  map.source = file->path();
  map.tensors.push_back(make_tensor(file, "data", header, header.data_offset));
  return map;
}

TensorMap read_npz(const std::filesystem::path& path) { return parse_npz(MappedFile::open(path)); }

TensorMap parse_npz(const std::shared_ptr<const MappedFile>& file) {
  const ZipArchive archive(file);
  TensorMap map;
  map.source = file->path();
  for (const ZipEntry& entry : archive.entries()) map.tensors.push_back(read_entry(archive, entry));
  return map;
}

void write_npz(const std::filesystem::path& path, const std::vector<TensorView>& tensors) {
  ZipWriter writer(path);
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors) {
    require(std::find(names.begin(), names.end(), tensor.name) == names.end(),
            "{}: two arrays are called '{}'", path.string(), printable(tensor.name));
    names.push_back(tensor.name);
    const auto* data = reinterpret_cast<const char*>(tensor.data);
    writer.add(tensor.name + std::string(kExtension), npy_header_text(tensor),
               {data, tensor.n_bytes});
  }
  writer.finish();
}

}  // namespace weir::io
