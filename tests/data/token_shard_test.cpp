#include "tests/data/made_shard.h"

namespace weir::data {
namespace {

using io::error_of;

const Documents kDocuments = {{1, 2, 3}, {}, {4}, {5, 6, 7, 8, 999}};

std::vector<int64_t> ids_of(const TokenSpan& span) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < span.size(); ++i) ids.push_back(span[i]);
  return ids;
}

TEST(TokenShard, KeepsDocumentsApart) {
  for (const int token_bytes : {2, 4}) {
    const auto shard = shard_of(kDocuments, 1000, token_bytes);
    EXPECT_EQ(shard->n_documents(), 4);
    EXPECT_EQ(shard->n_tokens(), 9);
    EXPECT_EQ(shard->info().vocab_size, 1000);
    EXPECT_EQ(shard->info().tokenizer_sha256, std::string(64, 'a'));
    for (size_t d = 0; d < kDocuments.size(); ++d) {
      EXPECT_EQ(ids_of(shard->document(static_cast<int64_t>(d))), kDocuments[d]);
    }
    EXPECT_EQ(ids_of(shard->tokens().part(2, 3)), (std::vector<int64_t>{3, 4, 5}));
    shard->verify();
  }
}

TEST(TokenShard, MayBeEmpty) {
  const auto shard = shard_of({});
  EXPECT_EQ(shard->n_tokens(), 0);
  shard->verify();
}

TEST(TokenShard, RefusesEveryDamage) {
  const std::string valid = shard_bytes(kDocuments, 1000, 2);
  const auto parse = [](std::shared_ptr<const io::MappedFile> file) {
    TokenShard::parse(std::move(file))->verify();
  };
  io::expect_survives_damage(parse, valid, valid.size());
  // Any byte that changes is found: none is outside the checksum.
  for (size_t place = 0; place < valid.size(); ++place) {
    std::string damaged = valid;
    damaged[place] ^= 1;
    const auto code = error_of([&] { parse(io::file_of(damaged)); });
    EXPECT_TRUE(code == ErrorCode::kCorruptData || code == ErrorCode::kUnsupported) << place;
  }
}

TEST(TokenShard, FindsTokensOutsideTheVocabulary) {
  const auto shard = shard_of(kDocuments, 999);
  std::string message;
  EXPECT_EQ(error_of([&] { shard->verify(); }, &message), ErrorCode::kCorruptData);
  EXPECT_NE(message.find("below 999, found 999 at place 8"), std::string::npos) << message;
}

}  // namespace
}  // namespace weir::data
