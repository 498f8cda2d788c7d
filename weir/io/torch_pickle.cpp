#include "weir/io/torch_pickle.h"

#include <unordered_map>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/io/pickle_opcodes.h"
#include "weir/io/printable.h"
#include "weir/io/torch_objects.h"

namespace weir::io {
namespace {

constexpr uint64_t kMaxPickleBytes = uint64_t{64} << 20;
constexpr size_t kMaxStack = size_t{1} << 20;
constexpr size_t kMaxContainers = size_t{1} << 21;
constexpr size_t kMaxItems = size_t{1} << 23;
constexpr size_t kMaxNameBytes = 256;

size_t tuple_size(PickleOpcode opcode) {
  return 1 + static_cast<size_t>(opcode) - static_cast<size_t>(PickleOpcode::kTuple1);
}

class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  TorchPickle run() {
    if (bytes_.size() > kMaxPickleBytes) {
      unsupported("a pickle of {} bytes; at most {} are read", bytes_.size(), kMaxPickleBytes);
    }
    while (true) {
      const auto opcode = static_cast<PickleOpcode>(read<uint8_t>());
      if (opcode == PickleOpcode::kStop) break;
      const bool is_known = run_constant(opcode) || run_number(opcode) || run_text(opcode) ||
                            run_memo(opcode) || run_stack(opcode) || run_container(opcode) ||
                            run_item(opcode) || run_object(opcode);
      if (!is_known)
        unsupported("pickle opcode 0x{:02x} is not supported", static_cast<int>(opcode));
    }
    if (place_ != bytes_.size()) corrupt("{} bytes follow its end", bytes_.size() - place_);
    result_.root = pop();
    if (!stack_.empty() || !marks_.empty()) corrupt("it leaves more than one value");
    return std::move(result_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kCorruptData, "{}: not a valid pickle: byte {}: {}", what_, place_,
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void unsupported(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::kUnsupported, "{}: {}", what_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view take(uint64_t n_bytes) {
    if (n_bytes > bytes_.size() - place_) {
      corrupt("{} bytes are needed, {} are left", n_bytes, bytes_.size() - place_);
    }
    const std::string_view result = bytes_.substr(place_, n_bytes);
    place_ += n_bytes;
    return result;
  }
  template <typename Number>
  Number read() {
    return load<Number>(take(sizeof(Number)), 0);
  }
  template <typename Length>
  std::string_view take_counted() {
    const auto length = read<Length>();
    if (length < 0) corrupt("a length of {}", length);
    return take(static_cast<uint64_t>(length));
  }
  std::string_view take_line() {
    const size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos || end - place_ > kMaxNameBytes) {
      corrupt("a name that does not end");
    }
    const std::string_view line = take(end - place_);
    take(1);
    return line;
  }

  void push(PickleValue value) {
    if (stack_.size() >= kMaxStack) unsupported("a tuple or list too long to be read");
    stack_.push_back(value);
  }
  // Never reaches below the last mark: what lies there belongs to an outer container.
  PickleValue pop() {
    if (stack_.size() <= floor()) corrupt("a value is missing");
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    if (stack_.size() <= floor()) corrupt("a value is missing");
    return stack_.back();
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) corrupt("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<PickleValue> pop_count(size_t count) {
    std::vector<PickleValue> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  // True when the opcode was its own; the same holds for every run_x below.
  bool run_constant(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kProto: {
        const auto protocol = read<uint8_t>();
        if (protocol < 2 || protocol > 5) unsupported("pickle protocol {}", protocol);
        return true;
      }
      case PickleOpcode::kFrame: {  // A hint for readers of streams.
        const auto length = read<uint64_t>();
        if (length > bytes_.size() - place_) corrupt("a frame of {} bytes is cut", length);
        return true;
      }
      case PickleOpcode::kNone:
        push(PickleNone{});
        return true;
      case PickleOpcode::kNewTrue:
      case PickleOpcode::kNewFalse:
        push(opcode == PickleOpcode::kNewTrue);
        return true;
      default:
        return false;
    }
  }

  bool run_number(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kBinInt:
        push(int64_t{read<int32_t>()});
        return true;
      case PickleOpcode::kBinInt1:
        push(int64_t{read<uint8_t>()});
        return true;
      case PickleOpcode::kBinInt2:
        push(int64_t{read<uint16_t>()});
        return true;
      case PickleOpcode::kLong1:
        push_long(take_counted<uint8_t>());
        return true;
      case PickleOpcode::kLong4:
        push_long(take_counted<int32_t>());
        return true;
      case PickleOpcode::kBinFloat: {
        const uint64_t bits = __builtin_bswap64(read<uint64_t>());  // Big-endian, unlike the rest.
        double value = 0;
        std::memcpy(&value, &bits, sizeof(value));
        push(value);
        return true;
      }
      default:
        return false;
    }
  }

  // Two's complement of any length.
  void push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) return push(PickleOpaque{});
    const bool is_negative = !digits.empty() && (digits.back() & 0x80) != 0;
    uint64_t value = is_negative ? ~uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    push(static_cast<int64_t>(value));
  }

  bool run_text(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kBinUnicode:
        push_text(take_counted<uint32_t>());
        return true;
      case PickleOpcode::kShortBinUnicode:
      case PickleOpcode::kShortBinString:
        push_text(take_counted<uint8_t>());
        return true;
      case PickleOpcode::kBinUnicode8:
        push_text(take_counted<uint64_t>());
        return true;
      case PickleOpcode::kBinString:
        push_text(take_counted<int32_t>());
        return true;
      case PickleOpcode::kBinBytes:
        take_counted<uint32_t>();
        push(PickleOpaque{});
        return true;
      case PickleOpcode::kShortBinBytes:
        take_counted<uint8_t>();
        push(PickleOpaque{});
        return true;
      case PickleOpcode::kBinBytes8:
      case PickleOpcode::kByteArray8:
        take_counted<uint64_t>();
        push(PickleOpaque{});
        return true;
      default:
        return false;
    }
  }

  void push_text(std::string_view text) {
    if (!is_utf8(text)) corrupt("a string that is not UTF-8");
    push(text);
  }

  bool run_memo(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kBinPut:
        memo_[read<uint8_t>()] = top();
        return true;
      case PickleOpcode::kLongBinPut:
        memo_[read<uint32_t>()] = top();
        return true;
      case PickleOpcode::kMemoize:
        memo_[static_cast<uint32_t>(memo_.size())] = top();
        return true;
      case PickleOpcode::kBinGet:
        push_memo(read<uint8_t>());
        return true;
      case PickleOpcode::kLongBinGet:
        push_memo(read<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  void push_memo(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) corrupt("nothing was remembered as {}", index);
    push(found->second);
  }

  bool run_stack(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kMark:
        if (marks_.size() >= kMaxStack) unsupported("a pickle nested too deep to be read");
        marks_.push_back(stack_.size());
        return true;
      case PickleOpcode::kPop:
        pop();
        return true;
      case PickleOpcode::kPopMark:
        pop_to_mark();
        return true;
      case PickleOpcode::kDup:
        push(PickleValue(top()));
        return true;
      default:
        return false;
    }
  }

  bool run_container(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kEmptyList:
      case PickleOpcode::kEmptyTuple:
      case PickleOpcode::kEmptySet:
        push_sequence({});
        return true;
      case PickleOpcode::kTuple1:
      case PickleOpcode::kTuple2:
      case PickleOpcode::kTuple3:
        push_sequence(pop_count(tuple_size(opcode)));
        return true;
      case PickleOpcode::kTuple:
      case PickleOpcode::kList:
      case PickleOpcode::kFrozenSet:
        push_sequence(pop_to_mark());
        return true;
      case PickleOpcode::kEmptyDict:
        push_dict({});
        return true;
      case PickleOpcode::kDict:
        push_dict(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void push_sequence(std::vector<PickleValue> items) {
    if (result_.sequences.size() >= kMaxContainers) unsupported("more lists than are read");
    count_items(items.size());
    result_.sequences.push_back(std::move(items));
    push(PickleSequence{static_cast<uint32_t>(result_.sequences.size() - 1)});
  }

  void push_dict(const std::vector<PickleValue>& items) {
    if (result_.dicts.size() >= kMaxContainers) unsupported("more dicts than are read");
    result_.dicts.emplace_back();
    push(PickleDict{static_cast<uint32_t>(result_.dicts.size() - 1)});
    set_items(items);
  }

  void count_items(size_t count) {
    n_items_ += count;
    if (n_items_ > kMaxItems) unsupported("more list items than are read");
  }

  bool run_item(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kAppend:
        append_items(pop_count(1));
        return true;
      case PickleOpcode::kAppends:
      case PickleOpcode::kAddItems:
        append_items(pop_to_mark());
        return true;
      case PickleOpcode::kSetItem:
        set_items(pop_count(2));
        return true;
      case PickleOpcode::kSetItems:
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void append_items(const std::vector<PickleValue>& items) {
    const auto* target = std::get_if<PickleSequence>(&top());
    if (target == nullptr) corrupt("items for something that is no list");
    count_items(items.size());
    auto& sequence = result_.sequences[target->index];
    sequence.insert(sequence.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PickleValue>& items) {
    const auto* target = std::get_if<PickleDict>(&top());
    if (target == nullptr) corrupt("items for something that is no dict");
    if (items.size() % 2 != 0) corrupt("a key without a value");
    count_items(items.size());
    auto& dict = result_.dicts[target->index];
    for (size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
  }

  bool run_object(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kGlobal: {
        const std::string_view module = take_line();
        push(find_torch_global(module, take_line(), what_));
        return true;
      }
      case PickleOpcode::kStackGlobal: {
        const std::vector<PickleValue> names = pop_count(2);
        const auto* module = std::get_if<std::string_view>(&names[0]);
        const auto* name = std::get_if<std::string_view>(&names[1]);
        if (module == nullptr || name == nullptr) corrupt("a name that is no string");
        push(find_torch_global(*module, *name, what_));
        return true;
      }
      case PickleOpcode::kReduce: {
        const std::vector<PickleValue> call = pop_count(2);
        push(call_torch_global(call[0], call[1], what_, &result_));
        return true;
      }
      case PickleOpcode::kBuild:  // Attributes; only OrderedDict has some here (_metadata of a
                                  // state_dict).
        pop();
        if (!std::holds_alternative<PickleDict>(top())) corrupt("attributes for a plain value");
        return true;
      case PickleOpcode::kBinPersId:
        push(make_torch_storage(pop(), what_, &result_));
        return true;
      default:
        return false;
    }
  }

  std::string_view bytes_;
  std::string_view what_;
  uint64_t place_ = 0;
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;  ///< Heights of the stack.
  std::unordered_map<uint32_t, PickleValue> memo_;
  size_t n_items_ = 0;
  TorchPickle result_;
};

}  // namespace

TorchPickle parse_torch_pickle(std::string_view bytes, std::string_view what) {
  return PickleMachine(bytes, what).run();
}

}  // namespace weir::io
