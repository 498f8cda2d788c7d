#include "weir/io/torch_objects.h"

#include "weir/base/error.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

using Kind = TorchGlobal::Kind;

constexpr size_t kMaxDims = 16;
constexpr size_t kMaxTensors = size_t{1} << 18;

struct KnownGlobal {
  std::string_view module;
  std::string_view name;
  TorchGlobal global;
};

constexpr DType kNoType = DType::kU8;

constexpr KnownGlobal kKnownGlobals[] = {
    {"torch._utils", "_rebuild_tensor_v2", {Kind::kRebuildTensor, kNoType}},
    {"torch._utils", "_rebuild_tensor_v3", {Kind::kRebuildTensorWithDtype, kNoType}},
    {"torch._utils", "_rebuild_parameter", {Kind::kRebuildParameter, kNoType}},
    {"torch._utils", "_rebuild_parameter_with_state", {Kind::kRebuildParameter, kNoType}},
    {"torch._tensor", "_rebuild_from_type_v2", {Kind::kRebuildFromType, kNoType}},
    {"torch", "Tensor", {Kind::kType, kNoType}},
    {"torch.nn.parameter", "Parameter", {Kind::kType, kNoType}},
    {"torch.nn.parameter", "Buffer", {Kind::kType, kNoType}},
    {"torch", "Size", {Kind::kSize, kNoType}},
    {"torch", "device", {Kind::kDevice, kNoType}},
    {"collections", "OrderedDict", {Kind::kOrderedDict, kNoType}},
    {"builtins", "set", {Kind::kSet, kNoType}},
    {"builtins", "frozenset", {Kind::kSet, kNoType}},
    {"__builtin__", "set", {Kind::kSet, kNoType}},
    {"__builtin__", "frozenset", {Kind::kSet, kNoType}},
    {"_codecs", "encode", {Kind::kBytes, kNoType}},
    {"torch", "DoubleStorage", {Kind::kStorage, DType::kF64}},
    {"torch", "FloatStorage", {Kind::kStorage, DType::kF32}},
    {"torch", "HalfStorage", {Kind::kStorage, DType::kF16}},
    {"torch", "BFloat16Storage", {Kind::kStorage, DType::kBF16}},
    {"torch", "LongStorage", {Kind::kStorage, DType::kI64}},
    {"torch", "IntStorage", {Kind::kStorage, DType::kI32}},
    {"torch", "ShortStorage", {Kind::kStorage, DType::kI16}},
    {"torch", "CharStorage", {Kind::kStorage, DType::kI8}},
    {"torch", "ByteStorage", {Kind::kStorage, DType::kU8}},
    {"torch", "BoolStorage", {Kind::kStorage, DType::kBool}},
    {"torch.storage", "UntypedStorage", {Kind::kStorage, DType::kU8}},
    {"torch", "UntypedStorage", {Kind::kStorage, DType::kU8}},
    {"torch", "float64", {Kind::kDtype, DType::kF64}},
    {"torch", "float32", {Kind::kDtype, DType::kF32}},
    {"torch", "float16", {Kind::kDtype, DType::kF16}},
    {"torch", "bfloat16", {Kind::kDtype, DType::kBF16}},
    {"torch", "float8_e4m3fn", {Kind::kDtype, DType::kF8E4M3}},
    {"torch", "float8_e5m2", {Kind::kDtype, DType::kF8E5M2}},
    {"torch", "int64", {Kind::kDtype, DType::kI64}},
    {"torch", "int32", {Kind::kDtype, DType::kI32}},
    {"torch", "int16", {Kind::kDtype, DType::kI16}},
    {"torch", "int8", {Kind::kDtype, DType::kI8}},
    {"torch", "uint64", {Kind::kDtype, DType::kU64}},
    {"torch", "uint32", {Kind::kDtype, DType::kU32}},
    {"torch", "uint16", {Kind::kDtype, DType::kU16}},
    {"torch", "uint8", {Kind::kDtype, DType::kU8}},
    {"torch", "bool", {Kind::kDtype, DType::kBool}},
};

/// The arguments of one call.
class Arguments {
 public:
  Arguments(const PickleValue& tuple, std::string_view what, TorchPickle* pickle)
      : what_(what), pickle_(pickle) {
    const auto* sequence = std::get_if<PickleSequence>(&tuple);
    if (sequence == nullptr) corrupt("a call without a tuple of arguments");
    index_ = sequence->index;
  }

  [[noreturn]] void corrupt(std::string_view fault) const {
    fail(ErrorCode::kCorruptData, "{}: not a valid checkpoint: {}", what_, fault);
  }
  [[noreturn]] void unsupported(std::string_view fault) const {
    fail(ErrorCode::kUnsupported, "{}: {}", what_, fault);
  }

  size_t size() const { return items().size(); }
  const PickleValue& value(size_t i) const {
    if (i >= size()) corrupt("a call with too few arguments");
    return items()[i];
  }
  template <typename T>
  const T& as(size_t i, std::string_view expected) const {
    const T* result = std::get_if<T>(&value(i));
    if (result == nullptr) corrupt(fmt::format("{} expected", expected));
    return *result;
  }
  int64_t natural(size_t i, std::string_view expected) const {
    const auto number = as<int64_t>(i, expected);
    if (number < 0) corrupt(fmt::format("{} expected, found {}", expected, number));
    return number;
  }
  std::vector<int64_t> naturals(size_t i, std::string_view expected) const {
    const Arguments numbers(value(i), what_, pickle_);
    if (numbers.size() > kMaxDims) {
      unsupported(
          fmt::format("a tensor of {} dimensions; at most {} are read", numbers.size(), kMaxDims));
    }
    std::vector<int64_t> result;
    for (size_t k = 0; k < numbers.size(); ++k) result.push_back(numbers.natural(k, expected));
    return result;
  }
  Kind global(size_t i, std::string_view expected) const {
    return as<TorchGlobal>(i, expected).kind;
  }

 private:
  const std::vector<PickleValue>& items() const { return pickle_->sequences[index_]; }

  std::string_view what_;
  TorchPickle* pickle_;
  uint32_t index_ = 0;
};

// (storage, offset, size, stride, requires_grad, hooks[, metadata]); with a dtype, that comes
// before the metadata and the storage is untyped.
PickleValue rebuild_tensor(const Arguments& arguments, bool with_dtype, TorchPickle* pickle) {
  const auto& [storage, storage_dtype] =
      pickle->storages[arguments.as<PickleStorage>(0, "the storage of a tensor").index];
  PickledTensor tensor;
  tensor.storage = storage;
  tensor.dtype = storage_dtype;
  tensor.offset = arguments.natural(1, "the offset of a tensor");
  tensor.shape = arguments.naturals(2, "the size of a tensor");
  tensor.strides = arguments.naturals(3, "the stride of a tensor");
  if (tensor.shape.size() != tensor.strides.size()) {
    arguments.corrupt("a tensor with more or fewer strides than sizes");
  }
  if (with_dtype) {
    const auto& dtype = arguments.as<TorchGlobal>(6, "a dtype");
    if (dtype.kind != Kind::kDtype) arguments.corrupt("a dtype expected");
    tensor.dtype = dtype.dtype;
  }
  const size_t metadata = with_dtype ? 7 : 6;
  if (arguments.size() > metadata) {
    const auto* dict = std::get_if<PickleDict>(&arguments.value(metadata));
    if (dict != nullptr && !pickle->dicts[dict->index].empty()) {
      arguments.unsupported(
          "a conjugated or negated view; save tensor.resolve_conj().resolve_neg()");
    }
  }
  if (pickle->tensors.size() >= kMaxTensors) arguments.unsupported("more tensors than are read");
  pickle->tensors.push_back(std::move(tensor));
  return PickleTensor{static_cast<uint32_t>(pickle->tensors.size() - 1)};
}

PickleValue rebuild(Kind kind, const Arguments& arguments, TorchPickle* pickle) {
  return rebuild_tensor(arguments, kind == Kind::kRebuildTensorWithDtype, pickle);
}

bool is_rebuild(Kind kind) {
  return kind == Kind::kRebuildTensor || kind == Kind::kRebuildTensorWithDtype;
}

// (function, type, arguments of the function, attributes): a tensor that carries attributes.
PickleValue rebuild_from_type(const Arguments& arguments, std::string_view what,
                              TorchPickle* pickle) {
  const Kind function = arguments.global(0, "a function");
  if (arguments.global(1, "a type") != Kind::kType || !is_rebuild(function)) {
    arguments.corrupt("a tensor of an unknown type");
  }
  return rebuild(function, Arguments(arguments.value(2), what, pickle), pickle);
}

// Always empty at first; its items follow as SETITEMS.
PickleValue ordered_dict(const Arguments& arguments, TorchPickle* pickle) {
  if (arguments.size() != 0) arguments.corrupt("an OrderedDict made from a list");
  pickle->dicts.emplace_back();
  return PickleDict{static_cast<uint32_t>(pickle->dicts.size() - 1)};
}

}  // namespace

TorchGlobal find_torch_global(std::string_view module, std::string_view name,
                              std::string_view what) {
  for (const KnownGlobal& known : kKnownGlobals) {
    if (known.module == module && known.name == name) return known.global;
  }
  fail(ErrorCode::kUnsupported,
       "{}: holds an object of '{}.{}', which is not read (nothing was executed); save plain "
       "tensors, for example model.state_dict()",
       what, printable(module), printable(name));
}

PickleValue call_torch_global(const PickleValue& function, const PickleValue& arguments,
                              std::string_view what, TorchPickle* pickle) {
  const Arguments given(arguments, what, pickle);
  const auto* global = std::get_if<TorchGlobal>(&function);
  if (global == nullptr) given.corrupt("a call of something that is no function");
  switch (global->kind) {
    case Kind::kRebuildTensor:
    case Kind::kRebuildTensorWithDtype:
      return rebuild(global->kind, given, pickle);
    case Kind::kRebuildParameter:  // (tensor, requires_grad, hooks[, state])
      return given.as<PickleTensor>(0, "the tensor of a parameter");
    case Kind::kRebuildFromType:
      return rebuild_from_type(given, what, pickle);
    case Kind::kOrderedDict:
      return ordered_dict(given, pickle);
    case Kind::kSet:
      if (given.size() == 0) given.corrupt("a set without its elements");
      return given.as<PickleSequence>(0, "the elements of a set");
    case Kind::kSize:
      return given.as<PickleSequence>(0, "the sizes of a torch.Size");
    case Kind::kBytes:
    case Kind::kDevice:
      return PickleOpaque{};
    case Kind::kType:
    case Kind::kStorage:
    case Kind::kDtype:
      break;
  }
  given.corrupt("a call of something that is no function");
}

PickleValue make_torch_storage(const PickleValue& persistent_id, std::string_view what,
                               TorchPickle* pickle) {
  const Arguments id(persistent_id, what, pickle);
  if (id.as<std::string_view>(0, "a persistent id") != "storage") {
    id.corrupt("a persistent id that is no storage");
  }
  const auto& type = id.as<TorchGlobal>(1, "a storage type");
  if (type.kind != Kind::kStorage) id.corrupt("a storage type expected");
  PickledStorage storage;
  storage.key = id.as<std::string_view>(2, "the key of a storage");
  const auto n_elements = static_cast<uint64_t>(id.natural(4, "the size of a storage"));
  const auto element_bytes = static_cast<uint64_t>(block_bytes(type.dtype));
  if (__builtin_mul_overflow(n_elements, element_bytes, &storage.n_bytes)) {
    id.corrupt(fmt::format("a storage of {} elements", n_elements));
  }
  if (pickle->storages.size() >= kMaxTensors) id.unsupported("more storages than are read");
  pickle->storages.emplace_back(storage, type.dtype);
  return PickleStorage{static_cast<uint32_t>(pickle->storages.size() - 1)};
}

}  // namespace weir::io
