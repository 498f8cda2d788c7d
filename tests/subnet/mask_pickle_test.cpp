// Pickles that numpy 2.4 wrote: {'h.0.w': bools [[1,0,1],[0,0,1]], 'h.1.w': the same in Fortran
// order, 'orig_model_name': 'tiny'} by protocols 3 and 5, an array of floats, and a function.
#include "weir/subnet/mask_pickle.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir::testing {
namespace {

constexpr const char* kProtocol3 =
    "80037d7100285805000000682e302e777101636e756d70792e5f636f72652e6d756c746961727261790a5f72"
    "65636f6e7374727563740a7102636e756d70790a6e6461727261790a71034b00857104430162710587710652"
    "7107284b014b024b03867108636e756d70790a64747970650a710958020000006231710a898887710b52710c"
    "284b0358010000007c710d4e4e4e4affffffff4affffffff4b0074710e62894306010001000001710f747110"
    "625805000000682e312e777111680268034b008571126805877113527114284b014b024b03867115680c8843"
    "06010000000101711674711762580f0000006f7269675f6d6f64656c5f6e616d657118580400000074696e79"
    "7119752e";
constexpr const char* kProtocol5 =
    "800595cc000000000000007d94288c05682e302e77948c136e756d70792e5f636f72652e6e756d6572696394"
    "8c0b5f66726f6d62756666657294939428960600000000000000010001000001948c056e756d7079948c0564"
    "747970659493948c02623194898887945294284b038c017c944e4e4e4affffffff4affffffff4b007494624b"
    "024b0386948c014394749452948c05682e312e779468042896060000000000000001000000010194680b4b02"
    "4b0386948c014694749452948c0f6f7269675f6d6f64656c5f6e616d65948c0474696e7994752e";
constexpr const char* kFloats =
    "80059593000000000000007d948c0178948c136e756d70792e5f636f72652e6e756d65726963948c0b5f6672"
    "6f6d627566666572949394289618000000000000000000000000000000000000000000000000000000000000"
    "00948c056e756d7079948c0564747970659493948c02663894898887945294284b038c013c944e4e4e4affff"
    "ffff4affffffff4b007494624b0385948c01439474945294732e";
constexpr const char* kFunction =
    "8005951d000000000000007d948c0178948c086275696c74696e73948c057072696e74949394732e";

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(MaskPickle, ReadsWhatNumpyWrites) {
  const io::TemporaryFolder folder;
  const at::Tensor expected =
      at::tensor(std::vector<int64_t>{1, 0, 1, 0, 0, 1}, at::kLong).view({2, 3}).to(at::kBool);
  for (const char* hex : {kProtocol3, kProtocol5}) {
    const auto map = read_mask_pickle(folder.write("mask.pickle", bytes_of(hex)));
    ASSERT_EQ(map.tensors.size(), 2u);
    EXPECT_TRUE(to_tensor(map.at("h.0.w")).equal(expected));
    EXPECT_TRUE(to_tensor(map.at("h.1.w")).equal(expected));
    EXPECT_EQ(map.metadata.at("orig_model_name"), "tiny");
  }
}

TEST(MaskPickle, RefusesEverythingElse) {
  const io::TemporaryFolder folder;
  for (const char* hex : {kFloats, kFunction}) {
    try {
      read_mask_pickle(folder.write("mask.pickle", bytes_of(hex)));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    }
  }
}

// Every prefix and every single changed byte is read or refused, never more.
TEST(MaskPickle, SurvivesDamage) {
  const io::TemporaryFolder folder;
  const std::string whole = bytes_of(kProtocol5);
  const auto attempt = [&](const std::string& bytes) {
    try {
      read_mask_pickle(folder.write("mask.pickle", bytes));
    } catch (const Error&) {
    }
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    attempt(whole.substr(0, i));
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    attempt(changed);
  }
}

}  // namespace
}  // namespace weir::testing
