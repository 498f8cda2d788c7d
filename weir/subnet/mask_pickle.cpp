#include "weir/subnet/mask_pickle.h"

#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/io/mapped_file.h"
#include "weir/io/pickle_opcodes.h"
#include "weir/io/printable.h"

namespace weir {
namespace {

using Op = io::PickleOpcode;

constexpr size_t kMostValues = size_t{1} << 20;  // A mask file has some 20 values an array.

struct Value;
using Ref = std::shared_ptr<Value>;

/// What the machine knows. Names are those of numpy's constructors and nothing else.
struct Value {
  enum class Kind { kNone, kBool, kInt, kText, kBytes, kTuple, kDict, kName, kBoolType, kArray };
  Kind kind = Kind::kNone;
  int64_t number = 0;
  std::string_view bytes;  ///< kText, kBytes, kName; the data of kArray
  std::vector<Ref> items;  ///< kTuple; keys and values of kDict in turn
  std::vector<int64_t> shape;
  bool fortran = false;
};
using Kind = Value::Kind;

class Machine {
 public:
  Machine(std::string_view bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  Ref run() {
    while (true) {
      const auto op = static_cast<Op>(read<uint8_t>());
      if (op == Op::kStop) break;
      if (!constant(op) && !text(op) && !memo(op) && !container(op) && !object(op)) {
        unsupported("pickle opcode 0x{:02x}", static_cast<int>(op));
      }
    }
    return pop();
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, "{}: not a valid pickle: byte {}: {}", path_, place_,
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported,
         "{}: {} in a pickle of masks; only dicts of numpy arrays of bools are read", path_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view take(uint64_t n) {
    if (n > bytes_.size() - place_)
      corrupt("{} bytes are needed, {} are left", n, bytes_.size() - place_);
    place_ += n;
    return bytes_.substr(place_ - n, n);
  }
  template <typename Number>
  Number read() {
    return io::load<Number>(take(sizeof(Number)), 0);
  }
  template <typename Length>
  std::string_view counted() {
    return take(static_cast<uint64_t>(read<Length>()));
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos) corrupt("a name that does not end");
    const std::string_view result = take(end - place_);
    ++place_;
    return result;
  }

  Value& push(Kind kind) {
    if (++n_values_ > kMostValues) unsupported("more than {} values", kMostValues);
    stack_.push_back(std::make_shared<Value>());
    stack_.back()->kind = kind;
    return *stack_.back();
  }
  Ref pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) {
      corrupt("a value is missing");
    }
    Ref top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }
  Ref top() const {
    if (stack_.empty()) corrupt("a value is missing");
    return stack_.back();
  }
  std::vector<Ref> pop_mark() {
    if (marks_.empty()) corrupt("a mark is missing");
    const auto first = stack_.begin() + static_cast<int64_t>(marks_.back());
    std::vector<Ref> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  bool constant(Op op) {
    switch (op) {
      case Op::kProto:
        read<uint8_t>();
        return true;
      case Op::kFrame:
        read<uint64_t>();
        return true;
      case Op::kNone:
        push(Kind::kNone);
        return true;
      case Op::kNewTrue:
      case Op::kNewFalse:
        push(Kind::kBool).number = op == Op::kNewTrue ? 1 : 0;
        return true;
      case Op::kBinInt:
        push(Kind::kInt).number = read<int32_t>();
        return true;
      case Op::kBinInt1:
        push(Kind::kInt).number = read<uint8_t>();
        return true;
      case Op::kBinInt2:
        push(Kind::kInt).number = read<uint16_t>();
        return true;
      default:
        return false;
    }
  }

  bool text(Op op) {
    switch (op) {
      case Op::kShortBinUnicode:
        push(Kind::kText).bytes = counted<uint8_t>();
        return true;
      case Op::kBinUnicode:
        push(Kind::kText).bytes = counted<uint32_t>();
        return true;
      case Op::kShortBinBytes:
        push(Kind::kBytes).bytes = counted<uint8_t>();
        return true;
      case Op::kBinBytes:
        push(Kind::kBytes).bytes = counted<uint32_t>();
        return true;
      case Op::kBinBytes8:
      case Op::kByteArray8:
        push(Kind::kBytes).bytes = counted<uint64_t>();
        return true;
      default:
        return false;
    }
  }

  bool memo(Op op) {
    switch (op) {
      case Op::kMemoize:
        memo_.push_back(top());
        return true;
      case Op::kBinPut:
        put(read<uint8_t>());
        return true;
      case Op::kLongBinPut:
        put(read<uint32_t>());
        return true;
      case Op::kBinGet:
        get(read<uint8_t>());
        return true;
      case Op::kLongBinGet:
        get(read<uint32_t>());
        return true;
      default:
        return false;
    }
  }
  void put(size_t at) {
    if (at > kMostValues) corrupt("memo entry {}", at);
    if (at >= memo_.size()) memo_.resize(at + 1);
    memo_[at] = top();
  }
  void get(size_t at) {
    if (at >= memo_.size() || memo_[at] == nullptr) corrupt("memo entry {} is empty", at);
    stack_.push_back(memo_[at]);
  }

  bool container(Op op) {
    switch (op) {
      case Op::kMark:
        marks_.push_back(stack_.size());
        return true;
      case Op::kEmptyTuple:
        push(Kind::kTuple);
        return true;
      case Op::kTuple1:
      case Op::kTuple2:
      case Op::kTuple3: {
        std::vector<Ref> items(1 + static_cast<size_t>(op) - static_cast<size_t>(Op::kTuple1));
        for (size_t i = items.size(); i-- > 0;) items[i] = pop();
        push(Kind::kTuple).items = std::move(items);
        return true;
      }
      case Op::kTuple: {
        std::vector<Ref> items = pop_mark();
        push(Kind::kTuple).items = std::move(items);
        return true;
      }
      case Op::kEmptyDict:
        push(Kind::kDict);
        return true;
      case Op::kSetItem: {
        const Ref value = pop(), key = pop();
        add_to_dict({key, value});
        return true;
      }
      case Op::kSetItems:
        add_to_dict(pop_mark());
        return true;
      default:
        return false;
    }
  }
  void add_to_dict(std::vector<Ref> entries) {
    const Ref dict = top();
    if (dict->kind != Kind::kDict || entries.size() % 2 != 0) corrupt("entries without a dict");
    dict->items.insert(dict->items.end(), entries.begin(), entries.end());
  }

  bool object(Op op) {
    switch (op) {
      case Op::kGlobal: {
        const std::string_view module = line(), name = line();
        name_value(module, name);
        return true;
      }
      case Op::kStackGlobal: {
        const Ref name = pop(), module = pop();
        if (name->kind != Kind::kText || module->kind != Kind::kText) corrupt("a name expected");
        name_value(module->bytes, name->bytes);
        return true;
      }
      case Op::kReduce: {
        const Ref arguments = pop(), function = pop();
        call(*function, *arguments);
        return true;
      }
      case Op::kBuild: {
        const Ref state = pop();
        build(*top(), *state);
        return true;
      }
      default:
        return false;
    }
  }

  void name_value(std::string_view module, std::string_view name) {
    const bool is_numpy = module == "numpy" || module.rfind("numpy.core.", 0) == 0 ||
                          module.rfind("numpy._core.", 0) == 0;
    const std::set<std::string_view> known = {"ndarray", "dtype", "_reconstruct", "_frombuffer"};
    if (!is_numpy || known.count(name) == 0) {
      unsupported("the name '{}'", io::printable(std::string(module) + "." + std::string(name)));
    }
    push(Kind::kName).bytes = name;
  }

  void call(const Value& function, const Value& arguments) {
    if (function.kind != Kind::kName || arguments.kind != Kind::kTuple) corrupt("no such call");
    const std::vector<Ref>& items = arguments.items;
    if (function.bytes == "dtype") {
      if (items.empty() || items[0]->kind != Kind::kText) corrupt("a dtype without a name");
      if (items[0]->bytes != "b1" && items[0]->bytes != "?" && items[0]->bytes != "bool") {
        unsupported("an array of '{}'", io::printable(std::string(items[0]->bytes)));
      }
      push(Kind::kBoolType);
    } else if (function.bytes == "_reconstruct") {
      push(Kind::kArray);
    } else if (function.bytes == "_frombuffer") {
      if (items.size() != 4) corrupt("an array of {} parts", items.size());
      set_array(push(Kind::kArray), *items[2], *items[1], *items[0],
                items[3]->kind == Kind::kText && items[3]->bytes == "F");
    } else {
      unsupported("a call of '{}'", io::printable(std::string(function.bytes)));
    }
  }

  void build(Value& object, const Value& state) {
    if (object.kind == Kind::kBoolType) return;  // Byte order and the like: bools have none.
    if (object.kind != Kind::kArray || state.kind != Kind::kTuple || state.items.size() != 5) {
      unsupported("a state of something else than an array");
    }
    set_array(object, *state.items[1], *state.items[2], *state.items[4],
              state.items[3]->kind == Kind::kBool && state.items[3]->number != 0);
  }

  void set_array(Value& array, const Value& shape, const Value& type, const Value& data,
                 bool fortran) {
    if (shape.kind != Kind::kTuple || type.kind != Kind::kBoolType || data.kind != Kind::kBytes) {
      corrupt("an array without shape, bools or data");
    }
    uint64_t n = 1;
    for (const Ref& size : shape.items) {
      if (size->kind != Kind::kInt || size->number < 0)
        corrupt("a shape of other things than sizes");
      array.shape.push_back(size->number);
      if (size->number > 0 && n > data.bytes.size()) break;
      n *= static_cast<uint64_t>(size->number);
    }
    if (n != data.bytes.size()) corrupt("an array of {} bytes", data.bytes.size());
    array.bytes = data.bytes;
    array.fortran = fortran;
  }

  std::string_view bytes_;
  std::string path_;
  uint64_t place_ = 0;
  size_t n_values_ = 0;
  std::vector<Ref> stack_, memo_;
  std::vector<size_t> marks_;
};

/// The array as a tensor, its bytes 0 or 1 and in C order, copied.
io::TensorView view_of(const std::string& name, const Value& array) {
  auto bytes = std::make_shared<std::vector<std::byte>>(array.bytes.size());
  const bool turn = array.fortran && array.shape.size() == 2;
  const auto rows = static_cast<size_t>(turn ? array.shape[0] : 1);
  const auto columns = bytes->size() / std::max<size_t>(rows, 1);
  for (size_t i = 0; i < bytes->size(); ++i) {
    const size_t from = turn ? (i % columns) * rows + i / columns : i;
    (*bytes)[i] = array.bytes[from] != 0 ? std::byte{1} : std::byte{0};
  }
  io::TensorView view;
  view.name = name;
  view.dtype = io::DType::kBool;
  view.shape = array.shape;
  view.data = bytes->data();
  view.n_bytes = bytes->size();
  view.owner = bytes;
  return view;
}

}  // namespace

io::TensorMap read_mask_pickle(const std::filesystem::path& path) {
  const auto file = io::MappedFile::open(path);
  const Ref root = Machine(file->bytes(), path.string()).run();
  if (root->kind != Kind::kDict) {
    fail(ErrorCode::kUnsupported, "{}: expected a dict of masks", path.string());
  }
  io::TensorMap map;
  map.source = path.string();
  for (size_t i = 0; i + 1 < root->items.size(); i += 2) {
    const Value &key = *root->items[i], &value = *root->items[i + 1];
    if (key.kind != Kind::kText) {
      fail(ErrorCode::kUnsupported, "{}: a key that is no text", path.string());
    }
    const std::string name(key.bytes);
    if (value.kind == Kind::kArray) map.tensors.push_back(view_of(name, value));
    if (value.kind == Kind::kText) map.metadata[name] = std::string(value.bytes);
  }
  return map;
}

}  // namespace weir
