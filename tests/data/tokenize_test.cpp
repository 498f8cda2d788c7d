#include "weir/data/tokenize.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <spawn.h>

#include "tests/data/made_shard.h"
#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"
#include "weir/base/log.h"
#include "weir/base/paths.h"
#include "weir/data/shard_writer.h"
#include "weir/data/train_tokenizer.h"

namespace weir::data {
namespace {

namespace fs = std::filesystem;
using io::error_of;

const Tokenizer& smollm2() {
  static const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  return tokenizer;
}

// Lines of made-up words, some of them of other alphabets, that end in all sorts of ways.
std::string prose(size_t n_bytes, uint64_t seed) {
  Draw draw(seed);
  const std::vector<std::string> words = {"the",  "Of",   "isn't", "3.14", "naïve", "日本語",
                                          "ёж",   "I'll", "low",   "er",   "new",   "est",
                                          "2024", "—",    "(so)",  "END"};
  const std::vector<std::string> ends = {".\n",  "\n", "\n\n", " \n",  "!\n  ",
                                         "\r\n", ", ", "\t",   "?\n\t"};
  std::string text;
  while (text.size() < n_bytes) {
    text += draw.pick(words);
    text += draw.below(9) == 0 ? draw.pick(ends) : " ";
  }
  return text;
}

std::vector<int64_t> ids_of(const TokenSpan& span) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < span.size(); ++i) ids.push_back(span[i]);
  return ids;
}

std::string read_all(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Tokenize, KeepsDocumentsApartAndEndsThem) {
  const io::TemporaryFolder folder;
  folder.write("a.txt", "One two.|Three|");
  folder.write("b.jsonl", "{\"text\": \"Four\"}\n");
  TokenizeOptions options;
  options.text.separator = "|";
  options.end = end_of_text(smollm2());
  const auto result =
      tokenize({folder / "a.txt", folder / "b.jsonl"}, smollm2(), folder / "s", options);
  EXPECT_FALSE(result.has_resumed);
  EXPECT_EQ(result.n_text_bytes, 17U);
  const auto shard = TokenShard::open(folder / "s");
  shard->verify();
  ASSERT_EQ(shard->n_documents(), 3);
  EXPECT_EQ(shard->info().tokenizer_sha256, tokenizer_sha256(smollm2()));
  EXPECT_EQ(shard->info().vocab_size, smollm2().vocab_size());
  EXPECT_EQ(shard->info().token_bytes, 2);
  const std::vector<std::string> texts = {"One two.", "Three", "Four"};
  for (int64_t d = 0; d < 3; ++d) {
    std::vector<int64_t> expected = smollm2().encode(texts[d]).ids;
    expected.push_back(*smollm2().special().eos);
    EXPECT_EQ(ids_of(shard->document(d)), expected);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 3) << "nothing else is left";
}

TEST(Tokenize, PutsTheTokenizersOwnTokensAroundEachText) {
  const io::TemporaryFolder folder;
  const Tokenizer llama =
      Tokenizer::from_llama2c(fs::path(WEIR_GOLDEN_DIR) / "tokenizers/llama2c/tok512.bin", 512);
  folder.write("a.txt", "Once upon a time\nThere was");
  for (const bool add_special : {true, false}) {
    TokenizeOptions options;
    options.add_special = add_special;
    tokenize({folder / "a.txt"}, llama, folder / "s", options);
    EXPECT_EQ(ids_of(TokenShard::open(folder / "s")->tokens()),
              llama.encode("Once upon a time\nThere was", add_special).ids);
  }
}

TEST(Tokenize, LongDocumentsAreTokenisedAsWhole) {
  const io::TemporaryFolder folder;
  const std::string text = prose(4400000, 3);  // More than a batch.
  folder.write("a.txt", text);
  tokenize({folder / "a.txt"}, smollm2(), folder / "s");
  const auto shard = TokenShard::open(folder / "s");
  EXPECT_EQ(shard->n_documents(), 1);
  EXPECT_TRUE(ids_of(shard->tokens()) == smollm2().encode(text).ids);
}

TEST(Tokenize, TakesIdsWithoutATokenizer) {
  const io::TemporaryFolder folder;
  std::string bytes;
  for (const uint16_t id : {5, 6, 0, 7, 0}) io::store(&bytes, id);
  folder.write("a.bin", bytes);
  TokenizeOptions options;
  options.vocab_size = 70000;
  options.ids.ends_at = 0;
  tokenize({folder / "a.bin"}, std::nullopt, folder / "s", options);
  const auto shard = TokenShard::open(folder / "s");
  shard->verify();
  EXPECT_EQ(shard->info().token_bytes, 4);
  EXPECT_EQ(shard->info().tokenizer_sha256, "");
  EXPECT_EQ(ids_of(shard->document(0)), (std::vector<int64_t>{5, 6, 0}));
  EXPECT_EQ(ids_of(shard->document(1)), (std::vector<int64_t>{7, 0}));
  options.vocab_size = 7;
  EXPECT_EQ(error_of([&] { tokenize({folder / "a.bin"}, std::nullopt, folder / "t", options); }),
            ErrorCode::kCorruptData);
  options.vocab_size = 0;
  EXPECT_EQ(error_of([&] { tokenize({folder / "a.bin"}, std::nullopt, folder / "t", options); }),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder / "t"));
  EXPECT_FALSE(fs::exists(folder / "t.part")) << "a try that recorded nothing leaves nothing";
}

TEST(Tokenize, RefusesWhatCannotBe) {
  const io::TemporaryFolder folder;
  folder.write("a.txt", "text");
  folder.write("empty.txt", "");
  const auto code = [&](const char* name, const std::optional<Tokenizer>& tokenizer,
                        const TokenizeOptions& options) {
    return error_of([&] { tokenize({folder / name}, tokenizer, folder / "s", options); });
  };
  EXPECT_EQ(code("a.txt", std::nullopt, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("empty.txt", smollm2(), {}), ErrorCode::kInvalidArgument);
  TokenizeOptions options;
  options.end = smollm2().vocab_size();
  EXPECT_EQ(code("a.txt", smollm2(), options), ErrorCode::kInvalidArgument);
}

/// Two files, the second of which can be broken and mended without a trace.
class TokenizeAgain : public ::testing::Test {
 protected:
  static constexpr int64_t kLines = 400;

  void SetUp() override {
    log::set_sink([this](log::Level, std::string_view message) { warnings_ += message; });
    for (int64_t i = 0; i < kLines; ++i) {
      lines_.push_back("{\"text\": \"" + std::string(1, static_cast<char>('a' + i % 26)) +
                       " story of " + std::to_string(i * i) + "\"}\n");
    }
    folder_.write("a.txt", prose(30000, 4));
    options_.text.separator = "END";
    options_.end = 0;
    options_.batch_bytes = 700;
    options_.record_bytes = 3000;
    mend();
  }
  void TearDown() override { log::set_sink({}); }

  void write_lines(int64_t broken) {
    std::string text;
    for (int64_t i = 0; i < kLines; ++i) {
      text += lines_[i];
      if (i == broken) text[text.size() - 2] = '!';
    }
    const bool is_there = fs::exists(folder_ / "b.jsonl");
    const auto time = is_there ? fs::last_write_time(folder_ / "b.jsonl") : fs::file_time_type{};
    folder_.write("b.jsonl", text);
    if (is_there) fs::last_write_time(folder_ / "b.jsonl", time);
  }
  void mend() { write_lines(-1); }
  TokenizeResult run(const char* name) {
    return tokenize({folder_ / "a.txt", folder_ / "b.jsonl"}, smollm2(), folder_ / name, options_);
  }
  /// A try that stops before a line.
  void stop_at(int64_t line) {
    write_lines(line);
    EXPECT_EQ(error_of([&] { run("s"); }), ErrorCode::kCorruptData);
    mend();
  }

  io::TemporaryFolder folder_;
  std::vector<std::string> lines_;
  TokenizeOptions options_;
  std::string warnings_;
};

// A batch is 4 MB of text: what recorded between batches needs larger texts, see the command's
// test.
TEST_F(TokenizeAgain, GoesOnFromTheLastRecordWhateverLiesBehindIt) {
  run("whole");
  const std::string whole = read_all(folder_ / "whole");
  Draw draw(5);
  for (int trial = 0; trial < 4; ++trial) {
    ShardInfo head;
    head.vocab_size = 49152;
    const auto shard = TokenShard::open(folder_ / "whole");
    // Writes the same documents with stops in between, as a killed process leaves them.
    for (int64_t stop = 0; stop < 5; ++stop) {
      head.tokenizer_sha256 = shard->info().tokenizer_sha256;
      ShardWriter writer(folder_ / "s", head, "job");
      const int64_t begin = writer.n_documents();
      ASSERT_EQ(begin, writer.place().document);
      const auto left = static_cast<uint64_t>(shard->n_documents() - begin);
      const int64_t end =
          stop == 4 ? shard->n_documents() : begin + static_cast<int64_t>(draw.below(left + 1));
      for (int64_t d = begin; d < end; ++d) {
        const std::vector<int64_t> ids = ids_of(shard->document(d));
        const std::vector<uint32_t> narrow(ids.begin(), ids.end());
        writer.append(narrow.data(), narrow.size());
        writer.end_document();
        if (draw.below(60) == 0) writer.record({0, d + 1});
      }
      if (stop == 4) writer.finish();
      if (stop < 4 && fs::exists(folder_ / "s.part.json")) {
        std::ofstream(folder_ / "s.part", std::ios::app) << std::string(draw.below(99), 'x');
        std::ofstream(folder_ / "s.part.documents", std::ios::app)
            << std::string(draw.below(9), 'x');
      }
    }
    ASSERT_EQ(read_all(folder_ / "s"), whole) << trial;
    fs::remove(folder_ / "s");
  }
}

TEST_F(TokenizeAgain, PartsThatWereCutAreMadeAnew) {
  run("whole");
  const std::string whole = read_all(folder_ / "whole");
  ShardInfo head;
  head.vocab_size = 49152;
  for (const char* part : {"s.part", "s.part.documents", "s.part.json"}) {
    for (const double share : {0.0, 0.3, 0.9}) {
      {
        ShardWriter writer(folder_ / "s", head, "job");
        const std::vector<uint32_t> ids(1000, 7);
        writer.append(ids.data(), ids.size());
        writer.end_document();
        writer.record({0, 1});
      }
      const auto size = static_cast<double>(fs::file_size(folder_ / part));
      fs::resize_file(folder_ / part, static_cast<uint64_t>(size * share));
      ShardWriter writer(folder_ / "s", head, "job");
      EXPECT_EQ(writer.n_documents(), 0) << part;
      EXPECT_EQ(writer.n_tokens(), 0);
      EXPECT_EQ(writer.finish().n_tokens, 0);
      EXPECT_FALSE(warnings_.empty());
    }
  }
}

TEST_F(TokenizeAgain, StopsInTheInputsDoNotShow) {
  EXPECT_FALSE(run("whole").has_resumed);
  const std::string whole = read_all(folder_ / "whole");
  for (const std::vector<int64_t>& lines :
       {std::vector<int64_t>{0}, {200}, {399}, {10, 90, 80, 300, 300}}) {
    for (const int64_t line : lines) stop_at(line);
    EXPECT_TRUE(run("s").has_resumed);
    EXPECT_TRUE(read_all(folder_ / "s") == whole);
    fs::remove(folder_ / "s");
  }
}

// What the parent below kills; the same work with the same options.
void work_in(const fs::path& folder, const std::string& name) {
  TokenizeOptions options;
  options.text.separator = "END";
  options.batch_bytes = 5000;
  options.record_bytes = 5000;
  tokenize({folder / "a.txt"}, smollm2(), folder / name, options);
}

TEST(TokenizeChild, DISABLED_Works) { work_in(environment("WEIR_TEST_CHILD").value(), "s"); }

pid_t start_child() {
  std::vector<std::string> words = {"/proc/self/exe", "--gtest_filter=TokenizeChild.*",
                                    "--gtest_also_run_disabled_tests"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int error =
      posix_spawn(&child, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0);
  return child;
}

// A process of its own, killed after it recorded a little more than the one before, until one gets
// through. When exactly does not matter: any moment must do.
TEST(TokenizeKilled, EndsWithTheSameFile) {
  const io::TemporaryFolder folder;
  folder.write("a.txt", prose(1000000, 8));
  ::setenv("WEIR_TEST_CHILD", folder.path().c_str(), 1);
  Draw draw(9);
  int n_killed = 0;
  for (bool is_through = false; !is_through;) {
    const pid_t child = start_child();
    uint64_t n_changes = n_killed == 0 ? 0 : 3 + draw.below(40);
    int status = 0;
    for (std::string journal; ::waitpid(child, &status, WNOHANG) == 0;) {
      const std::string now = read_all(folder / "s.part.json");
      if (now != journal && n_changes-- == 0) ::kill(child, SIGKILL);
      journal = now;
      std::this_thread::yield();
    }
    is_through = WIFEXITED(status);
    EXPECT_TRUE(!is_through || WEXITSTATUS(status) == 0);
    n_killed += is_through ? 0 : 1;
    ASSERT_LT(n_killed, 60);
  }
  EXPECT_GT(n_killed, 0);
  work_in(folder.path(), "whole");
  EXPECT_TRUE(read_all(folder / "s") == read_all(folder / "whole"));
}

TEST_F(TokenizeAgain, OtherInputsOrOptionsBeginAnew) {
  ShardInfo head;
  head.vocab_size = 49152;
  {
    ShardWriter writer(folder_ / "s", head, "another job");
    const uint32_t id = 7;
    writer.append(&id, 1);
    writer.end_document();
    writer.record({0, 1});
    std::string message;
    EXPECT_EQ(error_of([&] { run("s"); }, &message), ErrorCode::kUnavailable);
    EXPECT_NE(message.find("another process is writing it"), std::string::npos) << message;
  }
  run("whole");
  EXPECT_FALSE(run("s").has_resumed);
  EXPECT_NE(warnings_.find("other inputs or options"), std::string::npos) << warnings_;
  EXPECT_EQ(read_all(folder_ / "s"), read_all(folder_ / "whole"));
}

TEST(TrainTokenizer, LearnsFromFilesWhatItLearnsFromTexts) {
  const io::TemporaryFolder folder;
  const std::string text = prose(150000, 6);
  folder.write("a.txt", text);
  folder.write("b.txt", "low lower lowest");
  const BpeTrainOptions options{400, 2, {"<|endoftext|>"}};
  EXPECT_EQ(train_tokenizer({folder.path()}, options).to_json(),
            train_bpe({text, "low lower lowest"}, options).to_json());
  folder.write("c.txt", "\xff");
  EXPECT_EQ(error_of([&] { train_tokenizer({folder.path()}, options); }), ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace weir::data
