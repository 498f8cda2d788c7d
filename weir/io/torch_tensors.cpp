#include "weir/io/torch_tensors.h"

#include <optional>
#include <unordered_set>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/printable.h"
#include "weir/io/strided.h"

namespace weir::io {
namespace {

constexpr int kMaxDepth = 64;

// One past the last element that the tensor touches, at least `offset`; nothing on overflow.
std::optional<int64_t> end_of(const PickledTensor& tensor) {
  int64_t last = tensor.offset;
  for (size_t d = 0; d < tensor.shape.size(); ++d) {
    if (tensor.shape[d] == 0) return tensor.offset;
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[d] - 1, tensor.strides[d], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  if (last == INT64_MAX) return std::nullopt;
  return last + 1;
}

// A key or a number as it stands in a name or in the metadata; nothing for other values.
std::optional<std::string> scalar_text(const PickleValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return std::nullopt;
}

bool may_hold_tensors(const PickleValue& value) {
  return std::holds_alternative<PickleSequence>(value) ||
         std::holds_alternative<PickleDict>(value) || std::holds_alternative<PickleTensor>(value) ||
         std::holds_alternative<PickleStorage>(value);
}

class TensorNamer {
 public:
  TensorNamer(const TorchPickle& pickle, const StorageSource& storages,
              const TorchNamingLimits& limits, const std::string& source)
      : pickle_(pickle), storages_(storages), left_(limits) {
    map_.source = source;
  }

  TensorMap run() {
    if (const auto* dict = std::get_if<PickleDict>(&pickle_.root)) {
      for (const auto& [key, value] : pickle_.dicts[dict->index]) add_metadata("", key, value);
      for (const auto& [key, value] : pickle_.dicts[dict->index]) add_nested_metadata(key, value);
    }
    visit(pickle_.root, 0);
    return std::move(map_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, "{}: not a valid checkpoint: {}", map_.source,
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported, "{}: {}", map_.source,
         fmt::format(format, std::forward<Args>(args)...));
  }

  // Shared containers let a small pickle describe an endless tree.
  void spend(uint64_t name_bytes) {
    if (name_bytes >= left_.name_bytes) {
      unsupported("the names of its tensors take more memory than is allowed");
    }
    left_.name_bytes -= name_bytes + 1;
  }

  void add_metadata(const std::string& prefix, const PickleValue& key, const PickleValue& value) {
    const auto* name = std::get_if<std::string_view>(&key);
    const std::optional<std::string> text = scalar_text(value);
    if (name == nullptr || !text) return;
    spend(prefix.size() + name->size() + text->size());
    map_.metadata[prefix + std::string(*name)] = *text;
  }

  // What a dict in the outermost one holds, such as nanoGPT's sizes in "model_args".
  void add_nested_metadata(const PickleValue& key, const PickleValue& value) {
    const auto* name = std::get_if<std::string_view>(&key);
    const auto* dict = std::get_if<PickleDict>(&value);
    if (name == nullptr || dict == nullptr) return;
    const std::string prefix = std::string(*name) + ".";
    for (const auto& [inner, scalar] : pickle_.dicts[dict->index]) {
      add_metadata(prefix, inner, scalar);
    }
  }

  void visit(const PickleValue& value, int depth) {
    if (depth > kMaxDepth) corrupt("containers nested deeper than {} levels", kMaxDepth);
    if (const auto* tensor = std::get_if<PickleTensor>(&value)) {
      add_tensor(pickle_.tensors[tensor->index]);
    } else if (const auto* sequence = std::get_if<PickleSequence>(&value)) {
      visit_sequence(pickle_.sequences[sequence->index], depth);
    } else if (const auto* dict = std::get_if<PickleDict>(&value)) {
      visit_dict(pickle_.dicts[dict->index], depth);
    } else if (std::holds_alternative<PickleStorage>(value)) {
      unsupported("'{}' is a storage without a tensor; save the tensor", shown());
    }
  }

  void visit_sequence(const std::vector<PickleValue>& items, int depth) {
    for (size_t i = 0; i < items.size(); ++i) {
      spend(0);
      if (may_hold_tensors(items[i])) visit_item(std::to_string(i), items[i], depth);
    }
  }

  void visit_dict(const std::vector<std::pair<PickleValue, PickleValue>>& dict, int depth) {
    for (const auto& [key, item] : dict) {
      spend(0);
      if (!may_hold_tensors(item)) continue;
      const std::optional<std::string> name = scalar_text(key);
      if (!name) unsupported("'{}' has a key that is neither a string nor a number", shown());
      visit_item(*name, item, depth);
    }
  }

  void visit_item(const std::string& name, const PickleValue& item, int depth) {
    const size_t length = path_.size();
    spend(name.size());
    if (depth > 0) path_ += '.';
    path_ += name;
    visit(item, depth + 1);
    path_.resize(length);
  }

  std::string shown() const { return printable(path_); }

  void add_tensor(const PickledTensor& tensor) {
    const std::string name = path_.empty() ? "data" : path_;
    spend(name.size());
    if (!names_.insert(name).second) unsupported("two tensors are called '{}'", printable(name));
    uint64_t n_bytes = 0;
    if (!tensor_bytes(tensor.dtype, tensor.shape, &n_bytes)) {
      corrupt("tensor '{}': the shape {} is too large", printable(name), shape_text(tensor.shape));
    }
    const StorageBytes bytes = storages_(tensor.storage.key);
    if (bytes.n_bytes != tensor.storage.n_bytes) {
      corrupt("tensor '{}': a storage of {} bytes, expected {}", printable(name), bytes.n_bytes,
              tensor.storage.n_bytes);
    }
    const auto element_bytes = static_cast<uint64_t>(block_bytes(tensor.dtype));
    const std::optional<int64_t> end = end_of(tensor);
    if (!end || static_cast<uint64_t>(*end) > bytes.n_bytes / element_bytes) {
      corrupt("tensor '{}': shape {} with strides {} from element {} leaves its storage of {}",
              printable(name), shape_text(tensor.shape), shape_text(tensor.strides), tensor.offset,
              bytes.n_bytes / element_bytes);
    }
    TensorView view{name, tensor.dtype, tensor.shape, nullptr, n_bytes, bytes.owner};
    view.data = bytes.data + static_cast<uint64_t>(tensor.offset) * element_bytes;
    if (!is_c_order(tensor.shape, tensor.strides)) copy_strided(tensor, &view);
    map_.tensors.push_back(std::move(view));
  }

  void copy_strided(const PickledTensor& tensor, TensorView* view) {
    if (view->n_bytes > left_.copy_bytes) {
      unsupported("tensor '{}': strided tensors that expand beyond the file's size; save .clone()",
                  printable(view->name));
    }
    left_.copy_bytes -= view->n_bytes;
    const std::shared_ptr<std::byte[]> copy = gather_strided(
        view->data, static_cast<size_t>(block_bytes(view->dtype)), view->shape, tensor.strides);
    view->data = copy.get();
    view->owner = copy;
  }

  const TorchPickle& pickle_;
  const StorageSource& storages_;
  TorchNamingLimits left_;
  TensorMap map_;
  std::string path_;
  std::unordered_set<std::string> names_;
};

}  // namespace

TensorMap name_torch_tensors(const TorchPickle& pickle, const StorageSource& storages,
                             const TorchNamingLimits& limits, const std::string& source) {
  return TensorNamer(pickle, storages, limits, source).run();
}

}  // namespace weir::io
