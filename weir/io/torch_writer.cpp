#include "weir/io/torch_writer.h"

#include <string>
#include <string_view>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/io/pickle_opcodes.h"
#include "weir/io/zip_archive.h"

namespace weir::io {
namespace {

constexpr char kProtocol = 2;

std::string_view storage_class(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "DoubleStorage";
    case DType::kF32:
      return "FloatStorage";
    case DType::kF16:
      return "HalfStorage";
    case DType::kBF16:
      return "BFloat16Storage";
    case DType::kI64:
      return "LongStorage";
    case DType::kI32:
      return "IntStorage";
    case DType::kI16:
      return "ShortStorage";
    case DType::kI8:
      return "CharStorage";
    case DType::kU8:
      return "ByteStorage";
    case DType::kBool:
      return "BoolStorage";
    default:
      fail(ErrorCode::kUnsupported,
           "torch archive: no storage for elements of type {}; convert them to F32",
           to_string(dtype));
  }
}

/// Writes the opcodes of one pickle, without memo.
class Pickle {
 public:
  Pickle() {
    op(PickleOpcode::kProto);
    text_ += kProtocol;
  }
  void op(PickleOpcode code) { text_ += static_cast<char>(code); }
  void string(std::string_view value) {
    op(PickleOpcode::kBinUnicode);
    store<uint32_t>(&text_, static_cast<uint32_t>(value.size()));
    text_ += value;
  }
  void integer(int64_t value) {
    op(PickleOpcode::kLong1);
    text_ += static_cast<char>(sizeof(value));
    store<int64_t>(&text_, value);
  }
  void integers(const std::vector<int64_t>& values) {
    op(PickleOpcode::kMark);
    for (const int64_t value : values) integer(value);
    op(PickleOpcode::kTuple);
  }
  void global(std::string_view module, std::string_view name) {
    op(PickleOpcode::kGlobal);
    text_.append(module).append("\n").append(name).append("\n");
  }
  void ordered_dict() {
    global("collections", "OrderedDict");
    op(PickleOpcode::kEmptyTuple);
    op(PickleOpcode::kReduce);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::vector<int64_t> c_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
  return strides;
}

// _rebuild_tensor_v2(("storage", class, key, "cpu", n), offset, shape, strides, False, {})
void write_tensor(Pickle* pickle, const TensorView& tensor, const std::string& key) {
  pickle->global("torch._utils", "_rebuild_tensor_v2");
  pickle->op(PickleOpcode::kMark);
  pickle->op(PickleOpcode::kMark);
  pickle->string("storage");
  pickle->global("torch", storage_class(tensor.dtype));
  pickle->string(key);
  pickle->string("cpu");
  pickle->integer(tensor.n_elements());
  pickle->op(PickleOpcode::kTuple);
  pickle->op(PickleOpcode::kBinPersId);
  pickle->integer(0);
  pickle->integers(tensor.shape);
  pickle->integers(c_strides(tensor.shape));
  pickle->op(PickleOpcode::kNewFalse);
  pickle->ordered_dict();
  pickle->op(PickleOpcode::kTuple);
  pickle->op(PickleOpcode::kReduce);
}

}  // namespace

void write_torch_archive(const std::filesystem::path& path,
                         const std::vector<TensorView>& tensors) {
  Pickle pickle;
  pickle.ordered_dict();
  pickle.op(PickleOpcode::kMark);
  for (size_t i = 0; i < tensors.size(); ++i) {
    pickle.string(tensors[i].name);
    write_tensor(&pickle, tensors[i], std::to_string(i));
  }
  pickle.op(PickleOpcode::kSetItems);
  pickle.op(PickleOpcode::kStop);

  const std::string folder = "archive/";
  ZipWriter zip(path);
  zip.add(folder + "data.pkl", pickle.text());
  zip.add(folder + "byteorder", "little");
  for (size_t i = 0; i < tensors.size(); ++i) {
    zip.add(folder + "data/" + std::to_string(i),
            {reinterpret_cast<const char*>(tensors[i].data), tensors[i].n_bytes});
  }
  zip.add(folder + "version", "3\n");
  zip.finish();
}

}  // namespace weir::io
