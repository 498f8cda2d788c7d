#include "weir/io/torch_archive.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"
#include "weir/io/zip_archive.h"

namespace weir::io {
namespace {

// Files and values come from PyTorch itself: tests/golden/torch/README.md.
std::string torch_path(const std::string& name) { return golden_path("torch/" + name); }

nlohmann::json golden_values() {
  return nlohmann::json::parse(file_bytes(torch_path("golden.json")));
}

void expect_golden(const TensorMap& map, const nlohmann::json& golden) {
  EXPECT_EQ(map.tensors.size(), golden.size());
  for (const auto& [name, expected] : golden.items()) {
    const TensorView* tensor = map.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(to_string(tensor->dtype), expected["dtype"].get<std::string>()) << name;
    EXPECT_EQ(tensor->shape, expected["shape"].get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(hex_of(*tensor), expected["hex"].get<std::string>()) << name;
  }
}

class TorchFile : public testing::TestWithParam<const char*> {};

TEST_P(TorchFile, HoldsWhatPyTorchSaved) {
  const std::string name = GetParam();
  const std::string value = name.substr(0, name.find("_protocol"));
  expect_golden(read_torch_archive(torch_path(name + ".pt")), golden_values()[value]);
}

INSTANTIATE_TEST_SUITE_P(All, TorchFile,
                         testing::Values("containers", "containers_protocol3",
                                         "containers_protocol4", "containers_protocol5", "strided",
                                         "dtypes", "dtypes_protocol3", "dtypes_protocol4",
                                         "dtypes_protocol5", "shared", "state_dict", "training",
                                         "parameter", "bare"));

TEST(TorchArchive, ShowsNumbersAndStringsOfTheOuterDictsAsMetadata) {
  const auto metadata = read_torch_archive(torch_path("containers.pt")).metadata;
  const std::map<std::string, std::string> expected = {
      {"epoch", "3"},           {"loss", "0.1"},    {"name", "tiny 水"}, {"best", "true"},
      {"big", "1099511627776"}, {"negative", "-5"}, {"order.z", "1"}};
  EXPECT_EQ(metadata, expected);
}

TEST(TorchArchive, KeepsSharedStoragesShared) {
  const TensorMap map = read_torch_archive(torch_path("shared.pt"));
  const TensorView& whole = map.at("whole");
  EXPECT_EQ(map.at("head").data, whole.data);
  EXPECT_EQ(map.at("again").data, whole.data);
  EXPECT_EQ(map.at("tail").data, whole.data + 4 * sizeof(int64_t));
}

TEST(TorchArchive, PointsIntoTheFileAndOutlivesIt) {
  auto file = MappedFile::open(torch_path("bare.pt"));
  const TensorView tensor = parse_torch_archive(file).at("data");
  EXPECT_GE(tensor.data, file->data());
  EXPECT_LE(tensor.data + tensor.n_bytes, file->data() + file->size());
  file.reset();
  EXPECT_EQ(hex_of(tensor), "0000803f00000040");
}

TEST(TorchArchive, JoinsShards) {
  const TensorMap map = read_sharded_torch(torch_path("pytorch_model.bin.index.json"));
  EXPECT_EQ(map.tensors.size(), 3U);
  EXPECT_EQ(hex_of(map.at("c")), "000000400000004000000040");
}

// What each refused file must be told.
struct Refusal {
  const char* file;
  ErrorCode code;
  const char* message;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.file; }

class RefusedTorchFile : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedTorchFile, NamesTheReason) {
  std::string message;
  EXPECT_EQ(error_of([] { read_torch_archive(torch_path(GetParam().file)); }, &message),
            GetParam().code);
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_NE(message.find(GetParam().file), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTorchFile,
    testing::Values(
        Refusal{"hostile.pt", ErrorCode::kUnsupported, "'posix.system'"},
        Refusal{"legacy.pt", ErrorCode::kUnsupported, "torch.save(torch.load(OLD"},
        Refusal{"module.pt", ErrorCode::kUnsupported, "'torch.nn.modules.linear.Linear'"},
        Refusal{"script.pt", ErrorCode::kUnsupported, "TorchScript"},
        Refusal{"sparse.pt", ErrorCode::kUnsupported, "'torch._utils._rebuild_sparse_tensor'"},
        Refusal{"complex.pt", ErrorCode::kUnsupported, "'torch.ComplexFloatStorage'"},
        Refusal{"big_endian.pt", ErrorCode::kUnsupported, "byte order is 'big'"}));

TEST(TorchArchive, ExecutesNothing) {
  std::filesystem::remove("/tmp/weir-pickle-ran");
  EXPECT_EQ(error_of([] { read_torch_archive(torch_path("hostile.pt")); }),
            ErrorCode::kUnsupported);
  EXPECT_FALSE(std::filesystem::exists("/tmp/weir-pickle-ran"));
}

// An archive with this pickle and one storage "0" of 16 bytes.
std::string archive_of(const std::string& pickle) {
  const TemporaryFolder folder;
  ZipWriter writer(folder / "a.pt");
  writer.add("a/data.pkl", pickle);
  writer.add("a/data/0", std::string(16, '\1'));
  writer.finish();
  return file_bytes((folder / "a.pt").string());
}

ErrorCode refusal(const std::string& bytes, std::string* message = nullptr) {
  return error_of([&] { parse_torch_archive(file_of(bytes, "a.pt")); }, message);
}

TEST(TorchArchive, RefusesArchivesOfOtherThings) {
  std::string message;
  EXPECT_EQ(refusal("", &message), ErrorCode::kCorruptData);
  EXPECT_EQ(refusal(file_bytes(golden_path("npy/stored.npz")), &message), ErrorCode::kCorruptData);
  EXPECT_NE(message.find("holds no data.pkl"), std::string::npos) << message;
}

TEST(TorchArchive, ChecksThePickleAgainstItsChecksum) {
  std::string bytes = archive_of("\x80\x02}q\1.");
  EXPECT_TRUE(parse_torch_archive(file_of(bytes)).tensors.empty());
  bytes[bytes.find("}q\1.")] = ']';
  std::string message;
  EXPECT_EQ(refusal(bytes, &message), ErrorCode::kCorruptData);
  EXPECT_NE(message.find("wrong checksum"), std::string::npos) << message;
}

TEST(TorchArchive, SurvivesEveryCutAndThousandsOfFlips) {
  for (const char* name : {"strided.pt", "containers.pt", "dtypes_protocol4.pt"}) {
    const std::string valid = file_bytes(torch_path(name));
    expect_survives_damage([](auto file) { parse_torch_archive(file); }, valid, 64);
    expect_survives_flips([](auto file) { parse_torch_archive(file); }, valid, 3000);
  }
}

}  // namespace
}  // namespace weir::io
