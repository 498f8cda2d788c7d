#include "weir/io/zip_archive.h"

#include <cstring>

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  const TemporaryFolder folder;
  ZipWriter writer(folder / "a.zip");
  for (const auto& [name, bytes] : entries) writer.add(name, bytes);
  writer.finish();
  return file_bytes((folder / "a.zip").string());
}

template <typename Number>
void put(std::string* bytes, size_t place, Number value) {
  std::memcpy(bytes->data() + place, &value, sizeof(value));
}

std::string refusal(const std::string& bytes, ErrorCode expected = ErrorCode::kCorruptData) {
  std::string message;
  EXPECT_EQ(error_of([&] { ZipArchive archive(file_of(bytes, "a.zip")); }, &message), expected);
  EXPECT_EQ(message.find("a.zip"), 0U) << message;
  return message;
}

TEST(ZipArchive, FindsStoredEntriesInPlace) {
  const std::string bytes = archive_of({{"a/b", "hello"}, {"empty", ""}});
  const auto file = file_of(bytes);
  const ZipArchive archive(file);
  ASSERT_EQ(archive.entries().size(), 2U);
  const ZipEntry* entry = archive.find("a/b");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(archive.stored(*entry), "hello");
  EXPECT_EQ(archive.stored(*entry).data(), file->bytes().data() + entry->data_offset);
  EXPECT_EQ(archive.read(*entry), "hello");
  EXPECT_EQ(archive.head(*entry, 2), "he");
  archive.check_stored(*entry);
  archive.check_stored(*archive.find("empty"));
  EXPECT_EQ(archive.find("absent"), nullptr);
}

TEST(ZipArchive, ReadsDeflatedEntriesOfNumpy) {
  const ZipArchive deflated(MappedFile::open(golden_path("npy/deflated.npz")));
  const ZipArchive stored(MappedFile::open(golden_path("npy/stored.npz")));
  ASSERT_EQ(deflated.entries().size(), stored.entries().size());
  for (const ZipEntry& entry : deflated.entries()) {
    EXPECT_TRUE(entry.is_deflated);
    const std::string bytes = stored.read(*stored.find(entry.name));
    EXPECT_EQ(deflated.read(entry), bytes) << entry.name;
    EXPECT_EQ(deflated.head(entry, 10), bytes.substr(0, 10));
    EXPECT_EQ(deflated.head(entry, 1 << 20), bytes);
  }
}

TEST(ZipArchive, NoticesChangedContent) {
  std::string bytes = archive_of({{"a", "hello"}});
  bytes[bytes.find("hello")] = 'j';
  const ZipArchive archive(file_of(bytes, "a.zip"));
  const ZipEntry& entry = archive.entries()[0];
  EXPECT_EQ(error_of([&] { archive.check_stored(entry); }), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([&] { archive.read(entry); }), ErrorCode::kCorruptData);
}

TEST(ZipArchive, RefusesWhatIsNoArchive) {
  refusal("");
  refusal(std::string(1000, 'x'));
  const std::string bytes = archive_of({{"a", "hello"}});
  refusal(bytes.substr(0, bytes.size() - 1));
  refusal(bytes + "x");
}

TEST(ZipArchive, RefusesTwoEntriesOfOneName) {
  EXPECT_NE(refusal(archive_of({{"a", "1"}, {"a", "2"}})).find("two entries are called 'a'"),
            std::string::npos);
}

TEST(ZipArchive, RefusesLyingDirectories) {
  const std::string valid = archive_of({{"aaaa", "hello"}, {"bbbb", "world"}});
  const size_t central = valid.find("PK\1\2");
  const size_t extra = central + 46 + 4 + 4;  // The zip64 sizes: size, stored size, offset.
  const auto changed = [&](size_t place, auto value) {
    std::string bytes = valid;
    put(&bytes, place, value);
    return bytes;
  };
  EXPECT_NE(refusal(changed(extra, ~uint64_t{0})).find("two sizes"), std::string::npos);
  EXPECT_NE(refusal(changed(extra + 8, ~uint64_t{0})).find("past the end"), std::string::npos);
  EXPECT_NE(refusal(changed(extra + 16, ~uint64_t{0})).find("no header"), std::string::npos);
  // The first entry at the second's place.
  const uint64_t second = valid.find("PK\3\4", 4);
  EXPECT_NE(refusal(changed(extra + 16, second)).find("another name"), std::string::npos);
  EXPECT_NE(refusal(changed(central + 10, uint16_t{12}), ErrorCode::kUnsupported)
                .find("compression method 12"),
            std::string::npos);
  EXPECT_NE(refusal(changed(central + 8, uint16_t{1}), ErrorCode::kUnsupported).find("encrypted"),
            std::string::npos);
  // Deflate cannot make 2^40 bytes from 5.
  std::string bomb = changed(central + 10, uint16_t{8});
  put(&bomb, extra, uint64_t{1} << 40);
  EXPECT_NE(refusal(bomb).find("cannot expand"), std::string::npos);
  const size_t end64 = valid.find("PK\6\6");
  EXPECT_NE(refusal(changed(end64 + 32, uint64_t{1} << 60)).find("do not fit"), std::string::npos);
  refusal(changed(end64 + 40, uint64_t{1} << 60));
  refusal(changed(end64 + 48, uint64_t{1} << 60));
}

TEST(ZipArchive, RefusesOverlappingEntries) {
  std::string bytes = archive_of({{"aaaa", "hello"}, {"bbbb", "world"}});
  const size_t central = bytes.find("PK\1\2");
  // The first entry grows over the second.
  put(&bytes, central + 54, uint64_t{100});
  put(&bytes, central + 62, uint64_t{100});
  EXPECT_NE(refusal(bytes).find("overlap"), std::string::npos);
}

TEST(ZipArchive, SurvivesEveryCutAndThousandsOfFlips) {
  const auto parse = [](auto file) {
    const ZipArchive archive(file);
    for (const ZipEntry& entry : archive.entries()) archive.read(entry);
  };
  const std::string stored = archive_of({{"a", "hello"}, {"b", std::string(200, 'x')}});
  expect_survives_damage(parse, stored, stored.size());
  expect_survives_flips(parse, stored, 3000);
  expect_survives_flips(parse, file_bytes(golden_path("npy/deflated.npz")), 3000);
}

TEST(ZipWriter, PutsDataAtMultiplesOf64) {
  const ZipArchive archive(file_of(archive_of({{"a", "x"}, {"long name", "y"}, {"c", "z"}})));
  for (const ZipEntry& entry : archive.entries()) EXPECT_EQ(entry.data_offset % 64, 0U);
}

TEST(ZipWriter, LeavesNothingWithoutFinish) {
  const TemporaryFolder folder;
  {
    ZipWriter writer(folder / "a.zip");
    writer.add("a", "hello");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace weir::io
