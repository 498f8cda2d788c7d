#pragma once

#include <filesystem>
#include <memory>

#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

/// PyTorch's zip checkpoints (`torch.save` since 1.6: .pt, .pth, .bin). A small pickle machine
/// (torch_pickle.h) that knows tensors, parameters, dicts, lists, tuples, sets, numbers and
/// strings, and nothing else: no global is looked up beyond its list and nothing is executed.
namespace weir::io {

/// Every tensor in the archive under its path: keys of nested dicts and indices of lists joined by
/// '.'; a tensor saved alone is called "data". Views onto the stored bytes, so tensors that share a
/// storage still do; a strided tensor is copied to C order. Numbers, bools and strings in the
/// outermost dict, or in a dict in it ("model_args.n_layer"), become metadata. The checksums of the
/// tensors' bytes are not looked at.
///
/// kUnsupported for the old non-zip format (says how to convert), for objects of other classes
/// (names the class), big-endian files and two tensors of one name; kCorruptData for broken files.
TensorMap read_torch_archive(const std::filesystem::path& path);
TensorMap parse_torch_archive(const std::shared_ptr<const MappedFile>& file);

/// All tensors that a `pytorch_model.bin.index.json` lists; see sharded.h.
TensorMap read_sharded_torch(const std::filesystem::path& index_path);

}  // namespace weir::io
