#include <random>

#include "tests/text/golden_cases.h"

namespace weir {
namespace {

std::string streamed(const Tokenizer& tokenizer, const std::vector<int64_t>& ids,
                     bool skip_special) {
  StreamDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (const int64_t id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

// All at once and piece by piece must give the same bytes.
void expect_same(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  EXPECT_EQ(streamed(tokenizer, ids, false), tokenizer.decode(ids));
  EXPECT_EQ(streamed(tokenizer, ids, true), tokenizer.decode(ids, true));
}

std::vector<int64_t> random_ids(std::mt19937* random, int64_t vocab_size) {
  std::vector<int64_t> ids(40);
  for (int64_t& id : ids)
    id = static_cast<int64_t>((*random)() % static_cast<uint64_t>(vocab_size));
  return ids;
}

TEST(StreamDecoder, EqualsDecodingAllAtOnce) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  const nlohmann::json golden = io::read_json(golden_file("smollm2.json"));
  for (const auto& expected : golden["cases"]) {
    expect_same(tokenizer, expected["ids"].get<std::vector<int64_t>>());
  }
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    expect_same(tokenizer, random_ids(&random, tokenizer.vocab_size()));
    expect_same(tokenizer, random_ids(&random, 300));  // Mostly single bytes.
  }
}

TEST(StreamDecoder, EqualsDecodingAllAtOnceWithBytePieces) {
  const Tokenizer tokenizer = Tokenizer::from_llama2c(golden_file("llama2c/tok512.bin"), 512);
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    expect_same(tokenizer, random_ids(&random, tokenizer.vocab_size()));
  }
  const std::string text = "naïve 日本語 😀\n end";
  const std::vector<int64_t> ids = tokenizer.encode(text).ids;
  EXPECT_EQ(streamed(tokenizer, ids, true), text);
}

TEST(StreamDecoder, HoldsBackIncompleteCharacters) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(*tokenizer.id_of("Ġthe")), " the");
  EXPECT_EQ(decoder.push(*tokenizer.id_of("âĤ")), "");
  EXPECT_EQ(decoder.push(*tokenizer.id_of("¬")), "€");
  EXPECT_EQ(decoder.push(2), "") << "a special token";
  EXPECT_EQ(decoder.push(*tokenizer.id_of("âĤ")), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, ShowsSpacesAtOnce) {
  const Tokenizer tokenizer = Tokenizer::from_llama2c(golden_file("llama2c/tok512.bin"), 512);
  const std::vector<int64_t> ids = tokenizer.encode("Once upon a", false).ids;
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const int64_t id : ids) text += decoder.push(id);
  EXPECT_EQ(text, "Once upon a");
}

}  // namespace
}  // namespace weir
