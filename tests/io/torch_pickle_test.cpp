#include "weir/io/torch_pickle.h"

#include <gtest/gtest.h>

#include "corruption.h"
#include "weir/io/torch_tensors.h"

namespace weir::io {
namespace {

using namespace std::string_literals;

const std::string kHead = "\x80\x02";

// Pushes a tensor of one float storage of 4 elements, key "0".
std::string tensor(const std::string& offset, const std::string& shape, const std::string& stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"s +
         "X\1\0\0\0"s + "0X\3\0\0\0cpuK\4tQ"s + offset + shape + stride +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

TorchPickle parse(const std::string& body) {
  // The pickle must outlive its result; the tests only look at it at once.
  static std::string bytes;
  bytes = kHead + body + ".";
  return parse_torch_pickle(bytes, "a.pt");
}

TensorMap named(const std::string& body, TorchNamingLimits limits = {10000, 4096}) {
  static const std::vector<float> kStorage = {1, 2, 3, 4};
  const TorchPickle pickle = parse(body);
  const StorageSource source = [](std::string_view) {
    return StorageBytes{reinterpret_cast<const std::byte*>(kStorage.data()), 16, nullptr};
  };
  return name_torch_tensors(pickle, source, limits, "a.pt");
}

ErrorCode refusal(const std::string& body, std::string* message = nullptr) {
  std::string text;
  const ErrorCode code = error_of([&] { named(body); }, &text);
  EXPECT_NE(text.find("a.pt"), std::string::npos) << text;
  if (message != nullptr) *message = text;
  return code;
}

std::vector<float> values(const TensorView& view) {
  std::vector<float> result(view.n_bytes / sizeof(float));
  std::memcpy(result.data(), view.data, view.n_bytes);
  return result;
}

TEST(TorchPickle, ReadsNumbersOfEveryWidth) {
  const auto pickle = parse(
      "(K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\0\x8a\1\x80\x8a\2\xff\0"
      "\x8a\x09\0\0\0\0\0\0\0\x80\0G\xbf\xf8\0\0\0\0\0\0t"s);
  const auto& items = pickle.sequences[std::get<PickleSequence>(pickle.root).index];
  ASSERT_EQ(items.size(), 8U);
  const int64_t expected[] = {255, 65535, -1, 0, -128, 255};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(std::get<int64_t>(items[i]), expected[i]) << i;
  EXPECT_TRUE(std::holds_alternative<PickleOpaque>(items[6]));
  EXPECT_EQ(std::get<double>(items[7]), -1.5);
}

TEST(TorchPickle, AListKnownByTwoNamesIsOneList) {
  const auto pickle = parse("]q\0010(h\1h\1K\7at"s);  // l = []; (l, l); l.append(7) on the second.
  const auto& pair = pickle.sequences[std::get<PickleSequence>(pickle.root).index];
  EXPECT_EQ(std::get<PickleSequence>(pair[0]).index, std::get<PickleSequence>(pair[1]).index);
  EXPECT_EQ(pickle.sequences[std::get<PickleSequence>(pair[0]).index].size(), 1U);
}

TEST(TorchPickle, RefusesBrokenPrograms) {
  const std::string bodies[] = {
      "",     // Nothing to return.
      "NN",   // Two values left.
      "(N",   // A mark left.
      "0",    // Pop of nothing.
      "(0N",  // Pop of a mark.
      "t",    // No mark.
      "K",    // Cut number.
      "X\xff\xff\xff\x7f"
      "abc"s,  // Length beyond the end.
      "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
      "\x8b\xff\xff\xff\xff",  // Negative length.
      "h\1",                   // Unknown memo.
      "}(K\1u",                // Key without value.
      "K\1K\2a",               // Append to a number.
      "K\1K\2K\3s",            // Item of a number.
      "ctorch\nFloatStorage",  // Name without end.
      "K\1K\1\x93",            // Names that are numbers.
      "K\1)R",                 // Call of a number.
      "ctorch\nFloatStorage\n)R",
      "X\1\0\0\0\xff"s,  // Not UTF-8.
      "K\1}b",           // Attributes of a number.
      "K\1Q",            // A persistent id that is no tuple.
      ")Q",
      "\x95\xff\xff\xff\xff\xff\xff\xff\xff",
  };
  for (const std::string& body : bodies) {
    EXPECT_EQ(refusal(body), ErrorCode::kCorruptData) << testing::PrintToString(body);
  }
  EXPECT_EQ(error_of([] { parse_torch_pickle("\x80\x02N.N", "a.pt"); }), ErrorCode::kCorruptData);
}

TEST(TorchPickle, NamesWhatItWillNotImport) {
  std::string message;
  for (const char* name : {"os\nsystem", "builtins\neval", "builtins\ngetattr", "torch\nload",
                           "torch.hub\nload", "numpy.core.multiarray\n_reconstruct"}) {
    EXPECT_EQ(refusal("c"s + name + "\n", &message), ErrorCode::kUnsupported);
    std::string dotted = name;
    dotted[dotted.find('\n')] = '.';
    EXPECT_NE(message.find(dotted), std::string::npos) << message;
    EXPECT_NE(message.find("nothing was executed"), std::string::npos) << message;
  }
  EXPECT_EQ(refusal("I1\n", &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("opcode 0x49"), std::string::npos) << message;
  EXPECT_EQ(error_of([] { parse_torch_pickle("\x80\x09N.", "a.pt"); }), ErrorCode::kUnsupported);
}

TEST(TorchTensors, FollowStridesAndOffsets) {
  EXPECT_EQ(values(named(tensor("K\0"s, "K\2K\2\x86", "K\2K\1\x86")).at("data")),
            (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(values(named(tensor("K\0"s, "K\2K\2\x86", "K\1K\2\x86")).at("data")),
            (std::vector<float>{1, 3, 2, 4}));
  EXPECT_EQ(values(named(tensor("K\1", "K\2\x85", "K\2\x85")).at("data")),
            (std::vector<float>{2, 4}));
  EXPECT_EQ(values(named(tensor("K\3", ")", ")")).at("data")), (std::vector<float>{4}));
}

TEST(TorchTensors, RefusesTensorsOutsideTheirStorage) {
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
  const std::string refused[] = {
      tensor("K\1", "K\4\x85", "K\1\x85"),   // Past the end.
      tensor("K\0"s, "K\2\x85", "K\4\x85"),  // Stride past the end.
      tensor("K\4", ")", ")"),               // Offset past the end.
      tensor("K\5", "K\0\x85"s, "K\1\x85"),  // Even without elements.
      tensor(huge, "K\1\x85", "K\1\x85"),    // Overflows.
      tensor("K\0"s, huge + "\x85", "K\1\x85"),
      tensor("K\0"s, "K\2\x85", huge + "\x85"),
      tensor("K\0"s, "K\2K\2\x86", "K\1\x85"),  // Fewer strides than sizes.
      tensor("J\xff\xff\xff\xff", ")", ")"),    // Negative.
      tensor("K\0"s, "J\xff\xff\xff\xff\x85", "K\1\x85"),
      tensor("K\0"s, "K\2\x85", "J\xff\xff\xff\xff\x85"),
      tensor("N", ")", ")"),
      tensor("K\0"s, "K\1", "K\1"),
  };
  for (const std::string& body : refused) {
    EXPECT_EQ(refusal(body), ErrorCode::kCorruptData) << testing::PrintToString(body);
  }
}

TEST(TorchTensors, RefusesExpansionsThatTheFileDoesNotHold) {
  std::string message;
  const std::string expanded = tensor("K\0"s, "M\0\4M\0\4\x86"s, "K\0K\0\x86"s);
  EXPECT_EQ(refusal(expanded, &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find(".clone()"), std::string::npos) << message;
}

TEST(TorchTensors, RefusesContainersThatHoldThemselves) {
  EXPECT_EQ(refusal("]q\1h\1a"), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal("}q\1K\1h\1s"), ErrorCode::kCorruptData);
}

TEST(TorchTensors, RefusesTreesThatGrowWithoutEnd) {
  // Thirty lists, each holding the one before twice: 2^30 paths in 300 bytes.
  std::string doubling = "]q\0000"s;
  for (char i = 1; i < 30; ++i) {
    const std::string before = "h"s + static_cast<char>(i - 1);
    doubling += "](" + before + before + "eq" + i + "0";
  }
  EXPECT_EQ(refusal(doubling + "h\x1d"), ErrorCode::kUnsupported);
}

TEST(TorchTensors, RefusesAmbiguousNames) {
  const std::string one = tensor("K\0"s, ")", ")");
  EXPECT_EQ(refusal("}(X\3\0\0\0a.b"s + one + "X\1\0\0\0a}X\1\0\0\0b"s + one + "su"),
            ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("}(K\1" + one + "X\1\0\0\0"s + "1" + one + "u"), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal("})" + one + "s"), ErrorCode::kUnsupported);  // A tuple as key.
}

}  // namespace
}  // namespace weir::io
