#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "weir/io/tensor_view.h"

/// The pickle inside a PyTorch checkpoint, read without Python.
///
/// A pickle is a program for a stack machine that may import and call anything. This machine
/// imports nothing: it knows a short list of names (torch_objects.cpp) and what calling each of
/// them means, and refuses every other one. What comes out is plain data. Work and memory are
/// bounded by the length of the pickle.
namespace weir::io {

struct PickleNone {};
/// A value that is there but of no use: bytes, a device, an integer beyond 64 bits.
struct PickleOpaque {};
/// A list, tuple or set: an index into TorchPickle::sequences. One index seen twice is one object.
struct PickleSequence {
  uint32_t index;
};
/// An index into TorchPickle::dicts.
struct PickleDict {
  uint32_t index;
};
/// An index into TorchPickle::storages.
struct PickleStorage {
  uint32_t index;
};
/// An index into TorchPickle::tensors.
struct PickleTensor {
  uint32_t index;
};

/// A name that a pickle may import.
struct TorchGlobal {
  enum class Kind {
    kOrderedDict,
    kSet,
    kBytes,    ///< _codecs.encode: how old protocols write bytes.
    kSize,     ///< torch.Size
    kDevice,   ///< torch.device
    kType,     ///< torch.Tensor, torch.nn.parameter.Parameter
    kStorage,  ///< torch.FloatStorage, ...: `dtype` is that of its elements.
    kDtype,    ///< torch.float32, ...
    kRebuildTensor,
    kRebuildTensorWithDtype,
    kRebuildParameter,
    kRebuildFromType,
  };
  Kind kind;
  DType dtype;
};

/// Strings point into the pickle.
using PickleValue =
    std::variant<PickleNone, PickleOpaque, bool, int64_t, double, std::string_view, PickleSequence,
                 PickleDict, TorchGlobal, PickleStorage, PickleTensor>;

/// Bytes elsewhere in the archive, under "data/KEY".
struct PickledStorage {
  std::string_view key;
  uint64_t n_bytes = 0;
};

/// Elements of a storage; `offset` and `strides` count elements. Nothing is checked against the
/// storage yet.
struct PickledTensor {
  PickledStorage storage;
  DType dtype = DType::kF32;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct TorchPickle {
  PickleValue root;
  std::vector<std::vector<PickleValue>> sequences;
  std::vector<std::vector<std::pair<PickleValue, PickleValue>>> dicts;  ///< In file order.
  std::vector<std::pair<PickledStorage, DType>> storages;               ///< With element type.
  std::vector<PickledTensor> tensors;
};

/// Reads protocols 2 to 5. `what` names the pickle in messages. kCorruptData when it breaks the
/// format or a bound; kUnsupported, with the name, when it imports something unknown. `bytes` must
/// outlive the result.
TorchPickle parse_torch_pickle(std::string_view bytes, std::string_view what);

}  // namespace weir::io
