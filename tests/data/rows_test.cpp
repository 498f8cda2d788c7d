#include <map>
#include <set>

#include <ATen/ATen.h>

#include "tests/data/made_shard.h"
#include "weir/data/batches.h"

namespace weir::data {
namespace {

using io::error_of;

constexpr int64_t kManyIds = 60000;

std::shared_ptr<const TokenStream> stream_of(const Documents& documents, const Split& split = {}) {
  return std::make_shared<TokenStream>(shard_of(documents, kManyIds), split);
}

RowOptions rows_of(int64_t length, Packing packing, bool shuffle = false, uint64_t seed = 0) {
  return {length, packing, shuffle, seed};
}

// Tokens are numbered as they lie: each real one of rows [first, first + n) must come once.
void expect_once_each(const TokenRows& rows, int64_t first, int64_t n, int64_t n_tokens) {
  std::set<int64_t> seen;
  int64_t n_real = 0;
  for (int64_t row = first; row < first + n; ++row) {
    const int64_t length = rows.options().length;
    const int64_t real = std::min(length, n_tokens - rows.place(row).row * length);
    const at::Tensor ids = rows.batch(row, 1).ids[0];
    for (int64_t t = 0; t < real; ++t) seen.insert(ids[t].item<int64_t>());
    n_real += real;
    EXPECT_TRUE(ids.slice(0, real).eq(0).all().item<bool>()) << "padding";
  }
  EXPECT_EQ(n_real, n_tokens);
  EXPECT_EQ(static_cast<int64_t>(seen.size()), n_tokens);
}

TEST(TokenRows, TakeEveryTokenOnceAnEpoch) {
  const Documents documents = counted_documents(200, 23, 5);
  for (const Packing packing : {Packing::kStream, Packing::kDocuments}) {
    for (const bool shuffle : {false, true}) {
      const auto stream = stream_of(documents);
      const TokenRows rows({{stream}}, rows_of(16, packing, shuffle, 9));
      ASSERT_EQ(rows.n_rows(), (stream->n_tokens() + 15) / 16);
      for (const int64_t epoch : {0, 1, 5}) {
        expect_once_each(rows, epoch * rows.n_rows(), rows.n_rows(), stream->n_tokens());
      }
    }
  }
}

TEST(TokenRows, AreTheStreamRowByRow) {
  const TokenRows rows({{stream_of({{1, 2, 3}, {4, 5, 6, 7}, {8}})}}, rows_of(3, Packing::kStream));
  const Batch batch = rows.batch(0, 3);
  EXPECT_TRUE(batch.ids.equal(at::tensor({1, 2, 3, 4, 5, 6, 7, 8, 0}, at::kLong).view({3, 3})));
  EXPECT_TRUE(batch.labels.equal(
      at::tensor({-100, 2, 3, -100, 5, 6, -100, 8, -100}, at::kLong).view({3, 3})));
  EXPECT_FALSE(batch.document.defined());
  EXPECT_FALSE(batch.positions.defined());
  EXPECT_TRUE(rows.batch(3, 1).ids.equal(batch.ids.slice(0, 0, 1))) << "the next epoch";
}

TEST(TokenRows, RestartWithEachDocument) {
  const TokenRows rows({{stream_of({{1, 2, 3}, {}, {4, 5, 6, 7}, {8}})}},
                       rows_of(5, Packing::kDocuments));
  const Batch batch = rows.batch(0, 2);
  const auto table = [](std::initializer_list<int64_t> values) {
    return at::tensor(values, at::kLong).view({2, 5});
  };
  EXPECT_TRUE(batch.ids.equal(table({1, 2, 3, 4, 5, 6, 7, 8, 0, 0})));
  EXPECT_TRUE(batch.labels.equal(table({-100, 2, 3, -100, 5, -100, 7, -100, -100, -100})));
  EXPECT_TRUE(batch.document.equal(table({0, 0, 0, 1, 1, 0, 0, 1, 2, 2})));
  EXPECT_TRUE(batch.positions.equal(table({0, 1, 2, 0, 1, 0, 1, 0, 0, 1})));
}

TEST(TokenRows, ShuffleBySeedAndEpochAndResumeAtAnyRow) {
  const auto stream = stream_of(counted_documents(300, 20, 1));
  const auto places = [&](uint64_t seed, int64_t epoch) {
    const TokenRows rows({{stream}}, rows_of(8, Packing::kStream, true, seed));
    std::vector<int64_t> order;
    for (int64_t i = 0; i < rows.n_rows(); ++i) {
      const auto place = rows.place(epoch * rows.n_rows() + i);
      EXPECT_EQ(place.epoch, epoch);
      order.push_back(place.row);
    }
    return order;
  };
  EXPECT_EQ(places(1, 0), places(1, 0));
  EXPECT_NE(places(1, 0), places(1, 1));
  EXPECT_NE(places(1, 0), places(2, 0));
  const TokenRows rows({{stream}}, rows_of(8, Packing::kStream, true, 1));
  EXPECT_TRUE(rows.batch(37, 4).ids.equal(rows.batch(30, 20).ids.slice(0, 7, 11)));
}

TEST(TokenRows, MixSourcesByWeight) {
  const auto few = stream_of({{1, 2, 3, 4, 5, 6, 7, 8}});                     // 2 rows
  const auto many = stream_of(Documents(1, std::vector<int64_t>(400, 500)));  // 100 rows
  const TokenRows rows({{few, 1}, {many, 3}}, rows_of(4, Packing::kStream, true, 3));
  std::map<int64_t, int64_t> n_rows, epochs;
  for (int64_t row = 0; row < 400; ++row) {
    const auto place = rows.place(row);
    ++n_rows[place.source];
    epochs[place.source] = place.epoch;
    const int64_t id = rows.batch(row, 1).ids[0][0].item<int64_t>();
    EXPECT_EQ(id == 500, place.source == 1);
  }
  EXPECT_NEAR(static_cast<double>(n_rows[0]), 100, 1);
  EXPECT_EQ(epochs[0], 49);  // 100 rows of a source that has 2.
  EXPECT_EQ(epochs[1], 2);
  EXPECT_EQ(rows.n_rows(), 102);
}

TEST(Split, IsDisjointAndExhaustive) {
  const Documents documents = counted_documents(2000, 9, 2);
  for (const uint64_t seed : {0, 1}) {
    const auto train = stream_of(documents, {Part::kTrain, 0.1, seed});
    const auto held_out = stream_of(documents, {Part::kValidation, 0.1, seed});
    std::map<int64_t, int64_t> tokens_of;
    std::set<int64_t> seen[2];
    const std::shared_ptr<const TokenStream> parts[2] = {train, held_out};
    for (int part = 0; part < 2; ++part) {
      parts[part]->each_run(0, parts[part]->n_tokens(), [&](const TokenStream::Run& run) {
        seen[part].insert(run.document);
        EXPECT_EQ(run.begin, 0);
        EXPECT_EQ(run.tokens.size(), static_cast<int64_t>(documents[run.document].size()));
        for (int64_t i = 0; i < run.tokens.size(); ++i) ++tokens_of[run.tokens[i]];
      });
    }
    for (const int64_t document : seen[0]) EXPECT_EQ(seen[1].count(document), 0U);
    EXPECT_EQ(train->n_documents() + held_out->n_documents(), 2000);
    EXPECT_EQ(train->n_tokens() + held_out->n_tokens(), static_cast<int64_t>(tokens_of.size()));
    EXPECT_EQ(train->n_tokens() + held_out->n_tokens(), train->shard().n_tokens());
    // Binomial(2000, .1): deviation 13.4; five of them.
    EXPECT_NEAR(static_cast<double>(held_out->n_documents()), 200, 67);
  }
  EXPECT_NE(stream_of(documents, {Part::kValidation, 0.1, 0})->n_tokens(),
            stream_of(documents, {Part::kValidation, 0.1, 1})->n_tokens());
}

TEST(Split, ReadsFromAnyPlace) {
  const Documents documents = counted_documents(500, 12, 4);
  const auto stream = stream_of(documents, {Part::kTrain, 0.3, 0});
  std::vector<int64_t> all;
  const auto take = [](std::vector<int64_t>& to) {
    return [&to](const TokenStream::Run& run) {
      for (int64_t i = 0; i < run.tokens.size(); ++i) to.push_back(run.tokens[i]);
    };
  };
  stream->each_run(0, stream->n_tokens(), take(all));
  for (int64_t begin = 0; begin < stream->n_tokens(); begin += 37) {
    const int64_t n = std::min<int64_t>(50, stream->n_tokens() - begin);
    std::vector<int64_t> part;
    stream->each_run(begin, n, take(part));
    ASSERT_EQ(part, std::vector<int64_t>(all.begin() + begin, all.begin() + begin + n)) << begin;
  }
  EXPECT_EQ(error_of([&] { stream->each_run(stream->n_tokens(), 1, take(all)); }),
            ErrorCode::kInvalidArgument);
}

TEST(Split, NeedsSomethingInEachPart) {
  std::string message;
  const auto code = error_of(
      [] {
        stream_of({{1, 2, 3}}, {Part::kValidation, 1e-9, 0});
      },
      &message);
  EXPECT_EQ(code, ErrorCode::kInvalidArgument);
  EXPECT_NE(message.find("validation part, found none among 1 documents"), std::string::npos);
  EXPECT_EQ(error_of([] { stream_of({{}, {}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] {
              stream_of({{1}}, {Part::kTrain, 1.5, 0});
            }),
            ErrorCode::kInvalidArgument);
}

TEST(TokenRows, RefuseWhatIsNoRow) {
  const auto stream = stream_of({{1, 2, 3}});
  EXPECT_EQ(error_of([&] { TokenRows({{stream}}, rows_of(1, Packing::kStream)); }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { TokenRows({}, {}); }), ErrorCode::kInvalidArgument);
  const TokenRows rows({{stream}}, {});
  EXPECT_EQ(error_of([&] { rows.batch(-1, 1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { rows.batch(0, 0); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::data
