#include <cstdint>

#include <zstd.h>

#include "tests/io/corruption.h"
#include "tests/io/temporary_folder.h"
#include "weir/data/id_documents.h"
#include "weir/data/input_files.h"
#include "weir/data/text_documents.h"
#include "weir/io/little_endian.h"

namespace weir::data {
namespace {

using io::error_of;
using Texts = std::vector<std::string>;

std::string zst(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

Texts read(const std::filesystem::path& file, const TextOptions& options = {}) {
  const auto documents = TextDocuments::open(file, options);
  Texts texts;
  for (std::string text; documents->next(&text);) texts.push_back(text);
  EXPECT_EQ(documents->file_position(), std::filesystem::file_size(file));
  return texts;
}

class DataDocuments : public ::testing::Test {
 protected:
  std::string complaint(const std::filesystem::path& file, const TextOptions& options = {},
                        ErrorCode code = ErrorCode::kCorruptData) {
    std::string message;
    EXPECT_EQ(error_of([&] { read(file, options); }, &message), code);
    EXPECT_NE(message.find(file.filename().string()), std::string::npos) << message;
    return message;
  }
  io::TemporaryFolder folder_;
};

TEST_F(DataDocuments, AFileIsOneDocument) {
  EXPECT_EQ(read(folder_.write("a.txt", "one\n\ntwo\n")), Texts{"one\n\ntwo\n"});
  EXPECT_EQ(read(folder_.write("bom.txt", "\xef\xbb\xbfone")), Texts{"one"});
  EXPECT_EQ(read(folder_.write("none.txt", "")), Texts{});
  EXPECT_EQ(read(folder_.write("a.txt.zst", zst("one\n"))), Texts{"one\n"});
}

TEST_F(DataDocuments, ASeparatorCutsAFile) {
  const TextOptions options{"<|endoftext|>", false};
  const std::string text =
      "<|endoftext|>\none\n<|endoftext|>\n\ntwo<|endoftext|><|endoftext|>three";
  const Texts expected = {"one\n", "\ntwo", "three"};
  EXPECT_EQ(read(folder_.write("a.txt", text), options), expected);
  EXPECT_EQ(read(folder_.write("a.txt.zst", zst(text)), options), expected);
  EXPECT_EQ(read(folder_.write("b.txt", "one<|endoftext|>\n"), options), Texts{"one"});
}

TEST_F(DataDocuments, BlankLinesCutAFile) {
  const TextOptions options{"", true};
  EXPECT_EQ(read(folder_.write("a.txt", "\n\none\nline\n \t\n\r\ntwo\r\n\n\nthree"), options),
            (Texts{"one\nline\n", "two\r\n", "three\n"}));
  EXPECT_EQ(read(folder_.write("b.txt", "\n \n"), options), Texts{});
  EXPECT_EQ(error_of([&] { read(folder_ / "a.txt", {"x", true}); }), ErrorCode::kInvalidArgument);
}

// Separators that lie across the pieces of 1 MB in which a file is read.
TEST_F(DataDocuments, PiecesOfTheFileDoNotShow) {
  Texts expected;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    expected.emplace_back(100000 + 37 * i, static_cast<char>('a' + i % 26));
    text += expected.back() + "<|sep|>";
  }
  for (size_t shift = 0; shift < 8; ++shift) {
    const std::string start(shift, 'z');
    expected.front().insert(0, shift == 0 ? "" : "z");
    const std::string shifted = start + text;
    EXPECT_EQ(read(folder_.write("a.txt", shifted), {"<|sep|>", false}), expected) << shift;
    EXPECT_EQ(read(folder_.write("a.txt.zst", zst(shifted)), {"<|sep|>", false}), expected);
  }
}

TEST_F(DataDocuments, JsonLinesHoldTheirTextInAField) {
  const std::string lines =
      "{\"text\": \"one\\n\", \"body\": \"two\"}\n\n{\"body\": \"\", \"text\": \"\"}\r\n"
      "{\"text\": \"\\u00e9\", \"body\": \"x\"}";
  EXPECT_EQ(read(folder_.write("a.jsonl", lines)), (Texts{"one\n", "é"}));
  TextOptions body;
  body.field = "body";
  EXPECT_EQ(read(folder_.write("a.jsonl.zst", zst(lines)), body), (Texts{"two", "x"}));
}

TEST_F(DataDocuments, SayWhereTheyAreBroken) {
  EXPECT_NE(complaint(folder_.write("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \n")).find("line 2"),
            std::string::npos);
  EXPECT_NE(complaint(folder_.write("b.jsonl", "{\"body\": \"a\"}\n")).find("text"),
            std::string::npos);
  EXPECT_NE(complaint(folder_.write("c.jsonl", "[1]\n")).find("object"), std::string::npos);
  EXPECT_NE(complaint(folder_.write("d.jsonl", "{\"text\": 1}\n")).find("line 1"),
            std::string::npos);
  EXPECT_NE(complaint(folder_.write("e.txt", "ok;\xff;ok"), {";", false}).find("document 2"),
            std::string::npos);
  TextOptions small;
  small.most_bytes = 1 << 20;
  EXPECT_NE(complaint(folder_.write("f.txt", std::string(3 << 20, 'a')), small).find("1 MB"),
            std::string::npos);
  complaint(folder_.write("g.txt.zst", "no zstd"));
  const std::string whole = zst(std::string(300000, 'a') + "end");
  complaint(folder_.write("h.txt.zst", whole.substr(0, whole.size() - 3)));
  complaint(folder_ / "none.txt", {}, ErrorCode::kNotFound);
  complaint(folder_ / "a.csv", {}, ErrorCode::kInvalidArgument);
  EXPECT_NE(complaint(folder_ / "a.parquet", {}, ErrorCode::kUnsupported).find("JSON lines"),
            std::string::npos);
}

TEST_F(DataDocuments, FoldersAreSortedAndSearchedBelow) {
  std::filesystem::create_directories(folder_ / "in/deep");
  for (const char* name :
       {"in/b.txt", "in/a.txt.zst", "in/deep/c.jsonl", "in/x.csv", "in/ids.bin"}) {
    folder_.write(name, "");
  }
  const auto files = find_files({folder_ / "in", folder_ / "in/b.txt"});
  const std::vector<std::filesystem::path> expected = {
      folder_ / "in/a.txt.zst", folder_ / "in/b.txt", folder_ / "in/deep/c.jsonl",
      folder_ / "in/ids.bin", folder_ / "in/b.txt"};
  EXPECT_EQ(files.size(), expected.size());
  EXPECT_TRUE(std::is_permutation(files.begin(), files.end(), expected.begin()));
  std::filesystem::create_directories(folder_ / "empty");
  EXPECT_EQ(error_of([&] { find_files({folder_ / "empty"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { find_files({folder_ / "gone"}); }), ErrorCode::kNotFound);
}

using Documents = std::vector<std::vector<uint32_t>>;

Documents ids(const std::filesystem::path& file, const IdOptions& options = {},
              int64_t vocab_size = 100000) {
  IdDocuments documents(file, options);
  Documents all(1);
  for (IdDocuments::Piece piece; documents.next(vocab_size, &piece);) {
    all.back().insert(all.back().end(), piece.ids.begin(), piece.ids.end());
    if (piece.ends_document) all.emplace_back();
  }
  EXPECT_TRUE(all.back().empty());
  all.pop_back();
  return all;
}

template <typename Number>
std::string bytes_of(const std::vector<Number>& numbers) {
  std::string bytes;
  for (const Number number : numbers) io::store(&bytes, number);
  return bytes;
}

std::string llmc_header(int32_t magic, int32_t version, int32_t n) {
  std::vector<int32_t> header(256);
  header[0] = magic;
  header[1] = version;
  header[2] = n;
  return bytes_of(header);
}

TEST_F(DataDocuments, IdsOfNanoGptAndLlmC) {
  const std::string u16 = bytes_of<uint16_t>({7, 50256, 8, 9, 50256});
  const std::string u32 = bytes_of<uint32_t>({7, 70000});
  EXPECT_EQ(ids(folder_.write("a.bin", u16)), (Documents{{7, 50256, 8, 9, 50256}}));
  EXPECT_EQ(ids(folder_.write("a.bin", u16), {50256, {}}), (Documents{{7, 50256}, {8, 9, 50256}}));
  EXPECT_EQ(ids(folder_.write("b.bin", llmc_header(20240520, 1, 5) + u16), {{}, 50256}),
            (Documents{{7}, {50256, 8, 9}, {50256}}));
  EXPECT_EQ(ids(folder_.write("c.bin", llmc_header(20240801, 7, 2) + u32)),
            (Documents{{7, 70000}}));
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + std::string("\x76\x00", 2) + header + data;
}

TEST_F(DataDocuments, IdsOfNumpy) {
  EXPECT_EQ(ids(folder_.write("a.npy", npy("<u2", "(3,)", bytes_of<uint16_t>({1, 2, 3})))),
            (Documents{{1, 2, 3}}));
  EXPECT_EQ(ids(folder_.write("b.npy", npy("<i8", "(2, 2)", bytes_of<int64_t>({1, 2, 3, 4})))),
            (Documents{{1, 2}, {3, 4}}));
  EXPECT_EQ(ids(folder_.write("c.npy", npy("<i4", "(2,)", bytes_of<int32_t>({1, 99999})))),
            (Documents{{1, 99999}}));
}

TEST_F(DataDocuments, IdsThatCannotBeAreNamed) {
  const auto complaint = [&](const std::string& name, const std::string& bytes, ErrorCode code) {
    std::string message;
    const auto file = folder_.write(name, bytes);
    EXPECT_EQ(error_of([&] { ids(file); }, &message), code) << name;
    EXPECT_NE(message.find(name), std::string::npos) << message;
    return message;
  };
  const ErrorCode corrupt = ErrorCode::kCorruptData, unsupported = ErrorCode::kUnsupported;
  complaint("odd.bin", "abc", corrupt);
  complaint("short.bin", llmc_header(20240520, 1, 9).substr(0, 100), corrupt);
  complaint("cut.bin", llmc_header(20240520, 1, 9) + "abcd", corrupt);
  complaint("negative.bin", llmc_header(20240520, 1, -1), corrupt);
  complaint("new.bin", llmc_header(20240520, 2, 0), unsupported);
  complaint("real.npy", npy("<f4", "(1,)", "abcd"), unsupported);
  complaint("deep.npy", npy("<u2", "(1, 1, 1)", "ab"), unsupported);
  const auto message =
      complaint("big.npy", npy("<i4", "(2,)", bytes_of<int32_t>({5, 100000})), corrupt);
  EXPECT_NE(message.find("0 to 99999, found 100000 at place 1"), std::string::npos) << message;
  complaint("minus.npy", npy("<i4", "(1,)", bytes_of<int32_t>({-1})), corrupt);
  complaint("huge.npy", npy("<u8", "(1,)", bytes_of<uint64_t>({UINT64_MAX})), corrupt);
}

}  // namespace
}  // namespace weir::data
